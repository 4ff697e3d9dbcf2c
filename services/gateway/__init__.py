"""HTTP in: every channel's touches and facts, acknowledged after the journal's commit."""

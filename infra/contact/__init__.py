"""Conversations, folded from their parts: read, corrected, wrapped up, and compared with a switch's report."""

"""The parts of a rebuild: its tables, its plan, filling, following the ledger, the difference, the swap."""

"""Faults of one whole system, which these tests share."""

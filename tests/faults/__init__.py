"""Faults, really injected."""

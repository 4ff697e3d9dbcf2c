"""Consent that comes by itself: registers of people who do not want to be called, and one-click tokens."""

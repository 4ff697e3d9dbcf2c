"""Rules and deciders: pure functions of their arguments."""

"""The contract: every event type, its envelope, its wire form. Depends on msgspec alone."""

"""The compacted topic with each customer's current state."""

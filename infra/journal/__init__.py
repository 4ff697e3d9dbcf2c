"""The truth: appended under one lock, read by position, by customer and by contact."""

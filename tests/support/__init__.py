"""What tests share: a clock to set, items to send, views to fold."""

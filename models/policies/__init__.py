"""What causes something: (event, view) → commands. Never fed with history."""

"""The views: each a pure fold of one owner's events."""

"""What could not be taken, or not yet: kept sealed with its reason, looked at, and given back after a fix."""

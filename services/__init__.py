"""What runs: gateway, workers, API, command line."""

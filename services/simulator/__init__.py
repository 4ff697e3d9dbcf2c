"""A telephone company that does not exist, with a truth that only it knows."""

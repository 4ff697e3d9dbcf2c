"""Finding what was said, and who goes by a name, in an index of its own."""

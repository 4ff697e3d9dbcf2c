"""Edges: the journal, its doors and readers, keys, and the local servers."""

"""The whole main job on real data, as one command shows it."""

"""A small made-up world, played into a workspace for whoever develops a subscriber."""

"""Python's collector of cycles, for a process that runs long: what it has loaded stays, and is not looked at again."""

import gc

THRESHOLDS = (50_000, 20, 100)
"""Allocations between two looks at the young, and so on: a batch makes many objects and hardly any cycle."""


def keep_what_is_loaded() -> None:
    """Called once, when everything is imported and built. Else a sixth of a door's time went to the collector."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)

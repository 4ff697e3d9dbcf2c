"""Injecting faults into the whole running system, and judging what is left of its promises."""

"""How figures, ratios and aims are written, for screen and report alike."""

from bench.figures import Aim, Figure, Line
from bench.timing import short

SIGNS = {"at least": "≥", "at most": "≤", "more than": ">"}


def figure(one: Figure) -> str:
    """The median with its unit, and the least and the most of the runs."""
    told = f"{short(one.median)} {one.unit}"
    return told if len(one.values) == 1 else f"{told} ({short(min(one.values))} to {short(max(one.values))})"


def ratio(line: Line) -> str:
    """Ours to the other; empty where it stands alone."""
    return "" if line.ratio is None else f"{line.ratio:.2f}"


def aim(line: Line) -> str:
    """What was aimed at, in the words of its unit."""
    return "" if line.aim is None else _aim(line.aim, line.own.unit)


def met(line: Line) -> str:
    """yes, no, or nothing where nothing was aimed at."""
    return {True: "yes", False: "**no**", None: ""}[line.met]


def _aim(one: Aim, unit: str) -> str:
    limit = f"{SIGNS[one.sense]} {one.limit:,g}"
    return f"{limit} {unit}" if one.of == "figure" else f"{limit} ×"

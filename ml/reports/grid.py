"""A table for a reader, and a picture of the same figures; how numbers are written in both."""

from datetime import datetime

from markupsafe import Markup
from msgspec import Struct

from ml.evaluation import Interval


class Grid(Struct, frozen=True):
    """Rows of words and written numbers. `says` is what to see in it; `words` are the columns that hold no numbers."""

    title: str
    says: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: tuple[int, ...] = (0,)


class Picture(Struct, frozen=True):
    """A chart as SVG, and the table with its title and the figures it is drawn from."""

    grid: Grid
    svg: Markup


def count(number: int) -> str:
    """1234567 as 1,234,567."""
    return f"{number:,}"


def percent(share: float, digits: int = 1) -> str:
    """0.1234 as 12.3 %."""
    return f"{100 * share:.{digits}f} %"


def day(at: datetime) -> str:
    """A date."""
    return f"{at:%Y-%m-%d}"


def between(found: Interval, digits: int = 3) -> str:
    """A figure and the interval it lies in."""
    return f"{found.value:.{digits}f} ({found.low:.{digits}f} to {found.high:.{digits}f})"


def percent_between(found: Interval) -> str:
    """A share and the interval it lies in."""
    return f"{percent(found.value)} ({100 * found.low:.1f} to {100 * found.high:.1f})"

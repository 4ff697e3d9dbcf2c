"""The arithmetic of the report: several runs make a figure, two figures a ratio, a limit makes an aim."""

import math
import statistics
from collections.abc import Sequence
from typing import Literal

from msgspec import Struct


class Figure(Struct, frozen=True):
    """What several runs gave, in one unit. The median is what is told, with the least and the most beside it."""

    what: str
    unit: str
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle run."""
        return statistics.median(self.values)


class Aim(Struct, frozen=True):
    """What a line should reach: a limit for its figure, or for its ratio to the figure beside it."""

    of: Literal["figure", "ratio"]
    sense: Literal["at least", "at most", "more than"]
    limit: float


class Line(Struct, frozen=True):
    """One line of the table: our figure, what it stands beside, and what was aimed at."""

    own: Figure
    beside: Figure | None = None
    aim: Aim | None = None

    @property
    def ratio(self) -> float | None:
        """Ours to the other, by medians; nothing where it stands alone."""
        return ratio(self.own, self.beside) if self.beside else None

    @property
    def met(self) -> bool | None:
        """Was the aim reached? Nothing where there is none."""
        if self.aim is None:
            return None
        reached = self.own.median if self.aim.of == "figure" else self.ratio
        return reached is not None and reaches(reached, self.aim)


class Point(Struct, frozen=True):
    """One point of a plot: how a figure stands at a size of the journal."""

    series: str
    events: int
    value: float
    unit: str


class Path(Struct, frozen=True, kw_only=True):
    """One measured path: its lines, and what one must know to read them.

    `cpu` is the share of one core that each process took, or CPU seconds, as `cpu_unit` says; `peak_mb`
    the most memory a process held.
    """

    name: str
    title: str
    lines: list[Line]
    notes: list[str] = []
    cpu: dict[str, float] = {}
    cpu_unit: str = "share of one core"
    peak_mb: dict[str, float] = {}
    points: list[Point] = []
    seconds: float = 0.0


def ratio(own: Figure, beside: Figure) -> float:
    """How many times the other's median ours is."""
    return own.median / beside.median if beside.median else math.nan


def reaches(value: float, aim: Aim) -> bool:
    """Does a value reach the aim's limit?"""
    match aim.sense:
        case "at least":
            return value >= aim.limit
        case "at most":
            return value <= aim.limit
        case "more than":
            return value > aim.limit


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest-rank percentile: the least value that at least this share of all do not exceed."""
    if not values:
        raise ValueError("no values, no percentile")
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def latencies(rate: float, start: float, finished: Sequence[float]) -> list[float]:
    """Seconds from the moment each request should have been sent to its answer.

    Request n of a constant arrival should leave at start + n / rate. One that had to wait for a free
    connection is not excused: its wait is part of what a caller would have seen.
    """
    return [at - (start + number / rate) for number, at in enumerate(finished)]


def keeps_up(delays: Sequence[float], limit: float) -> bool:
    """Whether no queue grew: the median of the last quarter's delays stays below the limit (seconds)."""
    return percentile(delays[-(len(delays) // 4 or 1) :], 0.5) < limit

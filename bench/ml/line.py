"""One figure beside its reference."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """What was measured, and what it is held against.

    `low` and `high` are a 95 % interval, where there is one; `reference` is the figure that was measured or published
    before; `must` says in words what is to hold, and `holds` whether it does (None: nothing was promised).
    """

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    reference: float | None = None
    must: str = ""
    holds: bool | None = None
    seconds: float = 0.0

"""What a simulated world is to be like, and the division of its time."""

from dataclasses import dataclass
from datetime import UTC, datetime

from events.vocabulary import Origin

MOST_CUSTOMERS = 7_000_000
"""So many telephone numbers there are."""
DAY = 86_400


class BadSpec(ValueError):
    """A world that cannot be: `field` says which setting, the text why."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"{field}: {why}")
        self.field = field


@dataclass(frozen=True, kw_only=True, slots=True)
class Spec:
    """N customers over M months; the same spec gives the same bytes.

    `effect` scales what a treatment does to a customer: 1 as designed, 0 nothing at all. `begin` is when the
    world's first month starts. An `import` is told as history, with what was known when; a `live` world happens
    from `begin` on, `speed` times as fast as the clock: an hour of it takes 1/speed hours. `parts` tells calls
    in their parts, as a switch does, and not as one touch each.
    """

    begin: datetime
    customers: int = 5_000
    months: int = 12
    seed: int = 1
    effect: float = 1.0
    origin: Origin = "import"
    speed: float = 1.0
    parts: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.customers <= MOST_CUSTOMERS:
            raise BadSpec("customers", f"there may be 1 to {MOST_CUSTOMERS:,} customers")
        if not 1 <= self.months <= 120:
            raise BadSpec("months", "a world has 1 to 120 months")
        if not 0 <= self.seed < 2**63:
            raise BadSpec("seed", "a seed is a whole number, 0 or more, of at most 63 bits")
        if not 0 <= self.effect <= 5:
            raise BadSpec("effect", "the effect lies between 0 (none) and 5")
        if self.origin not in ("import", "live"):
            raise BadSpec("origin", "a world is told as import or live")
        if not 1 <= self.speed <= 10_000_000:
            raise BadSpec("speed", "a live world runs 1 to 10,000,000 times as fast as the clock")
        if self.speed != 1 and self.origin != "live":
            raise BadSpec("speed", "only a live world has a speed; history is told as fast as it is taken")
        if self.begin.tzinfo is None:
            raise BadSpec("begin", "the beginning needs its UTC offset")

    def month(self, number: int) -> int:
        """When a month starts, in seconds of the epoch; as many as `months` is when the world ends."""
        begin = self.begin.astimezone(UTC)
        months = begin.month - 1 + number
        day = min(begin.day, 28)
        there = begin.replace(year=begin.year + months // 12, month=months % 12 + 1, day=day, microsecond=0)
        return int(there.timestamp())


def months_before(now: datetime, months: int) -> datetime:
    """The beginning of a world that ends with the last full month before `now`."""
    last = now.astimezone(UTC).year * 12 + now.astimezone(UTC).month - 1 - months
    return datetime(last // 12, last % 12 + 1, 1, tzinfo=UTC)

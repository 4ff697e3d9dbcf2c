"""The figures that make the world look like a real one: curves of the day and week, queues, talk, plans.

Calls follow what a real call centre measured: 53 of 100 queue, 68 s on average, 18.5 of 100 of them hang up; the
talk takes 184 s on average and 113 s at the median, 5.6 of 100 under 10 s; 65 of 100 are followed by another within
a week. The share of an hour is that of a real January; weekdays are those of a company that rests on Sunday.
"""

from math import exp
from typing import NamedTuple

from services.simulator.draws import Draws, Table
from services.simulator.spec import DAY

HOURS = Table(dict(enumerate((
    0.3, 0.1, 0.1, 0.1, 0.1, 0.1, 0.3, 2.6, 6.9, 7.6, 8.3, 7.4, 6.9, 6.7, 7.5, 7.7, 8.6, 6.3, 4.8, 4.9, 3.7, 3.3,
    3.2, 2.8,
))))  # fmt: skip
OFFICE_HOURS = Table(dict.fromkeys((9, 10, 11, 14, 15, 16, 17, 18, 19), 1.0))
"""When the company calls: never at noon or late."""
WEEKDAYS = (1.0, 0.95, 0.92, 0.92, 0.9, 0.6, 0.35)
"""Monday to Sunday, beside the busiest."""
PRESSURE = (
    0.5, 0.4, 0.4, 0.4, 0.4, 0.4, 0.5, 0.7, 0.95, 1.05, 1.2, 1.15, 1.05, 0.95, 1.0, 1.05, 1.15, 1.0, 0.9, 0.95, 0.9,
    0.85, 0.85, 0.8,
)  # fmt: skip
"""How short of agents each hour is."""
_QUEUEING, _WAIT, _PATIENCE = 0.53, 82.5, 396.0
_SHORT_TALK, _TALK_MEDIAN, _TALK_SIGMA = 0.05, 120.5, 0.973


class Plan(NamedTuple):
    """A tariff: what it costs a month, and the gigabytes and minutes that are in it."""

    name: str
    price: float
    gigabytes: float
    minutes: float


PLANS = (
    Plan("basic", 15.0, 4.0, 200.0),
    Plan("standard", 25.0, 12.0, 500.0),
    Plan("premium", 40.0, 40.0, 1500.0),
)
GIGABYTE_PRICE = 2.0
"""What each gigabyte beyond the plan costs."""
CURRENCY = "USD"

REASONS: Table[tuple[str, str]] = Table({
    ("billing.question", "billing"): 22, ("billing.dispute", "billing"): 9, ("network.fault", "technical"): 15,
    ("technical.question", "technical"): 12, ("product.question", "sales"): 10, ("contract.question", "sales"): 9,
    ("payment.arrangement", "billing"): 7, ("delivery.late", "service"): 4, ("address.change", "service"): 4,
    ("other", "service"): 8,
})  # fmt: skip
"""What people call about, and the queue that takes it."""
COMPLAINTS = {"billing.dispute": 0.5, "network.fault": 0.35, "delivery.late": 0.4}
"""How many contacts with this reason begin a complaint."""
OTHER_CHANNELS = Table({"chat": 0.36, "app": 0.34, "store": 0.16, "sms": 0.14})
OFFERS = Table({"data-10": 0.45, "family": 0.3, "device": 0.25})
WORDS = {
    "billing.dispute": "The bill is wrong again and nobody can tell me why.",
    "network.fault": "There has been no signal at home for days.",
    "delivery.late": "The device was promised for last week and is still not here.",
}
"""What they say when they complain."""


def moment(draws: Draws, start: int, end: int) -> int:
    """A second in [start, end), where weekdays and hours are as busy as they are."""
    found = -1
    for _ in range(4):
        day = int(draws.between(start, end)) // DAY
        at = day * DAY + draws.pick(HOURS) * 3600 + draws.whole(3600)
        if start <= at < end:
            found = at
            # The epoch began on a Thursday.
            if draws.happens(WEEKDAYS[(day + 3) % 7]):
                break
    return found if found >= 0 else int(draws.between(start, end))


class Company:
    """How busy the call centre is, day by day; staff grows with the customers, so it depends on the seed alone."""

    __slots__ = ("_days", "_first")

    def __init__(self, seed: int, begin: int, end: int) -> None:
        draws = Draws(seed, 0)
        self._first = begin // DAY
        count = (end - begin) // DAY + 40
        self._days = [min(max(draws.lognormal(1.0, 0.16), 0.6), 1.6) for _ in range(count)]

    def pressure(self, at: int) -> float:
        """How short of agents it is now, about 1 on average."""
        day = min(max(at // DAY - self._first, 0), len(self._days) - 1)
        return self._days[day] * PRESSURE[at % DAY // 3600]


class Wait(NamedTuple):
    """What happened before an answer: seconds waited, whether in a queue, whether the customer hung up there."""

    seconds: int
    queued: bool
    abandoned: bool


def wait(draws: Draws, pressure: float, patience: float) -> Wait:
    """In a queue whoever is not answered at once waits for an agent or for the end of their patience.

    `patience` is the customer's own, 1 for the usual.
    """
    if not draws.happens(min(_QUEUEING * pressure**0.7, 0.97)):
        return Wait(0, False, False)
    served = draws.exponential(_WAIT * pressure)
    patient = draws.exponential(_PATIENCE * patience)
    return Wait(round(min(served, patient)), True, patient < served)


def talk(draws: Draws) -> int:
    """Seconds of a conversation; some are over before they begin."""
    if draws.happens(_SHORT_TALK):
        return 1 + draws.whole(9)
    return max(1, round(min(draws.lognormal(_TALK_MEDIAN, _TALK_SIGMA), 6_000)))


def leaving(intensity: float, days: float) -> float:
    """The probability that something with this intensity a month of 30 days happens within so many days."""
    return 1.0 - exp(-intensity * days / 30.0)

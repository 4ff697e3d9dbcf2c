"""The world, month by month: what the company is told in order of time, and the truth beside it."""

from collections.abc import Iterator
from itertools import pairwise

from services.simulator.campaigns import planned
from services.simulator.contacts import Scene
from services.simulator.draws import Draws
from services.simulator.life import Life, born
from services.simulator.month import join, month
from services.simulator.secret import Fate, Secret
from services.simulator.shapes import Company
from services.simulator.spec import Spec
from services.simulator.telling import Telling, Told, account


def world(spec: Spec) -> Iterator[Told | Secret]:
    """Everything that happens: items in the order in which the company hears of them, secrets among them.

    An assignment comes before the items of its month, a customer's fate at the end. What would be heard of only
    after the last month is not told. The memory holds the customers and one month's items.
    """
    months = [spec.month(number) for number in range(spec.months + 1)]
    company, telling = Company(spec.seed, months[0], months[-1]), Telling(spec)
    lives = [born(number, spec.seed, months[0], months) for number in range(spec.customers)]
    for life in lives:
        if life.joined_at < months[0]:
            join(
                Scene(life, Draws(spec.seed, life.number + 1, 1), company, telling, life.joined_at, months[0])
            )
    yield from _heard(telling, telling.second(months[0]))
    for number, (start, end) in enumerate(pairwise(months)):
        campaign = planned(number, spec)
        for life in lives:
            draws = Draws(spec.seed, life.number + 1, number + 2)
            yield from month(Scene(life, draws, company, telling, start, end), campaign, spec)
        yield from _heard(telling, telling.second(end))
    for life in lives:
        yield _fate(life, telling)


def _heard(telling: Telling, until: int) -> Iterator[Told]:
    """What is heard of before `until`, in order; the rest stays."""
    telling.items.sort()
    items = telling.items
    telling.items = [item for item in items if item.at >= until]
    yield from items[: len(items) - len(telling.items)]


def _fate(life: Life, telling: Telling) -> Fate:
    return Fate(
        account=account(life), kind=life.kind, joined_at=telling.moment(life.joined_at),
        left_at=None if life.active else telling.moment(life.left_at), why=None if life.active else life.why,
        returned=life.returned,
    )  # fmt: skip

"""Invented customers and what they do: drawn from a seed, so that a run can be had again."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from tests.support.faults.book import Entry, Kind, Name

CONTACTS = ("voice", "chat", "store", "im")
VISITS = ("web", "app")
LATE = 0.1
"""Share of events that are told long after they happened."""


class Person:
    """Somebody with an account, and perhaps a mail address that at first nobody knows to be theirs."""

    def __init__(self, number: int, *, two_sided: bool) -> None:
        self.account: Name = ("account", f"{number}")
        self.email: Name | None = ("email", f"person{number}@example.com") if two_sided else None

    def appear(self, chance: Random) -> tuple[Name, ...]:
        """How they show themselves this time. Both sides at once makes two customers one."""
        if self.email is None:
            return (self.account,)
        return chance.choice(((self.account,), (self.email,), (self.account,), (self.account, self.email)))


class Crowd:
    """People who keep one sender busy. Two crowds may share people."""

    def __init__(self, source: str, people: Sequence[Person], chance: Random) -> None:
        self.source, self._people, self._chance, self._sent = source, people, chance, 0

    def act(self, count: int) -> list[Entry]:
        """So many events, each of somebody."""
        return [self._one() for _ in range(count)]

    def _one(self) -> Entry:
        chance = self._chance
        self._sent += 1
        kind: Kind = chance.choices(("contact", "visit", "purchase", "return"), (5, 2, 3, 1))[0]
        at = datetime.now(UTC)
        if chance.random() < LATE:
            at -= timedelta(minutes=chance.uniform(1, 3_000))
        amount = (
            Decimal(chance.randrange(100, 20_000)) / 100 if kind in ("purchase", "return") else Decimal(0)
        )
        names = chance.choice(self._people).appear(chance)
        return Entry(self.source, f"{self.source}:{self._sent}", kind, at, names, amount)


def people(count: int) -> list[Person]:
    """So many; every fourth has two sides."""
    return [Person(number, two_sided=number % 4 == 0) for number in range(count)]


def identifiers(names: Sequence[Name]) -> list[dict[str, str]]:
    """Names as a sender writes them."""
    issuer = {"account": {"issuer": "shop"}}
    return [{"kind": kind, "value": value, **issuer.get(kind, {})} for kind, value in names]


def body(entry: Entry) -> dict[str, Any]:
    """An entry as it is sent; the same bytes however often."""
    data: dict[str, Any]
    if entry.kind in ("purchase", "return"):
        type = "purchase.recorded" if entry.kind == "purchase" else "purchase.returned"
        data = {"amount": str(entry.amount), "currency": "USD"}
    else:
        type = "touch.recorded"
        ways = CONTACTS if entry.kind == "contact" else VISITS
        channel = ways[sum(entry.source_id.encode()) % len(ways)]
        data = {"channel": channel, "direction": "inbound", "text": f"said at {entry.source_id}"}
    return {
        "type": type, "source": entry.source, "source_id": entry.source_id,
        "occurred_at": entry.at.isoformat(), "identifiers": identifiers(entry.names), "data": data,
    }  # fmt: skip

"""Customers and what they do, drawn from a seed: events as senders write them, every one of them valid."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import msgspec

BEGIN = datetime(2026, 3, 2, 8, tzinfo=UTC)
SOURCE = "bench"
AREAS = (201, 212, 213, 305, 310, 312, 404, 415, 503, 512, 602, 617, 619, 702, 713, 718, 206, 303, 314, 407)
FIRST = ("ann", "bo", "cara", "dev", "eli", "fay", "gus", "hana", "ivo", "june", "kai", "lea", "max", "noor")
LAST = (
    "abbot",
    "brook",
    "chen",
    "diaz",
    "evans",
    "fisher",
    "garcia",
    "haddad",
    "ito",
    "jones",
    "khan",
    "lopez",
)
REASONS = (
    "billing.dispute",
    "billing.question",
    "network.coverage",
    "device.setup",
    "contract.end",
    "roaming",
)
NOTES = (
    "was charged twice for the same month and wants the second amount back",
    "asks when the contract ends and what staying would cost",
    "no reception at home since the weekend, neighbours have the same",
    "moved house, the new address is not served yet, wants to hear when it is",
    "found a cheaper offer elsewhere and asks whether we can match it",
    "thanks for the quick help last time, everything works now",
)
PRODUCTS = ("sim-s", "sim-m", "sim-l", "fibre-100", "fibre-500", "router", "insurance")

_encode = msgspec.json.Encoder().encode


def identifiers(person: int) -> list[dict[str, str]]:
    """How a person is known: by phone, by mail, or by both."""
    exchange, line = 200 + person // 10_000 // len(AREAS) % 800, person // len(AREAS) % 10_000
    phone = {"kind": "phone", "value": f"+1 {AREAS[person % len(AREAS)]} {exchange} {line:04}"}
    name = f"{FIRST[person % len(FIRST)]}.{LAST[person % len(LAST)]}{person}"
    mail = {"kind": "email", "value": f"{name}@example.com"}
    return [[phone], [mail], [phone, mail]][person % 3]


class Senders:
    """The systems that send: each event has an id of its own, as long as they live."""

    def __init__(self, seed: int, name: str = SOURCE) -> None:
        self._random, self._name, self._sent = Random(seed), name, 0

    def touch(self, person: int, at: datetime | None = None) -> bytes:
        """A call that an agent wrapped up, with a note that is sealed."""
        chance = self._random
        data = {
            "channel": "voice", "direction": "inbound", "reason": chance.choice(REASONS),
            "wait_seconds": chance.randrange(200), "talk_seconds": chance.randrange(30, 900),
            "outcome": chance.choice(("resolved", "unresolved", "callback")),
            "agent": f"a-{chance.randrange(200)}", "queue": f"q-{chance.randrange(12)}",
            "text": f"{FIRST[person % len(FIRST)]} {chance.choice(NOTES)}",
        }  # fmt: skip
        return self._item("touch.recorded", person, at, data)

    def purchase(self, person: int, at: datetime | None = None) -> bytes:
        """Something bought in a shop."""
        data = {
            "product": self._random.choice(PRODUCTS), "quantity": 1, "currency": "USD",
            "amount": f"{self._random.randrange(500, 20_000) / 100:.2f}", "order_id": f"o-{self._sent}",
        }  # fmt: skip
        return self._item("purchase.recorded", person, at, data)

    def usage(self, person: int, at: datetime | None = None) -> bytes:
        """A day's use of the network."""
        data = {"service": "data", "quantity": self._random.randrange(1, 4_000), "unit": "MB"}
        return self._item("usage.recorded", person, at, data)

    def anything(self, person: int, at: datetime | None = None) -> bytes:
        """Mostly touches, some purchases, some usage."""
        draw = self._random.random()
        return (self.touch if draw < 0.6 else self.purchase if draw < 0.8 else self.usage)(person, at)

    def histories(self, people: int, each: int, late: float, first: int = 0) -> Iterator[bytes]:
        """What so many people do in `each` rounds, a day apart; in every round in another order.

        A share of them is late: it happened days before what was sent of the same person earlier.
        """
        everybody = list(range(first, first + people))
        for round_ in range(each):
            self._random.shuffle(everybody)
            for person in everybody:
                at = BEGIN + timedelta(days=round_, seconds=self._random.randrange(80_000))
                if round_ and self._random.random() < late:
                    at -= timedelta(days=self._random.randrange(2, 30))
                yield self.anything(person, at)

    def _item(self, wire: str, person: int, at: datetime | None, data: dict[str, Any]) -> bytes:
        self._sent += 1
        found = {
            "type": wire, "source": self._name, "source_id": f"{self._name}-{self._sent}",
            "identifiers": identifiers(person), "data": data,
        }  # fmt: skip
        if at is not None:
            found["occurred_at"] = at.isoformat()
        return _encode(found)


def batches(items: Iterator[bytes] | list[bytes], size: int) -> Iterator[list[bytes]]:
    """Slices of so many, the last one shorter."""
    batch: list[bytes] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch

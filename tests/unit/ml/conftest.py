"""Small worlds for the churn model: facts by day, and a shop whose customers quietly leave."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random

import pytest

from events.envelope import Envelope, Event
from events.holding import PurchaseRecorded, PurchaseReturned
from events.touch import TouchRecorded
from ml.histories import Histories
from ml.training import ChurnSpec, Trained, spec_for, train

OPENING, CLOSING = datetime(2024, 1, 1, tzinfo=UTC), datetime(2025, 4, 1, tzinfo=UTC)

Fact = Callable[..., Envelope]


def make_fact(event: Event, at: datetime, known_at: datetime | None = None, number: int = 0) -> Envelope:
    return Envelope(
        event=event,
        event_id=f"{at:%Y%m%d%H%M}-{number}",
        position=number,
        occurred_at=at,
        known_at=known_at or at,
        recorded_at=known_at or at,
        source="shop",
        source_id=f"{at:%Y%m%d%H%M}-{number}",
    )


def make_shop(customers: int, seed: int) -> dict[str, list[Envelope]]:
    """Customers buy at a pace of their own until one day they leave; some complain first."""
    random = Random(seed)
    histories: dict[str, list[Envelope]] = {}
    for number in range(customers):
        pace, stays = 2 * 60 ** random.random(), random.expovariate(1 / 300)
        at = OPENING + timedelta(days=random.uniform(0, 120))
        gone = at + timedelta(days=stays)
        history = []
        while at < min(gone, CLOSING):
            amount = Decimal(f"{random.uniform(5, 80):.2f}")
            history.append(make_fact(PurchaseRecorded(amount=amount), at, number=len(history)))
            if random.random() < 0.1:
                returned = PurchaseReturned(amount=amount)
                history.append(make_fact(returned, at + timedelta(hours=1), number=len(history)))
            at += timedelta(days=random.expovariate(1 / pace) + 0.1)
        if gone < CLOSING and random.random() < 0.3:
            complaint = TouchRecorded(channel="voice", reason="complaint.quality", outcome="unresolved")
            history.append(make_fact(complaint, gone, number=len(history)))
        histories[f"customer-{number}"] = sorted(history, key=lambda envelope: envelope.order)
    return histories


@pytest.fixture(scope="session")
def fact() -> Fact:
    return make_fact


@pytest.fixture(scope="session")
def told() -> dict[str, list[Envelope]]:
    """The shop's customers, each with their events."""
    return make_shop(customers=700, seed=11)


@pytest.fixture(scope="session")
def shop(told: dict[str, list[Envelope]]) -> Histories:
    return Histories.of(told)


@pytest.fixture(scope="session")
def spec() -> ChurnSpec:
    return spec_for(OPENING, CLOSING, horizon_days=90, population_days=120)


@pytest.fixture(scope="session")
def trained(shop: Histories, spec: ChurnSpec) -> Trained:
    return train(shop, spec)

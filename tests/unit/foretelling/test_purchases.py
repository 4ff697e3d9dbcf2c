"""What buyers will spend: who teaches it, and what is told apart from contracts, returns and other currencies."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from ml.facts import EXACT, MOMENT
from ml.histories import MERGES, Histories
from services.foretelling.evidence import BOUGHT, RETURNED, Evidence
from services.foretelling.purchases import foretell

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HORIZON = 90


def evidence(rows) -> Evidence:
    """Of (customer, days ago, money, currency); what is below nothing was brought back."""
    told = pl.DataFrame(
        [
            {
                "customer": customer, "type": BOUGHT if money >= 0 else RETURNED, "currency": currency,
                "occurred_at": NOW - timedelta(days=days), "known_from": NOW - timedelta(days=days),
                "known_until": None, "amount_e4": round(abs(money) * EXACT), "price_e4": None, "product": None,
                "holding_id": None,
            }
            for customer, days, money, currency in rows
        ],
        schema_overrides={"occurred_at": MOMENT, "known_from": MOMENT, "known_until": MOMENT},
    ).sort("customer", "occurred_at")  # fmt: skip
    return Evidence(told, Histories(lambda: iter([told]), pl.DataFrame(schema=MERGES)))


def world(*, yearly: bool, customers: int = 1500):
    """Customers who come at a pace of their own and one day stay away; with `yearly`, a third come once a year."""
    random = np.random.default_rng(3)
    for who in range(customers):
        once_a_year = yearly and who % 3 == 0
        day, price = random.uniform(1, 1500), 20 * random.gamma(4, 0.25) * (3 if once_a_year else 1)
        pace, leaving = random.gamma(1.2, 1 / 40), random.beta(1.0, 4.0)
        while day > 0:
            yield f"{who:04}", day, price * random.gamma(6, 1 / 6) + 0.01, "EUR"
            day -= random.normal(365, 5) if once_a_year else 1 + random.exponential(1 / pace)
            if not once_a_year and random.random() < leaving:
                break


def test_an_older_cohort_teaches_what_the_papers_cannot_see():
    """Whoever comes once a year has not left when they are silent for ten months."""
    told = foretell(evidence(world(yearly=True)), NOW, HORIZON, "EUR", ())
    assert told is not None
    assert (told.model, told.parameters, told.unjudged) == ("boosting", {}, "")
    assert told.judged_from == NOW - timedelta(days=HORIZON)
    top = {one.model: one.top_tenth.value for one in told.judgements}
    assert top["boosting"] > top["bg_nbd"] > top["zero"]
    assert len(told.customers) == len(told.amount) == 1500
    assert (told.amount >= 0).all()


def test_where_customers_come_as_the_papers_say_their_models_stay():
    told = foretell(evidence(world(yearly=False)), NOW, HORIZON, "EUR", ())
    assert told is not None
    assert told.model == "bg_nbd"
    assert told.parameters["spend.q"] > 1
    ours = next(one for one in told.judgements if one.model == "bg_nbd")
    assert 0.8 < ours.total.value < 1.25


def test_what_came_back_other_money_and_those_told_apart_do_not_count():
    rows = list(world(yearly=False, customers=300))
    alone = foretell(evidence(rows), NOW, HORIZON, "EUR", ())
    more = [*rows, ("dollars", 9.0, 50.0, "USD"), ("apart", 9.0, 50.0, "EUR"), ("brought", 9.0, 50.0, "EUR"),
            ("brought", 9.0, -50.01, "EUR")]  # fmt: skip
    told = foretell(evidence(more), NOW, HORIZON, "EUR", ("apart",))
    assert alone is not None
    assert told is not None
    assert told.customers == alone.customers
    assert told.amount == pytest.approx(alone.amount)


def test_where_nobody_bought_nothing_is_told():
    assert foretell(evidence([("a", 9.0, 50.0, "USD")]), NOW, HORIZON, "EUR", ()) is None

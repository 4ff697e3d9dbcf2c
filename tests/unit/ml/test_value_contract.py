"""What contracts bring: money a month out of bills and prices, how long they run, and how long people stay."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from ml.value.contract import MONTH, Contracts, contracts, leaving, staying

CUT = datetime(2026, 1, 1, tzinfo=UTC)


def ago(days: float) -> datetime:
    return CUT - timedelta(days=days)


def row(customer, type, days, *, amount=None, price=None, currency="EUR", holding=None):
    return {
        "customer": customer, "type": type, "occurred_at": ago(days), "holding_id": holding, "currency": currency,
        "amount_e4": None if amount is None else round(amount * 10_000),
        "price_e4": None if price is None else round(price * 10_000),
    }  # fmt: skip


def started(customer, days, price, holding="1", **more):
    return row(customer, "holding.started", days, price=price, holding=holding, **more)


def ended(customer, days, holding="1"):
    return row(customer, "holding.ended", days, holding=holding, currency="")


def billed(customer, days, amount, **more):
    return row(customer, "bill.issued", days, amount=amount, **more)


def known(*rows, currency="EUR") -> Contracts:
    kinds = {"holding_id": pl.String, "amount_e4": pl.Int64, "price_e4": pl.Int64}
    told = pl.DataFrame(list(rows), schema_overrides=kinds).sort("customer", "occurred_at")
    return contracts(told, CUT, currency)


def monthly(found: Contracts) -> dict[str, float]:
    return dict(zip(found.customers, np.round(found.monthly, 2).tolist(), strict=True))


def test_what_is_held_says_what_it_brings_a_month_until_there_are_bills():
    """A bill is for the time since the one before it: the first of a span says nothing of its money."""
    found = known(
        started("priced", 100, 20.0), started("priced", 90, 5.0, holding="2"),
        started("billed", 100, 20.0), billed("billed", 61, 99.0), billed("billed", 30.5, 30.0),
        billed("billed", 0.1, 30.0),
        started("new", 10, 20.0), billed("new", 5, 7.0),
    )  # fmt: skip
    assert monthly(found) == {"priced": 25.0, "billed": pytest.approx(30.0, abs=0.2), "new": 20.0}


def test_quarterly_bills_come_to_a_third_a_month():
    found = known(*(billed("q", days, 90.0) for days in (275, 184, 92, 1)))
    assert monthly(found)["q"] == pytest.approx(30.0, abs=0.1)


def test_a_changed_price_counts_and_one_of_another_currency_does_not():
    changed = row("a", "holding.changed", 50, price=12.0, holding="1", currency="")
    moved = row("a", "holding.changed", 40, holding="1", currency="")
    found = known(started("a", 100, 20.0), changed, moved, started("b", 100, 9.0, currency="USD"))
    assert monthly(found) == {"a": 12.0}


def test_a_contract_runs_until_its_last_holding_ends_or_bills_stop_coming():
    found = known(
        started("runs", 400, 10.0), ended("runs", 300), started("runs", 300, 10.0, holding="2"),
        started("left", 400, 10.0), ended("left", 100),
        billed("pays", 60, 10.0), billed("pays", 30, 10.0), billed("stopped", 200, 10.0), billed("stopped", 150, 10.0),
    )  # fmt: skip
    assert dict(zip(found.customers, found.running.tolist(), strict=True)) == {
        "left": False, "pays": True, "runs": True, "stopped": False,
    }  # fmt: skip
    assert np.round(found.days).tolist() == [265, 60, 365, 50]
    assert found.leaving_a_day == pytest.approx(2 / (265 + 60 + 365 + 50))


def test_one_who_left_before_the_last_year_says_nothing_of_how_fast_people_leave():
    found = known(started("long ago", 900, 10.0), ended("long ago", 500), started("here", 100, 10.0))
    assert found.leaving_a_day == 0


def test_who_neither_leaves_nor_pays_is_no_contract():
    none = known(row("a", "holding.started", 10, holding="1"), row("b", "purchase.recorded", 5, amount=10.0))
    assert none.customers.to_list() == []
    assert none.leaving_a_day == 0


def test_who_leaves_at_an_even_rate_stays_for_a_part_of_the_horizon():
    """With even chances to leave in 90 days a quarter is there after 180, and about 97 of these days are to expect."""
    rate = leaving(np.array([0.5, 0.0, 1.0]), np.array([90.0, 90.0, 90.0]))
    days, there = staying(rate, 180)
    assert there == pytest.approx([0.25, 1.0, 0.0], abs=1e-9)
    assert days[:2] == pytest.approx([90 * 0.75 / np.log(2), 180.0])
    assert 0 < days[2] < 5


def test_a_month_is_a_twelfth_of_a_year():
    assert pytest.approx(365.25) == 12 * MONTH

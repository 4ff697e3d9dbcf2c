"""Purchases summed up at a cut: what counts as one, what is not seen yet, and where days begin."""

from datetime import UTC, date, datetime, timedelta, timezone

import polars as pl
import pytest

from ml.value import money
from ml.value.histories import Summary, came, summarise
from ml.value.refusals import NotFinite

CUT = datetime(2024, 3, 1, tzinfo=UTC)


def purchases(*rows: tuple[str, date | datetime, float]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["customer", "at", "money"], orient="row")


def told(summary: Summary) -> dict[str, tuple[float, ...]]:
    """Repeats, last, age, paid purchases, their mean, those after the first, their mean, and money, by customer."""
    histories = summary.histories
    columns = zip(
        histories.repeats, histories.last, histories.age,
        summary.spending.purchases, summary.spending.mean,
        summary.after_first.purchases, summary.after_first.mean, summary.money,
        strict=True,
    )  # fmt: skip
    return dict(zip(summary.customers, (tuple(float(v) for v in row) for row in columns), strict=True))


def test_a_history_is_counted_in_days_from_the_first_purchase():
    summary = summarise(
        purchases(
            ("b", date(2024, 2, 28), 7.0), ("a", date(2024, 2, 1), 10.0), ("a", date(2024, 2, 20), 30.0)
        ),
        CUT,
    )
    assert told(summary) == {"a": (1, 19, 28, 2, 20, 1, 30, 40), "b": (0, 0, 1, 1, 7, 0, 0, 7)}


def test_two_purchases_of_a_day_are_one():
    day = datetime(2024, 2, 1, 9, tzinfo=UTC)
    summary = summarise(purchases(("a", day, 10.0), ("a", day + timedelta(hours=5), 5.0)), CUT)
    assert told(summary) == {"a": (0, 0, 28, 1, 15, 0, 0, 15)}


def test_a_purchase_at_the_cut_is_not_seen_and_one_just_before_has_no_silence():
    just_before = CUT - timedelta(microseconds=1)
    summary = summarise(purchases(("late", CUT, 10.0), ("soon", just_before, 10.0)), CUT)
    assert told(summary) == {"soon": (0, 0, 0, 1, 10, 0, 0, 10)}
    bought, paid = came(purchases(("soon", CUT, 8.0)), summary.customers, CUT, CUT + timedelta(days=1))
    assert (bought.tolist(), paid.tolist()) == ([1], [8])


def test_a_free_purchase_counts_and_says_nothing_of_the_spend():
    summary = summarise(purchases(("a", date(2024, 2, 1), 0.0), ("a", date(2024, 2, 11), 12.0)), CUT)
    assert told(summary) == {"a": (1, 10, 28, 1, 12, 1, 12, 12)}


def test_a_day_of_returns_is_no_purchase_but_takes_from_the_money():
    summary = summarise(
        purchases(
            ("a", date(2024, 2, 1), 40.0), ("a", date(2024, 2, 11), -15.0), ("b", date(2024, 2, 2), -3.0)
        ),
        CUT,
    )
    assert told(summary) == {"a": (0, 0, 28, 1, 40, 0, 0, 25)}


def test_days_are_those_of_utc_wherever_the_purchase_was_told():
    shanghai = timezone(timedelta(hours=8))
    early = datetime(2024, 2, 2, 7, 59, tzinfo=shanghai)
    frame = purchases(("a", early, 10.0), ("a", datetime(2024, 2, 1, 12, tzinfo=UTC), 10.0))
    assert told(summarise(frame, CUT)) == {"a": (0, 0, 28, 1, 20, 0, 0, 20)}
    unzoned = frame.with_columns(pl.col("at").dt.convert_time_zone("UTC").dt.replace_time_zone(None))
    assert told(summarise(unzoned, CUT.replace(tzinfo=None))) == told(summarise(frame, CUT))


def test_who_bought_nothing_in_the_window_brought_nothing():
    frame = purchases(
        ("a", date(2024, 2, 1), 10.0), ("b", date(2024, 2, 1), 10.0), ("b", date(2024, 3, 9), 6.0)
    )
    customers = summarise(frame, CUT).customers
    bought, paid = came(frame, customers, CUT, CUT + timedelta(days=30))
    assert (bought.tolist(), paid.tolist()) == ([0, 1], [0, 6])


def test_later_purchases_change_nothing_of_what_was_known():
    known = purchases(("a", date(2024, 2, 1), 10.0), ("b", date(2024, 2, 5), 4.0))
    later = purchases(("a", date(2024, 3, 1), 99.0), ("c", date(2024, 3, 2), 5.0))
    assert told(summarise(pl.concat([known, later]), CUT)) == told(summarise(known, CUT))


def test_what_was_paid_so_far_is_carried_on():
    summary = summarise(purchases(("a", date(2024, 2, 1), 56.0)), CUT)
    assert money.past_money(summary, 14).tolist() == [28]


@pytest.mark.parametrize("broken", [float("nan"), None])
def test_money_that_is_no_number_is_refused(broken):
    with pytest.raises(NotFinite, match=r"purchases\.money"):
        summarise(purchases(("a", date(2024, 2, 1), 10.0), ("a", date(2024, 2, 2), broken)), CUT)

"""Who left, in a half-open window."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from events.holding import (
    HoldingEnded,
    HoldingStarted,
    PurchaseRecorded,
    PurchaseReturned,
    SaveAccepted,
    UsageRecorded,
)
from events.offer import PresentationMade
from events.touch import TouchRecorded
from ml.dataset import build
from ml.histories import Histories

CUT = datetime(2025, 3, 1, tzinfo=UTC)
END = CUT + timedelta(days=90)
MOMENT = timedelta(microseconds=1)


def row(history, data_end=END, about="no_activity", population_days=180, cut=CUT):
    """The one row of a customer; None where the label says nothing of them."""
    rows = build(
        Histories.of({"one": sorted(history, key=lambda e: e.order)}), [cut], label=about, horizon_days=90,
        population_days=population_days, data_end=data_end,
    )  # fmt: skip
    return rows if len(rows) else None


def label(history, data_end=END, about="no_activity"):
    found = row(history, data_end, about)
    return None if found is None else bool(found.labels[0])


def test_silence_for_the_whole_window_is_leaving(fact):
    assert label([fact(PurchaseRecorded(), CUT - MOMENT)]) is True


def test_a_purchase_exactly_at_the_cut_belongs_to_the_label(fact):
    assert label([fact(PurchaseRecorded(), CUT - MOMENT), fact(PurchaseRecorded(), CUT)]) is False


def test_a_purchase_exactly_at_the_end_of_the_window_is_outside(fact):
    before = fact(PurchaseRecorded(), CUT - MOMENT)
    assert label([before, fact(PurchaseRecorded(), END)], data_end=END + MOMENT) is True
    assert label([before, fact(PurchaseRecorded(), END - MOMENT)]) is False


def test_use_is_staying_and_a_return_is_not(fact):
    before = fact(PurchaseRecorded(), CUT - MOMENT)
    used = fact(UsageRecorded(service="mobile", quantity=1, unit="minutes"), CUT + MOMENT)
    assert label([before, used]) is False
    assert label([before, fact(PurchaseReturned(), CUT + MOMENT)]) is True


def test_a_window_that_is_not_over_decides_nothing(fact):
    history = [fact(PurchaseRecorded(), CUT - MOMENT), fact(PurchaseRecorded(), CUT)]
    assert label(history, data_end=END - MOMENT) is None


def test_the_label_concerns_only_those_known_to_have_bought_or_used_before(fact):
    assert label([fact(PurchaseRecorded(), CUT)]) is None
    assert label([fact(PurchaseRecorded(), CUT - MOMENT, known_at=CUT)]) is None


def test_a_purchase_that_became_known_after_the_data_ended_changes_no_label(fact):
    late = fact(PurchaseRecorded(), CUT, known_at=END)
    assert label([fact(PurchaseRecorded(), CUT - MOMENT), late]) is True


def test_the_population_window_includes_its_first_moment(fact):
    history = [fact(PurchaseRecorded(), CUT - timedelta(days=180))]
    assert row(history).active.tolist() == [True]
    assert row(history, cut=CUT + MOMENT, data_end=END + MOMENT).active.tolist() == [False]


@pytest.mark.parametrize(
    ("event", "treated"),
    [
        (SaveAccepted(), True),
        (PresentationMade(presentation_id="p", offer="o", channel="voice", purpose="retention"), True),
        (PresentationMade(presentation_id="p", offer="o", channel="voice", purpose="cross_sell"), False),
        (TouchRecorded(direction="outbound", campaign="stay"), True),
        (TouchRecorded(direction="outbound"), False),
        (PurchaseRecorded(amount=Decimal(3)), False),
    ],
    ids=lambda one: type(one).__name__,
)
def test_whom_we_tried_to_keep_in_the_window_is_marked(fact, event, treated):
    before = fact(PurchaseRecorded(), CUT - MOMENT)
    assert row([before, fact(event, CUT, number=1)]).treated.tolist() == [treated]
    assert row([before, fact(event, CUT - MOMENT, number=1)]).treated.tolist() == [False]
    assert row([before, fact(event, END, number=1)]).treated.tolist() == [False]


def test_a_holder_left_with_nothing_has_left_and_one_who_moved_on_has_not(fact):
    held = fact(HoldingStarted(holding_id="h1", product="plan"), CUT - MOMENT)
    ended = fact(HoldingEnded(holding_id="h1"), CUT)
    moved = fact(HoldingStarted(holding_id="h2", product="plan"), CUT + MOMENT)
    assert label([held], END, "holding_ended") is False
    assert label([held, ended], END, "holding_ended") is True
    assert label([held, ended, moved], END, "holding_ended") is False
    assert label([moved], END, "holding_ended") is None
    assert label([held, ended], END - MOMENT, "holding_ended") is None

"""Who left, in a half-open window."""

from datetime import UTC, datetime, timedelta

from events.holding import HoldingEnded, HoldingStarted, PurchaseRecorded, PurchaseReturned, UsageRecorded
from ml.labels import active_within, holding_ended, no_activity

CUT = datetime(2025, 3, 1, tzinfo=UTC)
END = CUT + timedelta(days=90)
MOMENT = timedelta(microseconds=1)


def label(history, data_end=END):
    return no_activity(history, CUT, 90, data_end)


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
    assert active_within(history, CUT, days=180)
    assert not active_within(history, CUT + MOMENT, days=180)
    assert active_within(history, CUT + MOMENT)


def test_a_holder_left_with_nothing_has_left_and_one_who_moved_on_has_not(fact):
    held = fact(HoldingStarted(holding_id="h1", product="plan"), CUT - MOMENT)
    ended = fact(HoldingEnded(holding_id="h1"), CUT)
    moved = fact(HoldingStarted(holding_id="h2", product="plan"), CUT + MOMENT)
    assert holding_ended([held], CUT, 90, END) is False
    assert holding_ended([held, ended], CUT, 90, END) is True
    assert holding_ended([held, ended, moved], CUT, 90, END) is False
    assert holding_ended([moved], CUT, 90, END) is None
    assert holding_ended([held, ended], CUT, 90, END - MOMENT) is None

"""What a feature says of a customer at a moment."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from events.case import CaseOpened
from events.envelope import Envelope
from events.holding import CancelRequested, PurchaseRecorded, PurchaseReturned, UsageRecorded
from events.registry import find
from events.touch import TouchCorrected, TouchRecorded, TouchRetracted
from ml.features.catalogue import BY_NAME, FEATURES, NAMES, definition_hash, features

MARCH = datetime(2025, 3, 1, tzinfo=UTC)
MOMENT = timedelta(microseconds=1)


def days_before(days: float) -> datetime:
    return MARCH - timedelta(days=days)


@pytest.fixture
def bought(fact):
    def buy(at: datetime, amount: str = "10", **more) -> Envelope:
        return fact(PurchaseRecorded(amount=Decimal(amount)), at, **more)

    return buy


def test_an_event_exactly_at_the_cut_is_not_known(bought):
    assert features([bought(MARCH)], MARCH) == features([], MARCH)


def test_an_event_just_before_the_cut_is_known(bought):
    assert features([bought(MARCH - timedelta(microseconds=1))], MARCH)["purchases"] == 1


def test_a_fact_that_became_known_only_at_the_cut_is_not_known(bought):
    late = bought(days_before(40), known_at=MARCH)
    assert features([late, bought(days_before(10))], MARCH) == features([bought(days_before(10))], MARCH)


def test_a_window_begins_with_its_first_moment(bought):
    row = features([bought(days_before(30)), bought(days_before(30.001))], MARCH)
    assert (row["purchases_30d"], row["purchases_90d"]) == (1, 2)


def test_recency_tenure_and_money(bought):
    row = features([bought(days_before(100), "30"), bought(days_before(20), "50")], MARCH)
    assert row["days_since_purchase"] == 20
    assert row["days_since_activity"] == 20
    assert row["days_since_use"] is None
    assert row["tenure_days"] == 100
    assert row["silent_share"] == 0.2
    assert (row["spent"], row["spent_30d"], row["mean_purchase"], row["last_purchase"]) == (80, 50, 40, 50)


def test_rhythm_compares_silence_with_the_customers_own_gap(bought):
    row = features([bought(days_before(days)) for days in (70, 60, 50, 20)], MARCH)
    assert row["usual_gap_days"] == 10
    assert row["silence_in_gaps"] == 2
    assert row["gap_trend"] == 3


def test_two_purchases_on_one_day_are_one_active_day(bought):
    row = features([bought(days_before(20)), bought(days_before(19.9), number=1)], MARCH)
    assert (row["purchases"], row["active_days"], row["active_days_30d"]) == (2, 1, 1)
    assert row["usual_gap_days"] is None


def test_use_is_activity_too(fact, bought):
    used = fact(UsageRecorded(service="mobile", quantity=3, unit="minutes"), days_before(5))
    row = features([bought(days_before(50)), used], MARCH)
    assert (row["days_since_purchase"], row["days_since_use"], row["days_since_activity"]) == (50, 5, 5)
    assert (row["active_days"], row["uses_30d"]) == (2, 1)


def test_returns_count_beside_what_was_bought(fact, bought):
    returned = fact(PurchaseReturned(amount=Decimal(15)), days_before(3))
    row = features([bought(days_before(9), "60"), returned], MARCH)
    assert (row["returns_365d"], row["returned_share"]) == (1, 0.25)


def test_contacts_complaints_and_cancel_requests(fact):
    history = [
        fact(TouchRecorded(reason="complaint.billing", outcome="unresolved"), days_before(9)),
        fact(CaseOpened(case_id="c1", kind="complaint", reason="billing"), days_before(9)),
        fact(TouchRecorded(direction="inbound", signals=("complaint",)), days_before(4)),
        fact(TouchRecorded(direction="outbound", campaign="spring"), days_before(3)),
        fact(TouchRecorded(outside="phantom", outcome="unresolved"), days_before(2)),
        fact(CancelRequested(), days_before(1)),
    ]
    row = features(history, MARCH)
    assert (row["contacts_30d"], row["outreach_90d"], row["days_since_contact"]) == (2, 1, 4)
    assert (row["unresolved_90d"], row["complaint_days_90d"], row["cancel_requests_90d"]) == (1, 2, 1)


def test_a_value_is_worded_with_its_unit():
    assert BY_NAME["days_since_purchase"].phrase(212.7) == "last purchase 212 days ago"
    assert BY_NAME["days_since_purchase"].phrase(1.0) == "last purchase 1 day ago"
    assert BY_NAME["days_since_purchase"].phrase(None) == "never bought"
    assert BY_NAME["days_to_contract_end"].phrase(35.0) == "contract ends in 35 days"
    assert BY_NAME["days_to_contract_end"].phrase(-35.0) == "contract ended 35 days ago"
    assert BY_NAME["spent_90d"].phrase(12.5) == "12.50 spent in the last 90 days"
    assert BY_NAME["silent_share"].phrase(0.5) == "silent for 50 % of the time as a customer"


def test_every_feature_has_one_definition_over_events_of_the_contract(bought):
    assert len(set(NAMES)) == len(FEATURES)
    assert set(features([bought(days_before(3))], MARCH)) == set(NAMES)
    for feature in FEATURES:
        assert all(find(wire) for wire in feature.sources), feature.name
        assert feature.meaning


def test_the_definitions_have_a_hash_that_stands():
    assert definition_hash() == definition_hash()


def test_a_correction_counts_from_when_it_was_known(fact):
    complaint = fact(TouchRecorded(reason="complaint.billing", outcome="unresolved"), days_before(9))
    corrected = fact(
        TouchCorrected(touch_id=complaint.event_id, reason="billing.dispute", outcome="resolved"),
        MARCH, number=1,
    )  # fmt: skip
    before, after = (features([complaint, corrected], at) for at in (MARCH, MARCH + MOMENT))
    assert (before["unresolved_90d"], before["complaint_days_90d"]) == (1, 1)
    assert (after["unresolved_90d"], after["complaint_days_90d"], after["contacts_30d"]) == (0, 0, 1)


def test_a_retraction_known_exactly_at_the_cut_is_not_known(fact):
    touch = fact(TouchRecorded(outcome="unresolved"), days_before(9))
    retracted = fact(TouchRetracted(touch_id=touch.event_id, why="a test call"), MARCH, number=1)
    assert features([touch, retracted], MARCH) == features([touch], MARCH)
    assert features([touch, retracted], MARCH + MOMENT)["contacts_30d"] == 0


def test_a_correction_may_move_a_touch_across_the_cut_once_it_is_known(fact):
    touch = fact(TouchRecorded(), MARCH + timedelta(days=3), known_at=days_before(2))
    corrected = fact(TouchCorrected(touch_id=touch.event_id, occurred_at=days_before(9)), days_before(1))
    assert features([touch], MARCH)["contacts_30d"] == 0
    assert features([touch, corrected], MARCH)["days_since_contact"] == 9

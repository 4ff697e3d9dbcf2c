"""The life cycle: each stage with since when, by which rule and because of what."""

import statistics
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.holding import (
    CancelRequested,
    HoldingEnded,
    HoldingStarted,
    PurchaseRecorded,
    SaveAccepted,
    UsageRecorded,
)
from events.identity import IdentifierLinked
from events.prediction import ChurnScored
from events.touch import TouchRecorded, TouchSignalled
from models.domain.lifecycle import StageEntry, advance, fold, next_due, silence_after
from models.domain.rules import LifecycleRules
from tests.support.histories import life_stories
from tests.support.spec import happened

RULES = LifecycleRules()
START = datetime(2026, 1, 10, 15, 30, tzinfo=UTC)
ACQUIRED_UNTIL = datetime(2026, 1, 11, tzinfo=UTC)
DEVELOPED = ACQUIRED_UNTIL + timedelta(days=90)
H = timedelta(days=180)
INSTANT = timedelta(microseconds=1)

BUY = PurchaseRecorded(product="book")
USE = UsageRecorded(service="calls", quantity=1, unit="minute")
CANCEL = CancelRequested(holding_id="line")
SAVE = SaveAccepted(holding_id="line")
LEAVING = TouchRecorded(channel="voice", signals=("leaving",))


def line(holding_id="line"):
    return HoldingStarted(holding_id=holding_id, product="plan")


def ended(holding_id="line"):
    return HoldingEnded(holding_id=holding_id)


def scored(probability):
    return ChurnScored(
        run="r", artifact="a", as_of=START, horizon_days=180, probability=probability, rank=1, of=1
    )


def story(*parts, start=START, rules=RULES):
    """Folds (days after the start, event) in order; each event's id is `<type> <day>`."""
    state = None
    for day, event in parts:
        state = fold(state, happened(event, start + timedelta(days=day), f"{event.WIRE} {day}"), rules)
    return state


def stage(state, at, rules=RULES):
    return advance(state, at, rules).now.stage


def on(day):
    return START + timedelta(days=day)


def steady(until=700, every=30):
    """Somebody who buys regularly, for long enough to be retained."""
    return [(day, BUY) for day in range(0, until, every)]


def test_a_customer_with_an_identifier_and_nothing_bought_is_identified():
    state = story((0, TouchRecorded(channel="web")))
    assert state.log == (StageEntry("identified", START, "identifier_seen", "touch.recorded 0"),)
    assert stage(state, on(4_000)) == "identified"
    assert next_due(state, RULES) is None


def test_being_linked_alone_makes_somebody_identified():
    linked = IdentifierLinked(customer="c", identifier={"kind": "phone", "hash": "p"})
    assert story((0, linked)).now.stage == "identified"


def test_use_without_a_purchase_or_holding_acquires_nobody():
    assert story((0, USE), (1, USE), (2, USE)).now.stage == "identified"


@pytest.mark.parametrize("first", [BUY, line()], ids=["purchase", "holding"])
def test_the_day_of_the_first_purchase_or_holding_is_acquired_to_its_end(first):
    state = story((0, first))
    assert state.now == StageEntry("acquired", START, "first_purchase_or_holding", f"{first.WIRE} 0")
    assert stage(state, ACQUIRED_UNTIL - INSTANT) == "acquired"
    assert stage(state, ACQUIRED_UNTIL) == "developing"
    assert next_due(state, RULES) == ACQUIRED_UNTIL


def test_the_90_days_after_that_day_are_developing_then_retained():
    state = story((0, line()))
    assert advance(state, DEVELOPED - INSTANT, RULES).now == StageEntry(
        "developing", ACQUIRED_UNTIL, "first_days", "holding.started 0"
    )
    assert advance(state, DEVELOPED, RULES).now == StageEntry(
        "retained", DEVELOPED, "older_and_active", "holding.started 0"
    )


def test_silence_longer_than_twice_the_own_median_gap_puts_at_risk():
    state = story((0, BUY), (10, BUY), (30, BUY))  # gaps of 10 and 20 days: a median of 15
    silent = on(30) + timedelta(days=30)
    assert stage(state, silent - INSTANT) == "developing"
    assert advance(state, silent, RULES).now == StageEntry(
        "at_risk", silent, "silence", "purchase.recorded 30"
    )
    assert next_due(state, RULES) == silent


def test_use_counts_as_activity_and_breaks_a_silence():
    state = story((0, BUY), (10, USE), (20, USE))
    assert stage(state, on(40)) == "at_risk"
    assert story((0, BUY), (10, USE), (20, USE), (45, USE)).now.stage == "developing"


def test_several_activities_on_one_day_are_one_day():
    assert story((0, BUY), (0.1, BUY), (0.2, USE), (10, BUY)).gaps == {10: 1}


def test_with_fewer_than_two_gaps_the_workspaces_median_gap_is_assumed_half_of_h_unless_set():
    state = story((0, BUY), (3, BUY))
    assert silence_after(state, RULES) == H
    assert silence_after(state, LifecycleRules(median_gap_days=20)) == timedelta(days=40)


def test_a_silence_is_at_least_seven_days():
    state = story(*((day, USE) for day in range(5)))
    assert silence_after(state, RULES) == timedelta(days=7)


@given(gaps=st.lists(st.integers(1, 100), min_size=2, max_size=12))
def test_the_median_is_that_of_the_gaps(gaps):
    day, parts = 0, [(0, BUY)]
    for gap in gaps:
        day += gap
        parts.append((day, BUY))
    assert silence_after(story(*parts), RULES) == timedelta(days=max(2 * statistics.median(gaps), 7))


def test_an_open_holding_keeps_a_customer_from_silence_and_from_being_lost():
    state = story((0, line()), (1, USE), (2, USE), (3, USE))
    assert stage(state, on(2_000)) == "retained"
    assert next_due(advance(state, DEVELOPED, RULES), RULES) is None


@pytest.mark.parametrize(
    ("warning", "rule"),
    [(CANCEL, "cancel_requested"), (LEAVING, "words_of_leaving"),
     (TouchSignalled(touch_id="t", signals=("competitor",), rule_release="2"), "words_of_leaving")],
)  # fmt: skip
def test_a_cancel_request_or_words_of_leaving_put_at_risk_at_once(warning, rule):
    state = story((0, line()), (200, warning))
    assert state.now == StageEntry("at_risk", on(200), rule, f"{warning.WIRE} 200")
    assert stage(state, on(2_000)) == "at_risk"


def test_other_words_and_test_calls_warn_of_nothing():
    assert story((0, line()), (200, TouchRecorded(signals=("angry",)))).now.stage == "retained"
    assert (
        story((0, line()), (200, TouchRecorded(signals=("leaving",), outside="test"))).now.stage == "retained"
    )


def test_two_scorings_at_or_above_the_entry_threshold_put_at_risk():
    assert story((0, line()), (200, scored(0.6))).now.stage == "retained"
    assert story((0, line()), (200, scored(0.6)), (201, scored(0.59))).now.stage == "retained"
    state = story((0, line()), (200, scored(0.6)), (207, scored(0.6)))
    assert state.now == StageEntry("at_risk", on(207), "scored_twice", "prediction.churn_scored 207")


@pytest.mark.parametrize("warning", [[(200, CANCEL)], [(199, scored(0.9)), (200, scored(0.9))]])
@pytest.mark.parametrize(
    "relief",
    [[(210, SAVE)], [(209, scored(0.39)), (210, scored(0.39))], [(210, BUY)], [(210, line("second"))]],
)
def test_a_save_two_low_scorings_or_a_purchase_bring_back(warning, relief):
    state = story((0, line()), *warning, *relief)
    assert [one.stage for one in state.log] == ["acquired", "developing", "retained", "at_risk", "retained"]
    assert (state.now.since, state.now.because) == (on(210), f"{relief[-1][1].WIRE} 210")


def test_one_low_scoring_or_one_at_the_exit_threshold_brings_nobody_back():
    assert story((0, line()), (200, CANCEL), (210, scored(0.1))).now.stage == "at_risk"
    assert story((0, line()), (200, CANCEL), (210, scored(0.1)), (220, scored(0.4))).now.stage == "at_risk"


def test_going_on_using_the_service_takes_no_cancel_request_back():
    assert story((0, line()), (200, CANCEL), (201, USE), (202, USE)).now.stage == "at_risk"


def test_after_a_save_or_purchase_one_high_scoring_is_not_two():
    for relief in (SAVE, BUY):
        high = [(199, scored(0.9)), (200, scored(0.9)), (210, relief), (220, scored(0.9))]
        assert story((0, line()), *high).now.stage == "retained"


@pytest.mark.parametrize("relief", [[(760, SAVE)], [(755, scored(0.1)), (760, scored(0.1))]])
def test_a_silent_customer_who_is_saved_is_retained_until_silent_as_long_again(relief):
    state = story(*steady(), *relief)  # the last purchase is on day 690, a silence of 60 days is too long
    assert [one.stage for one in state.log][-2:] == ["at_risk", "retained"]
    assert stage(state, on(820) - INSTANT) == "retained"
    assert advance(state, on(820), RULES).now.rule == "silence"


def test_a_save_before_any_silence_delays_none():
    assert stage(story(*steady(), (700, SAVE)), on(750)) == "at_risk"


def test_the_end_of_the_last_holding_loses_the_customer():
    state = story((0, line()), (10, line("second")), (200, ended()))
    assert state.now.stage == "retained"
    state = story((0, line()), (10, line("second")), (200, ended()), (210, ended("second")))
    assert state.now == StageEntry("lost", on(210), "last_holding_ended", "holding.ended 210")


def test_the_end_of_a_holding_nobody_knew_of_loses_nobody():
    assert story((0, BUY), (1, ended("unknown"))).now.stage == "developing"


def test_use_after_the_last_holding_ended_brings_nobody_back():
    assert story((0, line()), (200, ended()), (201, USE)).now.stage == "lost"


def test_no_purchase_or_use_for_h_loses_the_customer():
    state = story(*steady())
    gone = on(690) + H
    assert stage(state, gone - INSTANT) == "at_risk"
    assert advance(state, gone, RULES).now == StageEntry("lost", gone, "not_active", "purchase.recorded 690")


def test_a_purchase_or_holding_after_being_lost_regains_for_90_days_then_retained():
    for back in (BUY, line("new")):
        state = story((0, line()), (200, ended()), (300, back), (301, line("other")))
        assert state.now == StageEntry("regained", on(300), "back_after_lost", f"{back.WIRE} 300")
        assert stage(state, on(390) - INSTANT) == "regained"
        assert advance(state, on(390), RULES).now == StageEntry(
            "retained", on(390), "older_and_active", "holding.started 301"
        )


def test_whoever_was_lost_by_time_alone_is_regained_by_a_purchase():
    state = story((0, BUY), (400, BUY))
    assert [(one.stage, one.since) for one in state.log] == [
        ("acquired", START), ("developing", ACQUIRED_UNTIL), ("retained", DEVELOPED), ("lost", START + H),
        ("regained", on(400)),
    ]  # fmt: skip


def test_use_after_a_silent_loss_is_activity_again_but_no_return():
    assert story((0, BUY), (400, USE)).now.stage == "retained"


def test_a_warning_from_before_the_loss_does_not_follow_the_customer_back():
    state = story((0, line()), (150, CANCEL), (200, ended()), (300, line("new")))
    assert state.now.stage == "regained"


def test_lost_goes_before_at_risk_before_regained_before_developing_before_retained():
    back = ((0, line()), (1, ended()), (5, line("new")))
    assert story(*back).now.stage == "regained"  # though it is within the first 90 days
    assert story(*back, (6, CANCEL)).now.stage == "at_risk"
    assert story(*back, (6, CANCEL), (7, ended("new"))).now.stage == "lost"
    assert story((0, line()), (5, CANCEL), (6, SAVE)).now.stage == "developing"


def test_the_clock_is_followed_between_events_so_that_no_stage_is_skipped():
    late = story(*steady(), (1_000, TouchRecorded(channel="voice")))
    assert [one.stage for one in late.log][-3:] == ["retained", "at_risk", "lost"]
    assert [one.since for one in late.log][-2:] == [on(750), on(690) + H]


def test_the_offset_in_which_a_moment_is_written_does_not_matter():
    parts = [(0, BUY), (0.3, USE), (10, BUY), (25.4, BUY)]
    away = START.astimezone(timezone(timedelta(hours=-11)))
    assert story(*parts, start=away) == story(*parts)


def test_windows_and_thresholds_are_settings():
    rules = LifecycleRules(active_days=30, developing_days=5, regained_days=3, enter_at_risk=0.5)
    state = story((0, BUY), rules=rules)
    assert [one.stage for one in advance(state, on(50), rules).log] == [
        "acquired", "developing", "retained", "lost",
    ]  # fmt: skip
    assert story((0, line()), (9, scored(0.5)), (10, scored(0.5)), rules=rules).now.stage == "at_risk"


@given(history=life_stories(), data=st.data())
def test_the_stage_at_a_moment_is_the_same_however_often_it_was_asked_in_between(history, data):
    once = asked = None
    for envelope in history:
        once = fold(once, envelope, RULES)
        if asked is not None and data.draw(st.booleans()):
            share = data.draw(st.floats(0, 1))
            asked = advance(asked, asked.upto + (envelope.occurred_at - asked.upto) * share, RULES)
        asked = fold(asked, envelope, RULES)
    at = history[-1].occurred_at + timedelta(days=data.draw(st.integers(0, 600)))
    for _ in range(3):
        asked = advance(asked, asked.upto + (at - asked.upto) / 2, RULES)
    assert advance(asked, at, RULES) == advance(once, at, RULES)


@given(history=life_stories())
def test_the_next_due_moment_is_the_first_at_which_time_alone_changes_the_stage(history):
    state = None
    for envelope in history:
        state = fold(state, envelope, RULES)
    due = next_due(state, RULES)
    if due is None:
        assert stage(state, state.upto + timedelta(days=5_000)) == state.now.stage
    else:
        assert stage(state, due - INSTANT) == state.now.stage
        assert stage(state, due) != state.now.stage


@given(history=life_stories())
def test_stages_follow_each_other_in_time_each_with_its_rule(history):
    state = None
    for envelope in history:
        state = fold(state, envelope, RULES)
    state = advance(state, state.upto + timedelta(days=1_000), RULES)
    since = [one.since for one in state.log]
    assert since == sorted(since)
    assert all(before.stage != after.stage for before, after in zip(state.log, state.log[1:], strict=False))
    ids = {envelope.event_id for envelope in history}
    assert all(one.rule and one.because in ids for one in state.log)

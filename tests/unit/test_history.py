"""A customer's events as they count: known and happened by a moment, put right, in order."""

from datetime import timedelta

from events.consent import ConsentWithdrawn
from events.holding import PurchaseRecorded
from events.touch import TouchCorrected, TouchRecorded, TouchRetracted
from models.domain.history import effective
from tests.support.clock import MONDAY
from tests.support.spec import happened

DAY = timedelta(days=1)
TOUCH = happened(
    TouchRecorded(channel="voice", reason="billing", outcome="unresolved", talk_seconds=60), MONDAY, "touch"
)


def corrected(event_id="fix", at=MONDAY + DAY, known_at=None, **said):
    return happened(TouchCorrected(touch_id="touch", **said), at, event_id, known_at=known_at or at)


def retracted(at=MONDAY + DAY):
    return happened(TouchRetracted(touch_id="touch", why="a test"), at, "retraction")


def bought(at, event_id="purchase", **more):
    return happened(PurchaseRecorded(), at, event_id, **more)


def test_events_are_met_in_the_order_they_happened():
    first, second, third = bought(MONDAY, "1"), bought(MONDAY + DAY, "2"), bought(MONDAY + 2 * DAY, "3")
    assert effective([third, first, second]) == [first, second, third]


def test_facts_come_before_decisions_of_the_same_instant_and_those_by_revision():
    second = bought(MONDAY, "a", stream="case-1", revision=2)
    first = bought(MONDAY, "b", stream="case-1", revision=1)
    fact = bought(MONDAY, "c")
    assert effective([second, first, fact]) == [fact, first, second]


def test_a_correction_says_what_the_touch_should_have_said_and_leaves_the_rest():
    (touch,) = effective([TOUCH, corrected(reason="roaming", outcome="resolved")])
    assert touch.event == TouchRecorded(
        channel="voice", reason="roaming", outcome="resolved", talk_seconds=60
    )
    assert (touch.event_id, touch.occurred_at) == ("touch", MONDAY)


def test_a_correction_may_arrive_before_its_touch():
    fix = corrected(reason="roaming")
    assert effective([fix, TOUCH]) == effective([TOUCH, fix])


def test_of_two_corrections_the_later_one_holds_and_the_other_where_it_says_nothing():
    first = corrected("fix 1", reason="roaming", outcome="resolved")
    second = corrected("fix 2", MONDAY + 2 * DAY, reason="price")
    (touch,) = effective([second, TOUCH, first])
    assert (touch.event.reason, touch.event.outcome) == ("price", "resolved")


def test_a_touch_moved_to_its_right_time_takes_its_place_there():
    purchase = bought(MONDAY + DAY)
    moved = corrected(occurred_at=MONDAY + 2 * DAY)
    assert [one.event_id for one in effective([TOUCH, purchase, moved])] == ["purchase", "touch"]
    assert [one.event_id for one in effective([TOUCH, purchase, moved], as_of=MONDAY + DAY)] == ["purchase"]


def test_a_retracted_touch_never_happened():
    assert effective([TOUCH, retracted()]) == []
    assert effective([retracted(), TOUCH, corrected(reason="x")]) == []


def test_only_touches_are_corrected():
    purchase = bought(MONDAY)
    assert effective([purchase, happened(TouchCorrected(touch_id="purchase", reason="x"))]) == [purchase]


def test_as_of_a_moment_what_happened_later_is_left_out_but_what_is_known_now_is_applied():
    purchase = bought(MONDAY + 3 * DAY)
    (touch,) = effective([TOUCH, corrected(reason="roaming"), purchase], as_of=MONDAY)
    assert touch.event.reason == "roaming"


def test_what_could_not_be_known_yet_is_no_part_of_what_was_known():
    late = bought(MONDAY, known_at=MONDAY + 5 * DAY)
    fix = corrected(reason="roaming", known_at=MONDAY + 5 * DAY)
    before = effective([TOUCH, late, fix], known_at=MONDAY + 4 * DAY)
    assert [one.event_id for one in before] == ["touch"]
    assert before[0].event.reason == "billing"
    after = effective([TOUCH, late, fix], known_at=MONDAY + 5 * DAY)
    assert [one.event_id for one in after] == ["purchase", "touch"]
    assert after[1].event.reason == "roaming"


def test_a_withdrawn_consent_cannot_be_retracted_away():
    """Only what was reported is taken back so; a decision has a way of its own."""
    withdrawn = happened(ConsentWithdrawn(basis="customer"), MONDAY, "touch")
    assert effective([withdrawn, retracted()]) == [withdrawn]

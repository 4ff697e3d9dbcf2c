"""When the parent of a process kills it, and which event counts an attempt for that."""

import pytest

from infra.process.heart import HANDLING, IDLE, WAITING, Heart, Pulse
from infra.process.watchdog import Verdict, judge

NOW = 1_000.0


def judged(work=IDLE, *, since=0.0, beat=0.5, item="", age=500.0, attempts=(), stopped=False):
    """The verdict on a process that has been at its work for `since` seconds; its last beat is `beat` old."""
    pulse = Pulse(beat=NOW - beat, since=NOW - since, work=work, item=item)
    return judge(pulse, age, NOW, lambda: dict.fromkeys(attempts, 1), stopped)


@pytest.mark.parametrize(
    "healthy",
    [
        {"work": IDLE, "since": 3_600.0},
        {"work": HANDLING, "since": 14.0, "item": "e"},
        {"work": WAITING, "since": 39.0},
        {"work": HANDLING, "since": 4.0, "item": "e", "attempts": ["e"]},
    ],
)
def test_a_process_that_works_or_has_nothing_to_do_is_let_be(healthy):
    assert judged(**healthy) is None


def test_an_event_in_hand_for_too_long_is_to_blame():
    assert judged(HANDLING, since=16.0, item="e") == Verdict("hung", blame="e")


def test_an_event_that_failed_before_has_less_time():
    assert judged(HANDLING, since=6.0, item="e", attempts=["e"]) == Verdict("hung", blame="e")
    assert judged(HANDLING, since=6.0, item="e", attempts=["another"]) is None


def test_what_holds_the_interpreter_silences_the_heart_and_is_to_blame():
    assert judged(HANDLING, since=14.5, beat=15.2, item="e") == Verdict("silent", blame="e")


def test_waiting_for_a_database_is_nobodys_fault():
    assert judged(WAITING, since=41.0) == Verdict("waiting")
    assert judged(WAITING, since=20.0, beat=16.0) == Verdict("silent")


def test_the_oldest_of_many_open_questions_counts_whatever_else_goes_on():
    heart = Heart()
    with heart.asking():
        first = heart.pulse().asked
        with heart.asking():
            assert heart.pulse().asked == first > 0
    assert heart.pulse().asked == 0
    busy = Pulse(beat=NOW, asked=NOW - 41, since=NOW, work=HANDLING, item="e")
    assert judge(busy, 500.0, NOW, dict, False) == Verdict("waiting")


def test_a_process_that_somebody_stopped_is_replaced_and_its_event_is_not_to_blame():
    assert judged(HANDLING, since=30.0, beat=30.0, item="e", stopped=True) == Verdict("silent")


def test_a_start_may_take_its_time_but_not_for_ever():
    never = Pulse(beat=0.0, since=0.0, work=IDLE, item="")
    assert judge(never, 60.0, NOW, dict, False) is None
    assert judge(never, 91.0, NOW, dict, False) == Verdict("starting")

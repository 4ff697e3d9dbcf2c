"""What a customer has proved is carried from channel to channel until it runs out."""

from datetime import timedelta

import pytest

from events.envelope import Envelope
from events.identity import PersonVerified
from events.touch import TouchRecorded
from models.domain.verification import CARRIED, REMEMBERED, Failure, Proof, Verified
from models.domain.verification import verified as verified_of
from tests.support.clock import MONDAY


def fact(name, event, after=0, who="ann"):
    at = MONDAY + timedelta(minutes=after)
    return Envelope(
        event=event, event_id=name, position=1, occurred_at=at, known_at=at, recorded_at=at, source="ivr",
        source_id=name, customer=who,
    )  # fmt: skip


def verified(told, moment, side="ann", joins=None):
    return verified_of(told, moment, side, joins)


def tried(name, after=0, *, passed=True, level=1, method="code", channel="ivr", lasts=None, who="ann"):
    until = None if lasts is None else MONDAY + timedelta(minutes=after + lasts)
    return fact(
        name,
        PersonVerified(method=method, level=level, passed=passed, channel=channel, expires_at=until),
        after,
        who,
    )


def at(minutes):
    return MONDAY + timedelta(minutes=minutes)


def test_who_never_tried_has_proved_nothing():
    assert verified([fact("t", TouchRecorded(channel="voice"))], at(1)) == Verified()


def test_a_proof_holds_on_every_channel_until_it_expires():
    proof = Proof(
        method="code", level=1, channel="ivr", at=at(0), expires_at=at(240), event_id="v", sides=("ann",)
    )
    told = [tried("v", lasts=240)]
    assert verified(told, at(239)) == Verified(proof=proof)
    assert verified(told, at(240)) == Verified()


def test_a_proof_of_no_said_length_holds_for_a_short_while():
    told = [tried("v")]
    assert verified(told, MONDAY + CARRIED - timedelta(seconds=1)).proof.expires_at == MONDAY + CARRIED
    assert verified(told, MONDAY + CARRIED) == Verified()


def test_a_proof_is_not_known_before_it_was_given():
    assert verified([tried("v", 5, lasts=60)], at(4)) == Verified()


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0], [1, 0, 2]])
def test_the_strongest_that_holds_counts_in_whatever_order_they_come(order):
    told = [
        tried("weak", 0, level=1, lasts=300), tried("strong", 1, level=3, method="voiceprint", lasts=30),
        tried("weak again", 2, level=1, lasts=400),
    ]  # fmt: skip
    told = [told[n] for n in order]
    assert verified(told, at(10)).proof.event_id == "strong"
    assert verified(told, at(31)).proof.event_id == "weak again", "the one that holds longest"


def test_a_failure_is_shown_beside_the_proof_and_takes_nothing_away():
    told = [
        tried("ok", 0, lasts=60),
        tried("no", 1, passed=False, level=2),
        tried("nor", 2, passed=False, level=2),
    ]
    found = verified(told, at(3))
    assert found.proof.event_id == "ok"
    assert found.failed == tuple(
        Failure(method="code", level=2, channel="ivr", at=at(minute), event_id=name)
        for name, minute in (("nor", 2), ("no", 1))
    )


def test_a_failure_is_forgotten_after_a_day():
    told = [tried("no", passed=False)]
    assert verified(told, MONDAY + REMEMBERED - timedelta(seconds=1)).failed
    assert verified(told, MONDAY + REMEMBERED) == Verified()


def test_nobody_is_handed_the_proof_of_whom_a_merge_takes_them_to_be():
    """Bob proved who he is; then the two were taken for one."""
    told, joins = [tried("his", 0, level=3, lasts=60, who="bob")], {"bob": ("ann", at(1))}
    assert verified(told, at(2), "ann", joins) == Verified()
    assert verified(told, at(2), "bob", joins).proof.event_id == "his", "he is still who he proved to be"


def test_what_one_customer_proves_holds_for_all_that_they_were_by_then():
    told = [tried("theirs", 2, lasts=60, who="bob")]
    joins = {"bob": ("ann", at(1)), "cem": ("ann", at(0)), "eve": ("ann", at(9))}
    for side in ("ann", "bob", "cem"):
        assert verified(told, at(10), side, joins).proof.sides == ("ann", "bob", "cem")
    assert verified(told, at(10), "eve", joins) == Verified()


def test_who_were_joined_by_way_of_a_third_are_one_since_the_last_joining():
    joins = {"cem": ("bob", at(1)), "bob": ("ann", at(5))}
    early, late = tried("early", 3, lasts=60, who="cem"), tried("late", 6, lasts=60, who="cem")
    assert verified([early], at(7), "bob", joins).proof
    assert verified([early], at(7), "ann", joins) == Verified()
    assert verified([early, late], at(7), "ann", joins).proof.event_id == "late"


def test_a_merge_of_the_same_instant_came_too_late():
    told, joins = [tried("his", 1, lasts=60, who="bob")], {"bob": ("ann", at(1))}
    assert verified(told, at(2), "ann", joins) == Verified()


def test_the_failures_of_either_are_shown_to_both():
    told, joins = [tried("no", 0, passed=False, who="bob")], {"bob": ("ann", at(1))}
    assert [one.event_id for one in verified(told, at(2), "ann", joins).failed] == ["no"]

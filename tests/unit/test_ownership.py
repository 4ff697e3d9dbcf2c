"""Whose an event is: by a person's word, its stream, its identifiers, and what it names."""

from datetime import timedelta

from events.case import CaseOpened
from events.envelope import IdentifierRef
from events.identity import (
    CustomersMerged,
    CustomersUnmerged,
    EventAssigned,
    IdentifierBlocked,
    IdentifierLinked,
)
from events.prediction import ChurnScored
from events.touch import TouchCorrected, TouchRecorded
from models.domain.ownership import owned
from tests.support.clock import MONDAY
from tests.support.spec import happened

ANN, BOB = (IdentifierRef(kind="account", hash=one, issuer="shop") for one in "ab")


def told(*events):
    """Owner → event ids, and what is open; positions as they come, customers as recorded."""
    found = owned([
        happened(event, MONDAY + timedelta(minutes=at), more.pop("id", f"e{at}"), position=at, **more)
        for at, (event, more) in enumerate(events, start=1)
    ])  # fmt: skip
    owners = {
        owner: [e.event_id for e in history if not e.type.startswith("identity.")]
        for owner, history in found.histories.items()
    }
    return {owner: ids for owner, ids in owners.items() if ids}, [e.event_id for e in found.open]


LINKED = [
    (IdentifierLinked(customer="A", identifier=ANN), {"customer": "A"}),
    (IdentifierLinked(customer="B", identifier=BOB), {"customer": "B"}),
    (CustomersMerged(survivor="A", absorbed="B"), {"customer": "A"}),
]
PARTED = (CustomersUnmerged(survivor="A", restored="B", why="two"), {"customer": "A"})


def test_what_came_while_two_were_one_is_of_whom_it_showed():
    touch = (TouchRecorded(), {"customer": "A", "identifiers": (BOB,)})
    assert told(*LINKED, touch) == ({"A": ["e4"]}, [])
    assert told(*LINKED, touch, PARTED) == ({"B": ["e4"]}, [])


def test_what_showed_nobody_waits_and_a_score_is_dropped():
    case = (
        CaseOpened(case_id="1", kind="complaint", reason="r"),
        {"customer": "A", "stream": "case-1", "revision": 1},
    )
    score = ChurnScored(
        run="r", artifact="a", as_of=MONDAY, horizon_days=9, probability=0.5, rank=1, of=1
    )  # fmt: skip
    assert told(*LINKED, case, (score, {"customer": "A"}), PARTED) == ({}, ["e4"])
    given = (EventAssigned(event_or_stream="case-1", customer="B"), {"customer": "A"})
    assert told(*LINKED, case, PARTED, given) == ({"B": ["e4"]}, [])


def test_what_came_before_or_after_stays_with_whom_it_was_recorded_for():
    before, after = ((TouchRecorded(), {"customer": "A", "id": name}) for name in ("before", "after"))
    assert told(before, *LINKED, PARTED, after) == ({"A": ["before", "after"]}, [])


def test_a_blocked_identifier_says_nothing_and_the_next_one_does():
    touch = (TouchRecorded(), {"customer": "A", "identifiers": (ANN, BOB)})
    blocked = (IdentifierBlocked(key="a", identifier=ANN, why="shared"), {"customer": "A"})
    assert told(*LINKED, touch, PARTED, blocked) == ({"B": ["e4"]}, [])


def test_a_correction_goes_with_its_touch_and_one_that_names_itself_with_whom_it_came():
    touch = (TouchRecorded(), {"customer": "A", "identifiers": (BOB,), "id": "t"})
    right = (TouchCorrected(touch_id="t", reason="x"), {"customer": "A"})
    assert told(*LINKED, touch, right, PARTED) == ({"B": ["t", "e5"]}, [])
    itself = (TouchCorrected(touch_id="self", reason="x"), {"customer": "B", "id": "self"})
    assert told(*LINKED[:2], itself) == ({"B": ["self"]}, [])
    one = (TouchCorrected(touch_id="two", reason="x"), {"customer": "B", "id": "one"})
    two = (TouchCorrected(touch_id="one", reason="x"), {"customer": "B", "id": "two"})
    assert told(*LINKED[:2], one, two) == ({"B": ["one", "two"]}, [])

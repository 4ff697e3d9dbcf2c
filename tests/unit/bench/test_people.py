"""The data of the benchmark: drawn from a seed, and every event valid at the door."""

from itertools import chain

import msgspec
import pytest

from bench.people import BEGIN, Senders, batches, identifiers
from models.domain.identifier import normalise


def test_the_same_seed_sends_the_same():
    one, other = (list(Senders(7).histories(10, 5, 0.05)) for _ in range(2))
    assert one == other
    assert list(Senders(8).histories(10, 5, 0.05)) != one


def test_every_identifier_is_valid_and_nobody_shares_one():
    people = chain(range(300), range(9_990, 10_010), range(400_000, 400_020), [7_000_003])
    known = [(one["kind"], normalise(one["kind"], "", one["value"], "US").value)
             for person in people for one in identifiers(person)]  # fmt: skip
    assert len(set(known)) == len(known)


def test_a_share_of_a_history_is_late():
    """Late is what happened before something of the same person that was sent earlier."""
    latest, late, count = {}, 0, 0
    for raw in Senders(1).histories(200, 20, 0.05):
        item = msgspec.json.decode(raw)
        whose = str(item["identifiers"])
        late += item["occurred_at"] < latest.get(whose, "")
        latest[whose] = max(latest.get(whose, ""), item["occurred_at"])
        count += 1
    assert count == 4_000
    assert late / count == pytest.approx(0.05, abs=0.015)


@pytest.mark.parametrize("kind", ["touch", "purchase", "usage"])
def test_every_kind_of_event_is_taken_at_the_door(workspace, kind):
    senders = Senders(1)
    (answer,) = workspace.door("bench").receive([getattr(senders, kind)(1, BEGIN)])
    assert answer.verdict == "accepted"


def test_batches_are_of_one_size_but_the_last():
    assert [len(one) for one in batches([b""] * 7, 3)] == [3, 3, 1]

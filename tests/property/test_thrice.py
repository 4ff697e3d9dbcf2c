"""Every batch sent three times, shuffled within a day: readers are told what they are told after once, in order.

FAULTS=long asks for the long form. A failing run prints how to repeat it.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.projector import Projector
from models.projections.catalogue import projections
from tests.support.clock import MONDAY
from tests.support.disorder import KINDS, POOL, PUT_RIGHT, WHICH, Sender, happenings
from tests.support.faults.running import LONG
from tests.support.folding import fold
from tests.support.lanes import Lanes
from tests.support.readings import Readings
from tests.support.sending import send
from tests.support.workspaces import empty, ruled

WORLDS = 500 if LONG else 8
LANES = 3
DAY = 24 * 60
RULES = """
[retention]
offer = "loyalty"
legal_basis = {sms = "contract", email = "contract"}
holdout = 0.0

[win_back]
offer = "welcome_back"
legal_basis = {sms = "contract", email = "contract"}
holdout = 0.0
"""
"""Nobody is held out: the draw goes by ids, and those are random."""


@pytest.fixture
def workspace(settings, clock, tmp_path):
    """A workspace whose lists may name somebody."""
    with ruled(settings, clock, tmp_path, RULES) as opened:
        yield opened


MINUTES = st.one_of(st.integers(0, 5 * DAY), st.integers(0, 400 * DAY))


@st.composite
def of_somebody(draw):
    """A happening in the life of one of three, each known by several names; of the last we hear no more."""
    number = draw(st.integers(0, 2))
    ago = MINUTES.map(lambda minutes: timedelta(minutes=minutes, days=200 if number == 2 else 0))
    return draw(happenings([f"{kind}{number}" for kind in KINDS], ago))


@dataclass(frozen=True)
class PutRight:
    """A touch said something wrong; with nothing said, it never happened."""

    touch: str
    said: dict


@st.composite
def worlds(draw):
    """(when, source id, what), in order: what happened to a few people, and what was put right later."""
    facts = draw(st.lists(of_somebody(), min_size=6, max_size=20))
    world = [(MONDAY - one.ago, f"{number:03}", one) for number, one in enumerate(facts)]
    touches = [one for one in world if one[2].kind == "touch" and one[2].names]
    changes = st.lists(st.tuples(WHICH, PUT_RIGHT, MINUTES), max_size=4 if touches else 0)
    for number, (which, said, later) in enumerate(draw(changes)):
        at, touch, _ = touches[which % len(touches)]
        if "occurred_at" in said:
            said = {**said, "occurred_at": MONDAY - said["occurred_at"]}
        when = min(at + timedelta(minutes=later), MONDAY)
        world.append((when, f"change-{number}", PutRight(touch, said)))
    return sorted(world, key=lambda one: one[:2])


class Telling:
    """Sends batches of a world. What puts a touch right waits until its sender has heard the touch's id."""

    def __init__(self, workspace, sender):
        self.workspace, self.sender = workspace, sender
        self.ids, self.waiting, self.verdicts = {}, [], Counter()

    def send(self, batch):
        ready = [one for one in (*self.waiting, *batch) if getattr(one[2], "touch", "") in {"", *self.ids}]
        self.waiting = [one for one in (*self.waiting, *batch) if one not in ready]
        answers = send(self.workspace, *(self._item(*one) for one in ready)) if ready else []
        self.ids |= {
            source_id: answer.event_id for (_, source_id, _), answer in zip(ready, answers, strict=True)
        }
        self.verdicts.update(answer.verdict for answer in answers)

    def _item(self, at, source_id, what):
        if isinstance(what, PutRight):
            return self.sender.change(source_id, self.ids[what.touch], at, what.said)
        return self.sender.item(source_id, what, at)


def cut(world, chance):
    """Batches, each of what comes next."""
    batches, rest = [], list(world)
    while rest:
        size = chance.randint(1, 5)
        batches.append(rest[:size])
        rest = rest[size:]
    return batches


def once_in_order(workspace, sender, world, chance):
    telling = Telling(workspace, sender)
    for batch in [*cut(world, chance), []]:
        telling.send(batch)
    fold(workspace)
    assert telling.verdicts == {"accepted": len(world)}


def thrice_in_disorder(workspace, sender, world, chance):
    """Every batch three times, each up to a day after it happened; folded meanwhile, with repeats."""
    telling, lanes, stands = Telling(workspace, sender), Lanes(workspace, "topic", LANES), [0] * LANES
    worker = Projector(workspace.engine, projections(workspace.rules), "one")
    for lane in range(LANES):
        worker.claim(lane, "topic")

    def deliver(lane, end, back):
        batch = lanes.batch(lane, stands[lane] - back, end)
        worker.fold([batch])
        stands[lane] = batch.next_offset

    copies = [
        (batch[0][0] + timedelta(minutes=chance.randint(0, DAY)), number, chance.sample(batch, len(batch)))
        for number, batch in enumerate(cut(world, chance) * 3)
    ]
    for _, _, batch in [*sorted(copies), (None, None, [])]:
        telling.send(batch)
        lanes.catch_up()
        lane = chance.randrange(LANES)
        deliver(lane, stands[lane] + chance.randint(0, 6), chance.randint(0, 4))
    for lane in range(LANES):
        deliver(lane, len(lanes.lanes[lane]), 0)
    assert telling.verdicts == {"accepted": len(world), "duplicate": 2 * len(world)}


@settings(
    max_examples=WORLDS, deadline=None, print_blob=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(world=worlds(), chance=st.randoms(use_true_random=False), seed=st.integers(0, 99))
def test_three_times_and_shuffled_is_as_once_and_in_order(workspace, world, chance, seed):
    """Views, counts and timelines as readers get them, and the lists of a moment after the last recording."""
    sender, told = Sender(workspace), []
    names = {one.hash: name for name, one in sender.refs(POOL).items()}
    for tell in (once_in_order, thrice_in_disorder):
        empty(workspace)
        tell(workspace, sender, world, chance)
        readings = Readings(workspace, names)
        told.append(readings.views(workspace.clock.now()))
        workspace.clock.pass_time(days=1)
        told.append(readings.lists(workspace.clock.now(), seed))
    assert told[:2] == told[2:]

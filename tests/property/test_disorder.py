"""Whatever is sent twice, late, wrongly or in any order, and whatever dies meanwhile: every view says the same.

FAULTS=long asks for the long form. A failing run prints how to repeat it.
"""

import sys
from collections import Counter, defaultdict
from contextlib import suppress
from datetime import timedelta
from itertools import count

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)
from prometheus_client import REGISTRY
from sqlalchemy import select

from infra.identity.desk import IdentityDesk
from infra.ids import new_id
from infra.projector import Fenced, Projector
from infra.rebuilding import filling, rebuild
from infra.rebuilding.rebuild import Rebuild
from infra.rebuilding.verify import verify
from infra.views import Views
from models.domain.identity_decision import Merge, Split, Unmerge
from models.ports import By
from models.projections.catalogue import projections
from models.tables.readers import ledger
from tests.support.disorder import LATE, POOL, PUT_RIGHT, WHICH, Reckoning, Seen, Sender, Value, happenings
from tests.support.faults.running import LONG
from tests.support.lanes import Crash, Lanes, crashing
from tests.support.viewing import actual, expected, recorded
from tests.support.workspaces import empty

RUNS, STEPS = (500, 50) if LONG else (12, 25)
LANES = 3
HANDED = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 4)), min_size=LANES, max_size=LANES)
"""For each lane: how many new messages are handed out, and how many of the former once more."""
STEP = st.integers(0, 45)
"""Of a transaction: mostly within it, sometimes beyond its end."""

JUNK = {
    "no type": (b'{"source": "s", "source_id": "1", "type": "no.such"}', "quarantined"),
    "too large": (b" " * (256 * 1024 + 1), "refused"),
}


class Disorder(RuleBasedStateMachine):
    """Senders, a log, workers that hold its lanes, a rebuild beside them, and a plain model of it all."""

    def __init__(self, workspace):
        super().__init__()
        empty(workspace)
        self.workspace, self.clock = workspace, workspace.clock
        self.sender, self.model = Sender(workspace), Reckoning()
        self.refs = self.sender.refs(POOL)
        self.names = {one.hash: name for name, one in self.refs.items()}
        self.sent, self.event_ids, self.customers = [], {}, {}
        self.verdicts = Counter()
        self.topic = self.sender.name
        self.lanes = Lanes(workspace, self.topic, LANES, first=self.sender.run)
        self.hired = count()
        self.workers, self.stands = {}, dict.fromkeys(range(LANES), 0)
        self._claim(range(LANES))
        self.stage = self.sent_since_rest = 0

    # What senders do

    @initialize(some=st.lists(happenings(POOL), min_size=6, max_size=10))
    def begin(self, some):
        """There are customers already."""
        self.tell(some, [], 0, False)

    @rule(
        some=st.lists(happenings(POOL), min_size=1, max_size=4),
        junk=st.lists(st.sampled_from(sorted(JUNK)), max_size=1),
        hours=st.integers(0, 30),
        stammers=st.booleans(),
    )
    def tell(self, some, junk, hours, stammers):
        """Things happened since or long ago; one item may stand in its batch twice, another be no event."""
        self.clock.pass_time(hours=hours)
        now = self.clock.now()
        told = [(f"{len(self.event_ids) + n:04}", one, now - one.ago) for n, one in enumerate(some)]
        items = [self.sender.item(source_id, one, at) for source_id, one, at in told]
        repeated = items[:1] if stammers else []
        verdicts = ["accepted"] * len(items) + ["duplicate"] * len(repeated) + [JUNK[one][1] for one in junk]
        answers = self._send([*items, *repeated, *(JUNK[one][0] for one in junk)], verdicts)
        for (source_id, one, at), answer in zip(told, answers, strict=False):
            customer = self.model.tell(source_id, one, at)
            known = self.customers.setdefault(customer, answer.customer) if customer else ""
            assert answer.customer == known
            self.event_ids[source_id] = answer.event_id
        self.sent.append(items)

    @precondition(lambda self: self.sent)
    @rule(which=WHICH, chance=st.randoms(use_true_random=False), changed=st.booleans())
    def tell_again(self, which, chance, changed):
        """A batch comes again, whole or in part, shuffled, perhaps with other content under the same ids."""
        batch = self.sent[which % len(self.sent)]
        items = chance.sample(batch, chance.randint(1, len(batch)))
        if changed:
            items = [
                {**one, "occurred_at": (self.clock.now() - timedelta(days=500)).isoformat()} for one in items
            ]
        for one, answer in zip(items, self._send(items, ["duplicate"] * len(items)), strict=True):
            assert answer.code == ("content_differs" if changed else "")
            assert answer.event_id == self.event_ids[one["source_id"]]

    @precondition(lambda self: self._touches())
    @rule(which=WHICH, said=PUT_RIGHT, ago=LATE)
    def put_right(self, which, said, ago):
        """A touch said something wrong, or (with nothing said) never happened."""
        touches = self._touches()
        touch, source_id, now = touches[which % len(touches)], f"{len(self.event_ids):04}", self.clock.now()
        if "occurred_at" in said:
            said = {**said, "occurred_at": now - said["occurred_at"]}
        items = [self.sender.change(source_id, self.event_ids[touch], now - ago, said)]
        (answer,) = self._send(items, ["accepted"])
        self.model.change(source_id, touch, now - ago, said)
        self.event_ids[source_id] = answer.event_id
        self.sent.append(items)

    @precondition(lambda self: len(self.model.heads()) > 1)
    @rule(which=WHICH, other=WHICH)
    def join(self, which, other):
        """A person says that two customers are one."""
        heads = self.model.heads()
        one = heads.pop(which % len(heads))
        two = heads[other % len(heads)]
        self._decide(Merge(customer=self.customers[one], other=self.customers[two]))
        self.model.join(one, two)

    @precondition(lambda self: self.model.into)
    @rule(which=WHICH)
    def part(self, which):
        """A person says that two customers are not one after all."""
        able = sorted(self.model.into)
        number = able[which % len(able)]
        one = self.customers[self.model.head(number)]
        self._decide(Unmerge(customer=one, restored=self.customers[number], why="two people"))
        self.model.part(number)

    @precondition(lambda self: self.model.splittable())
    @rule(which=WHICH)
    def split(self, which):
        """A person says that something somebody was known by is another's."""
        able = self.model.splittable()
        name = able[which % len(able)]
        one, ref = self.customers[self.model.holder(name)], self.refs[name]
        restored = new_id()
        self._decide(Split(customer=one, restored=restored, identifiers=(ref,), why="his wife's"))
        self.customers[self.model.split(name)] = restored

    def _decide(self, command):
        source_id = f"{len(self.event_ids):04}"
        desk = IdentityDesk(self.workspace)
        assert desk.give(command, By(source=self.sender.name, source_id=source_id, actor="ann"))
        self.event_ids[source_id] = ""

    # What readers do

    @rule(handed=HANDED)
    def deliver(self, handed):
        """Each worker folds what its lanes hand out, in one transaction."""
        for worker, batches in self._handed_out(handed):
            worker.fold(batches)
            self._stand(batches)

    @rule(handed=HANDED, step=STEP)
    def crash(self, handed, step):
        """A worker dies within its transaction; another takes its lanes over where the last commit left them."""
        for worker, batches in self._handed_out(handed):
            with suppress(Crash), crashing(self.workspace.engine, step):
                worker.fold(batches)
                self._stand(batches)
            self._claim(batch.partition for batch in batches)

    @rule(lane=st.integers(0, LANES - 1))
    def take_over(self, lane):
        """Another worker claims a lane; whoever held it writes nothing more."""
        former = self.workers[lane]
        self._claim([lane])
        with pytest.raises(Fenced):
            former.fold([self.lanes.batch(lane, self.stands[lane], self.stands[lane] + 1)])

    @rule(stages=st.integers(1, 5), slices=st.integers(0, 3), step=st.none() | STEP)
    def rebuild_beside(self, stages, slices, step):
        """A rebuild goes on by a stage or a few, beside everything else; killed, it goes on where it was."""
        for _ in range(stages):
            if step is None:
                self._rebuild(slices)
            else:
                with suppress(Crash), crashing(self.workspace.engine, step):
                    self._rebuild(slices)

    def _rebuild(self, slices):
        views = projections(self.workspace.rules)
        work = Rebuild(self.workspace.engine, views)
        match self.stage:
            case 0:
                work.start(afresh=True)
            case 1:
                filling.work(self.workspace.engine, views, "fold_head", slices=slices)
            case 2:
                work.fill()
                work.index()
            case 3:
                work.follow()
                compared, _ = work.compare()
                assert [one for one in compared if one.any] == []
            case 4:
                work.swap()
        self.stage = (self.stage + 1) % 5

    # What must hold

    @precondition(lambda self: self.sent_since_rest >= 4)
    @rule()
    def rest(self):
        """Everything is delivered; then all must agree."""
        self.sent_since_rest = 0
        self.lanes.catch_up()
        for lane, messages in enumerate(self.lanes.lanes):
            batches = [self.lanes.batch(lane, self.stands[lane], len(messages))]
            self.workers[lane].fold(batches)
            self._stand(batches)
        events = recorded(self.workspace)
        assert self._entered() == [one.position for one in events]
        assert len({(one.source, one.source_id) for one in events}) == len(events)
        assert actual(self.workspace, events) == expected(self.workspace, events)
        assert self._seen() == self._reckoned()
        assert self._counted() == {"received": self.verdicts.total(), **self.verdicts}
        found = verify(self.workspace.engine, projections(self.workspace.rules), 100, seed=1)
        assert (found.moving, found.wrong) == (0, [])

    def teardown(self):
        """A run that did not fail ends at rest."""
        try:
            if sys.exc_info()[0] is None:
                self.rest()
        finally:
            rebuild.discard(self.workspace.engine)

    def _reckoned(self):
        return {
            self.customers[number]: seen for number, seen in self.model.customers(self.clock.now()).items()
        }

    def _seen(self):
        views = Views(self.workspace.engine, self.workspace.rules, self.workspace.settings.zone)
        somebody = {self.customers[number] for number in self.model.customers(self.clock.now())}
        return {one: seen(views, one, self.clock.now(), self.names, self.sender) for one in somebody}

    def _entered(self):
        with self.workspace.engine.connect() as connection:
            return list(connection.execute(select(ledger.c.position).order_by(ledger.c.position)).scalars())

    def _counted(self):
        """The door's own counters."""
        about = {"door": self.sender.name}
        found = {"received": int(REGISTRY.get_sample_value("touchstone_received_total", about) or 0)}
        for verdict in self.verdicts:
            more = {**about, "verdict": verdict}
            found[verdict] = int(REGISTRY.get_sample_value("touchstone_verdicts_total", more) or 0)
        return found

    def _touches(self):
        return [one.source_id for one in self.model.facts.values() if one.kind == "touch" and one.names]

    def _send(self, items, verdicts):
        raws = [one if isinstance(one, bytes) else msgspec.json.encode(one) for one in items]
        answers = self.workspace.door(self.sender.name).receive(raws)
        assert [one.verdict for one in answers] == verdicts
        self.verdicts.update(verdicts)
        self.sent_since_rest += 1
        return answers

    def _claim(self, lanes):
        name = f"worker {next(self.hired)}"
        worker = Projector(self.workspace.engine, projections(self.workspace.rules), name)
        for lane in lanes:
            assert worker.claim(lane, self.topic) == self.stands[lane]
            self.workers[lane] = worker

    def _handed_out(self, handed):
        """Worker by worker, the batches of its lanes."""
        self.lanes.catch_up()
        found = defaultdict(list)
        for lane, (size, back) in enumerate(handed):
            if size or back:
                stands = self.stands[lane]
                found[self.workers[lane]].append(self.lanes.batch(lane, stands - back, stands + size))
        return found.items()

    def _stand(self, batches):
        self.stands |= {batch.partition: batch.next_offset for batch in batches}


def seen(views, customer, now, names, sender):
    """What the views say of a customer, in the words of the reckoning."""
    rows = views.customer(customer, now).rows
    row, cycle = rows["customer_360"][customer], rows["lifecycle"].get(customer)
    opened = [one.opportunity_id for one in rows["pipeline"].values() if one.is_open]
    return Seen(
        names={names[one.hash] for one in row.identifiers}, first_at=row.first_at, last_at=row.last_at,
        events=len(views.timeline(customer, wanted=lambda entry: True, limit=10_000)),
        contacts=row.contacts_ever, today=row.contacts_today,
        last_contact=max((one.at for one in row.contacts), default=None),
        value={
            currency: Value(one.purchases, one.unpriced, one.returns, one.amount)
            for currency, one in row.value.items()
        },
        bought_at=cycle and cycle.first_at, active_at=cycle and cycle.last_active,
        leads={one.removeprefix(f"{sender.name}-") for one in opened},
    )  # fmt: skip


def test_views_survive_duplicates_disorder_and_crashes(workspace):
    run_state_machine_as_test(
        lambda: Disorder(workspace),
        settings=settings(
            max_examples=RUNS, stateful_step_count=STEPS, deadline=None, print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip

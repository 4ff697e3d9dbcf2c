"""However the log repeats, delays and shuffles what it delivers, every view says the same in the end."""

from collections import defaultdict
from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from infra.feeds import Batch
from infra.identity_store import survivors
from infra.projector import Projector, owner_now
from infra.view_store import ViewStore
from models.domain.history import effective
from models.projections.catalogue import projections
from models.projections.projection import play
from models.tables.journal import journal
from tests.support.histories import acts
from tests.support.performing import Performance, decoded

PARTITIONS = 3
SHORT = settings(
    max_examples=20, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip


def recorded(workspace, after):
    return workspace.journal.read(journal.c.position > after)


def keys(envelope):
    """Under which keys the relay sends an event: a merge under both customers'."""
    merged = getattr(envelope.event, "absorbed", "")
    return [envelope.customer or envelope.stream or envelope.event_id, *([merged] if merged else [])]


def deliveries(chance, envelopes, already=()):
    """Batches as a broker may hand them out: some again, cut anywhere, one partition far ahead of another."""
    partition_of = defaultdict(lambda: chance.randrange(PARTITIONS))
    lanes = defaultdict(list)
    for one in envelopes:
        for key in keys(one):
            lanes[partition_of[key]].append(one)
    cut = []
    for partition, lane in lanes.items():
        size = chance.randint(1, len(lane))
        cut += [(partition, lane[at : at + size]) for at in range(0, len(lane), size)]
    handed_out = [*cut, *chance.choices(cut, k=3), *already] if cut else list(already)
    chance.shuffle(handed_out)
    return [
        Batch(partition, "topic", chance.sample(found, len(found)), 1) for partition, found in handed_out
    ], cut  # fmt: skip


def expected(workspace, envelopes):
    """Every view by a plain refold: whose each event is now, corrected, in order, from nothing."""
    with workspace.engine.connect() as connection:
        now = survivors(connection, {one.customer for one in envelopes if one.customer})
    histories = defaultdict(list)
    for one in envelopes:
        histories[owner_now(one, now)].append(one)
    histories.pop("", None)
    return {
        projection.name: {
            key: (owner, decoded(row))
            for owner, history in histories.items()
            for key, row in play(projection, effective(history), owner).items()
        }
        for projection in projections(workspace.rules)
    }


def actual(workspace, envelopes):
    """What the tables say of anybody who was ever named in these events."""
    owners = {name for one in envelopes for name in (one.customer, one.stream) if name}
    found = {}
    with workspace.engine.connect() as connection:
        for projection in projections(workspace.rules):
            store = ViewStore(projection)
            rows = connection.execute(select(store.table).where(store.table.c.owner.in_(owners))).all()
            found[projection.name] = {row.key: (row.owner, store.decode(row.state)) for row in rows}
    return found


@SHORT
@given(done=acts(), seed=st.integers(0, 999))
def test_views_do_not_depend_on_how_their_events_arrive(workspace, done, seed):
    chance = Random(seed)
    run = Performance(workspace)
    projector = Projector(workspace.engine, projections(workspace.rules), "one")
    for partition in range(PARTITIONS):
        projector.claim(partition, "topic")
    half = chance.randint(0, len(done))
    run.perform(done[:half])
    batches, cut = deliveries(chance, recorded(workspace, run.began_at))
    missed = chance.randint(0, len(batches))
    for batch in batches[missed:]:
        projector.fold([batch])
    seen = workspace.journal.head()
    run.perform(done[half:])
    batches, _ = deliveries(chance, recorded(workspace, seen), already=cut)
    for batch in batches:
        projector.fold([batch])
    everything = recorded(workspace, run.began_at)
    assert actual(workspace, everything) == expected(workspace, everything)


@SHORT
@given(done=acts(), seed=st.integers(0, 999))
def test_two_workers_who_share_the_partitions_write_what_one_would(workspace, done, seed):
    chance = Random(seed)
    run = Performance(workspace)
    workers = [Projector(workspace.engine, projections(workspace.rules), name) for name in ("one", "two", "three")]
    for partition, worker in enumerate(workers):
        worker.claim(partition, "topic")
    run.perform(done)
    everything = recorded(workspace, run.began_at)
    batches, _ = deliveries(chance, everything)
    for batch in batches:
        workers[batch.partition].fold([batch])
    assert actual(workspace, everything) == expected(workspace, everything)


@SHORT
@given(done=acts())
def test_a_refold_of_everybody_changes_nothing(workspace, done):
    run = Performance(workspace)
    projector = Projector(workspace.engine, projections(workspace.rules), "one")
    projector.claim(0, "topic")
    run.perform(done)
    everything = recorded(workspace, run.began_at)
    projector.fold([Batch(0, "topic", everything, 1)])
    owners = {row[0] for view in actual(workspace, everything).values() for row in view.values()}
    with workspace.engine.begin() as connection:
        projector.refold(connection, owners)
    assert actual(workspace, everything) == expected(workspace, everything)

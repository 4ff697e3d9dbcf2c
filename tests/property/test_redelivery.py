"""However the log repeats, delays and shuffles what it delivers, every view says the same in the end."""

from collections import defaultdict
from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.feeds import Batch
from infra.projector import Projector
from models.projections.catalogue import projections
from tests.support.histories import acts
from tests.support.performing import Performance
from tests.support.viewing import actual, expected, keys, recorded

PARTITIONS = 3
SHORT = settings(
    max_examples=20, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip


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
    workers = [
        Projector(workspace.engine, projections(workspace.rules), name) for name in ("one", "two", "three")
    ]
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

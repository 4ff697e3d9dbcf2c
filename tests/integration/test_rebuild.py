"""A rebuild beside live views: it says what they say, whatever goes on meanwhile, and is theirs in one moment."""

import multiprocessing
import os
import subprocess
import sys
import threading
import time
from datetime import timedelta
from random import Random

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, exists, insert, select, text, update

from events.envelope import Envelope
from infra.feeds import Batch
from infra.folding import FoldFailed
from infra.identity.desk import IdentityDesk
from infra.journal import owned
from infra.journal.owned import Owned
from infra.migrating import differences
from infra.projector import READER, Projector
from infra.rebuilding import filling, generations, rebuild, swapping
from infra.rebuilding.following import customers_joined
from infra.rebuilding.rebuild import Rebuild
from infra.rebuilding.verify import verify
from infra.view_store import ViewStore
from models.domain.identity_decision import Unmerge
from models.errors import Refused, Unavailable
from models.ports import By
from models.projections.catalogue import projections
from models.projections.customer_360 import Customer360
from models.tables.generations import rebuild_part, view_generation
from models.tables.journal import journal
from models.tables.readers import ledger, reader_position
from models.tables.set_aside import set_aside
from models.tables.views import customer_360, timeline
from tests.support.clock import MONDAY
from tests.support.folding import fold, react, rows
from tests.support.histories import acts
from tests.support.performing import Performance
from tests.support.sending import account, email, item, phone, purchase, send
from tests.support.viewing import actual, expected, keys, recorded

DAY = timedelta(days=1)
PATIENCE = 30


class Twice(Customer360):
    """A changed rule: every contact counts for two."""

    generation = 2

    def apply(self, row, envelope, owner):
        before = row.contacts_ever if row else 0
        after = super().apply(row, envelope, owner)
        return msgspec.structs.replace(after, contacts_ever=2 * after.contacts_ever - before)


class Broken(Customer360):
    """A rule with a mistake in it."""

    generation = 2

    def apply(self, row, envelope, owner):
        raise KeyError("+1 415 555 2671")


def worker(workspace, views=None, name="one", partitions=1):
    made = Projector(workspace.engine, views or projections(workspace.rules), name)
    for partition in range(partitions):
        made.claim(partition, "topic")
    return made


def prepared(workspace, views=None):
    """A rebuild of these views, or of all, that is ready to swap."""
    found = Rebuild(workspace.engine, views or projections(workspace.rules))
    found.start()
    found.fill()
    found.index()
    found.follow()
    return found


def batch(envelopes, partition=0):
    return [Batch(partition, "topic", list(envelopes), 1)]


def folded(workspace, envelopes):
    """Those of the events that the ledger has and that do not lie aside."""
    with workspace.engine.connect() as connection:
        known = set(connection.execute(select(ledger.c.position)).scalars())
        aside = {str(one) for one in connection.execute(select(set_aside.c.event_id)).scalars()}
    return [one for one in envelopes if one.position in known and one.event_id not in aside]


def joined_and_waiting(workspace):
    """Customers whose merge is not folded yet: until then theirs may be told of either, as a comparison says too."""
    with workspace.engine.connect() as connection:
        unfolded = ~exists().where(ledger.c.position == journal.c.position)
        return customers_joined(connection, unfolded)


def _without(owners, views):
    return {
        name: {key: row for key, row in held.items() if row[0] not in owners} for name, held in views.items()
    }


def live(workspace):
    with workspace.engine.connect() as connection:
        found = connection.execute(select(view_generation.c.view, view_generation.c.generation))
        return dict(found.tuples().all())


def contacts(workspace):
    return {key: row.contacts_ever for key, row in rows(workspace, "customer_360").items()}


def people(workspace, count):
    """So many customers with a call and a purchase each, folded."""
    calls = [item(f"{n}-a", account(str(n)), channel="voice") for n in range(count)]
    send(workspace, *calls, *(purchase(f"{n}-b", account(str(n)), at=MONDAY) for n in range(count)))
    fold(workspace)


SHORT = settings(
    max_examples=8, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip


@SHORT
@given(done=acts(least=15, most=30), seed=st.integers(0, 999), long=st.sampled_from([5, 20_000]))
def test_what_is_recorded_and_folded_meanwhile_is_neither_lost_nor_doubled(workspace, done, seed, long):
    """Events come and are folded between all steps, but for some that come to their turn after the swap."""
    chance, run = Random(seed), Performance(workspace)
    work = Rebuild(workspace.engine, projections(workspace.rules))
    projector = worker(workspace, partitions=3)
    place = {}
    waiting: list[tuple[int, list[Envelope]]] = []
    seen = run.began_at

    def meanwhile(last: bool = False) -> None:
        nonlocal seen, done
        some = len(done) if last else chance.randint(0, len(done) // 2)
        run.perform(done[:some])
        done = done[some:]
        for one in recorded(workspace, seen):
            seen = one.position
            for key in keys(one):
                waiting.append((place.setdefault(key, chance.randrange(3)), [one]))
        chance.shuffle(waiting)
        ready = [one for one in waiting if last or one[1][0].position % 4]
        for one in ready if last else ready[: chance.randint(0, len(ready))]:
            waiting.remove(one)
            projector.fold(batch(one[1], one[0]))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owned, "LONG", long)  # both ways of reading a history
        meanwhile()
        work.start(afresh=True)
        meanwhile()
        filling.work(workspace.engine, projections(workspace.rules), "fold_head", slices=chance.randint(0, 5))
        meanwhile()
        work.fill()
        meanwhile()
        work.index()
        meanwhile()
        work.follow()
        meanwhile()
        compared, _ = work.compare()
        assert [one for one in compared if one.any] == []
        meanwhile()
        work.swap()
        everything, waiting_for_merge = recorded(workspace, run.began_at), joined_and_waiting(workspace)
        assert _without(waiting_for_merge, actual(workspace, everything)) == _without(
            waiting_for_merge, expected(workspace, folded(workspace, everything))
        )
        meanwhile(last=True)
        everything = recorded(workspace, run.began_at)
        assert actual(workspace, everything) == expected(workspace, everything)
        assert verify(workspace.engine, projections(workspace.rules), 1_000, seed).wrong == []


def test_a_partition_that_is_behind_at_the_swap_is_folded_once_after_it(workspace):
    answers = send(workspace, *(item(str(n), account(str(n)), channel="voice") for n in range(4)))
    ahead, behind = recorded(workspace)[:4], recorded(workspace)[4:]
    projector = worker(workspace, partitions=2)
    projector.fold(batch(ahead, 0))
    prepared(workspace).swap()
    seen = {one.customer for one in ahead}
    assert contacts(workspace) == dict.fromkeys(seen, 1)
    projector.fold(batch(behind, 1))
    projector.fold(batch(ahead, 1))
    assert contacts(workspace) == dict.fromkeys((one.customer for one in answers), 1)


def test_an_event_that_comes_while_it_fills_is_in_once_it_is_folded_and_not_before(workspace):
    people(workspace, 2)
    work = Rebuild(workspace.engine, projections(workspace.rules))
    work.start()
    head = workspace.journal.head()
    send(workspace, item("more", account("0"), channel="voice"), item("other", account("1"), channel="voice"))
    one, other = recorded(workspace, head)
    work.fill()
    work.index()
    projector = worker(workspace)
    projector.fold(batch([one]))
    work.follow()
    work.swap()
    assert contacts(workspace) == {one.customer: 2, other.customer: 1}
    projector.fold(batch([one, other]))
    assert contacts(workspace) == {one.customer: 2, other.customer: 2}


def test_whoever_was_parted_from_another_while_it_filled_is_not_in_both(workspace):
    older, younger = send(workspace, item("1", phone(), channel="voice"), item("2", email(), channel="chat"))
    send(workspace, item("3", phone(), email(), channel="store"))
    fold(workspace)
    work = Rebuild(workspace.engine, projections(workspace.rules))
    work.start()
    filling.work(workspace.engine, projections(workspace.rules), "fold_head", slices=1)
    by = By(source="desk", source_id="1", actor="ann")
    assert IdentityDesk(workspace).give(Unmerge(customer=older.customer, why="two people"), by)
    work.fill()
    work.index()
    work.follow()
    work.swap()
    everything = recorded(workspace)
    assert actual(workspace, everything) == expected(workspace, folded(workspace, everything))
    fold(workspace)
    assert {row.owner for row in _stored(workspace, timeline)} == {older.customer, younger.customer}
    assert actual(workspace, everything) == expected(workspace, everything)


def test_a_customer_whose_survivor_nobody_has_folded_yet_is_the_survivors(workspace):
    send(workspace, item("1", email(), channel="chat"))
    head = workspace.journal.head()
    send(workspace, item("2", phone(), channel="voice"))
    projector = worker(workspace)
    projector.fold(batch([one for one in recorded(workspace) if one.position > head]))
    (both,) = send(workspace, item("3", phone(), email(), channel="store"))
    prepared(workspace).swap()
    younger = next(one for one in recorded(workspace) if one.source_id == "2").customer
    assert contacts(workspace) == {younger: 1}, "what nobody has folded yet joins nobody in the views"
    projector.fold(batch(recorded(workspace)))
    assert contacts(workspace) == {both.customer: 3}


def test_an_event_that_lies_aside_is_left_out_and_is_in_once_it_is_taken_back(workspace):
    (touch,) = send(workspace, item("1", phone(), channel="voice"))
    (poison,) = send(workspace, item("2", phone(), channel="chat"))
    (later,) = send(workspace, item("3", email(), channel="web", direction="inbound"))
    send(workspace, item("4", email(), channel="voice"))
    with workspace.engine.begin() as connection:
        connection.execute(insert(set_aside).values(reader=READER, event_id=poison.event_id))
    projector = worker(workspace)
    projector.fold(batch(recorded(workspace)))
    work = prepared(workspace)
    compared, _ = work.compare()
    assert not any(one.any for one in compared)
    event = next(one for one in recorded(workspace) if one.event_id == poison.event_id)
    with workspace.engine.begin() as connection:
        projector.take_back(connection, event)
        connection.execute(insert(set_aside).values(reader=READER, event_id=later.event_id))
        projector.refold(connection, [later.customer])
    work.swap()
    assert {touch.event_id, poison.event_id} < set(rows(workspace, "timeline"))
    assert later.event_id not in rows(workspace, "timeline")
    everything = recorded(workspace)
    assert actual(workspace, everything) == expected(workspace, folded(workspace, everything))


def test_a_changed_rule_takes_over_at_the_swap(workspace):
    """The old code folds until then and not once after; the new code waits until then."""
    people(workspace, 3)
    old = worker(workspace)
    views = (Twice(), *(one for one in projections(workspace.rules) if one.name != "customer_360"))
    new = worker(workspace, views, "new", partitions=0)
    head = workspace.journal.head()
    send(workspace, item("more", account("0"), channel="voice"))
    more = recorded(workspace, head)
    new.claim(1, "topic")
    with pytest.raises(
        Unavailable, match="generation 1, this code folds generation 2: run `touchstone rebuild"
    ):
        new.fold(batch(more, 1))
    work = prepared(workspace, [Twice()])
    old.fold(batch(more))
    work.swap()
    others = {"contact": 1, "lifecycle": 1, "pipeline": 1, "timeline": 1}
    assert live(workspace) == {"customer_360": 2, **others}
    assert sorted(contacts(workspace).values()) == [2, 2, 4]
    head = workspace.journal.head()
    send(workspace, item("even more", account("1"), channel="voice"))
    with pytest.raises(Unavailable, match="it folds generation 1: this process is outdated"):
        old.fold(batch(recorded(workspace, head)))
    assert sorted(contacts(workspace).values()) == [2, 2, 4]
    new.fold(batch(recorded(workspace, head), 1))
    assert sorted(contacts(workspace).values()) == [2, 4, 4]


def test_a_view_that_is_new_in_an_old_workspace_is_filled_before_anybody_folds(workspace):
    people(workspace, 2)
    before = rows(workspace, "customer_360")
    with workspace.engine.begin() as connection:
        connection.execute(delete(view_generation).where(view_generation.c.view == "customer_360"))
        connection.execute(delete(customer_360))
    send(workspace, item("late", account("0")))
    with pytest.raises(Unavailable, match="customer_360 is new and has not been filled"):
        fold(workspace)
    prepared(workspace, [Customer360()]).swap()
    assert rows(workspace, "customer_360") == before
    fold(workspace)


def test_the_difference_names_what_somebody_spoilt(workspace):
    people(workspace, 4)
    kept, lost, spoilt, moved = sorted(rows(workspace, "timeline"))[:4]
    with workspace.engine.begin() as connection:
        connection.execute(delete(timeline).where(timeline.c.key == lost))
        other = update(timeline).where(timeline.c.key == spoilt)
        connection.execute(
            other.values(state=select(timeline.c.state).where(timeline.c.key == kept).scalar_subquery())
        )
        connection.execute(update(timeline).where(timeline.c.key == moved).values(occurred_at=MONDAY + DAY))
        connection.execute(text("INSERT INTO customer_360 SELECT 'x', 'x', state FROM customer_360 LIMIT 1"))
    compared, moving = prepared(workspace).compare()
    found = {one.view: one for one in compared}
    assert (found["timeline"].added, found["timeline"].removed, found["timeline"].changed) == (1, 0, 2)
    assert found["timeline"].examples == {"added": (lost,), "changed": tuple(sorted((spoilt, moved)))}
    assert found["customer_360"].examples == {"removed": ("x",)}
    assert (found["timeline"].live, found["timeline"].rebuilt) == (7, 8)
    assert not found["lifecycle"].any
    assert moving == 0


def test_customers_whose_merge_is_not_folded_yet_are_not_taken_for_wrong(workspace):
    people(workspace, 1)
    send(workspace, item("1", phone(), channel="voice"), item("2", email(), channel="chat"))
    fold(workspace)
    send(workspace, item("3", phone(), email(), channel="store"))
    compared, moving = prepared(workspace).compare()
    assert (moving, [one for one in compared if one.any]) == (2, [])
    found = verify(workspace.engine, projections(workspace.rules), 100, 1)
    assert (found.owners, found.moving, found.wrong) == (1, 2, [])
    fold(workspace)
    found = verify(workspace.engine, projections(workspace.rules), 100, 1)
    assert (found.owners, found.moving, found.wrong) == (3, 0, [])


def test_what_was_live_before_is_kept_until_told(workspace):
    people(workspace, 2)
    before = rows(workspace, "customer_360")
    prepared(workspace, [Twice()]).swap()
    assert rebuild.kept(workspace.engine) == {"customer_360": "customer_360__g1"}
    assert _states(workspace, "customer_360__g1") == before
    prepared(workspace, [Customer360()]).swap()
    assert rebuild.kept(workspace.engine) == {"customer_360": "customer_360__g2"}
    assert _tables(workspace) == {"customer_360__g2"}
    assert rebuild.drop_old(workspace.engine, ["customer_360", "timeline"]) == ["customer_360__g2"]
    assert _tables(workspace) == set()
    assert rows(workspace, "customer_360") == before


def test_the_live_tables_are_afterwards_as_the_code_says_and_open_to_whom_they_were(workspace):
    people(workspace, 2)
    role = f"reader_{os.getpid()}"
    with workspace.engine.begin() as connection:
        connection.execute(text(f"CREATE ROLE {role}"))
        connection.execute(text(f"GRANT SELECT ON pipeline TO {role}"))
    prepared(workspace).swap()
    rebuild.drop_old(workspace.engine, [one.name for one in projections(workspace.rules)])
    with workspace.engine.connect() as connection:
        assert differences(connection, "workspace") == []
        may = text("SELECT has_table_privilege(:role, 'pipeline', 'SELECT')")
        assert connection.execute(may, {"role": role}).scalar() is True
        assert (
            connection.execute(text("SELECT reloptions FROM pg_class WHERE relname = 'pipeline'")).scalar()
            is None
        )


def test_nothing_is_caused_by_it(workspace):
    react(workspace)
    people(workspace, 3)
    react(workspace)
    head = workspace.journal.head()
    with workspace.engine.connect() as connection:
        before = connection.execute(select(reader_position)).all()
    prepared(workspace).swap()
    react(workspace)
    assert workspace.journal.head() == head
    with workspace.engine.connect() as connection:
        assert connection.execute(select(reader_position)).all() == before


def test_a_reader_sees_the_views_before_the_swap_or_after_it(workspace, monkeypatch):
    """Its moment lies before the swap, but it comes to the views only then: the swap waits for it."""
    monkeypatch.setattr(swapping, "READERS_SECONDS", 0.1)
    people(workspace, 2)
    work = prepared(workspace, [Twice()])
    send(workspace, item("new", account("new"), channel="voice"))
    fold(workspace)
    before = rows(workspace, "customer_360")
    waits, seconds = threading.Event(), []
    swapper = threading.Thread(target=lambda: seconds.append(work.swap(lambda sentence: waits.set())))
    with workspace.engine.connect().execution_options(isolation_level="REPEATABLE READ") as reader:
        reader.execute(text("SELECT count(*) FROM customer"))
        swapper.start()
        assert waits.wait(PATIENCE)
        store = ViewStore(Customer360())
        assert {row.key: store.decode(row.state) for row in reader.execute(select(customer_360))} == before
    swapper.join(PATIENCE)
    assert len(seconds) == 1
    assert sorted(contacts(workspace).values()) == [2, 2, 2]


@pytest.mark.parametrize("asks_first", [True, False], ids=["a fold", "a refold that does not ask"])
def test_a_swap_waits_for_whoever_is_writing_and_misses_nothing_of_it(workspace, asks_first):
    people(workspace, 2)
    projector = worker(workspace)
    work = prepared(workspace)
    head = workspace.journal.head()
    (answer,) = send(workspace, item("more", account("0"), channel="voice"))
    swapper = threading.Thread(target=work.swap)
    with workspace.engine.begin() as connection:
        if asks_first:
            generations.expect(connection, projections(workspace.rules))
        else:
            projector.refold(connection, [answer.customer])
        swapper.start()
        _until(lambda: _waiting_for_locks(workspace) or not swapper.is_alive())
        assert swapper.is_alive()
        if asks_first:
            projector._fold(connection, batch(recorded(workspace, head)))
    swapper.join(PATIENCE)
    assert rebuild.kept(workspace.engine)
    assert sorted(contacts(workspace).values()) == [1, 2]


def test_a_long_history_is_met_in_the_same_order_as_one_that_is_held(workspace, monkeypatch):
    touches = send(
        workspace, *(item(str(n), phone(), at=MONDAY - n * DAY, channel="voice") for n in range(8))
    )
    first, second, third = (one.event_id for one in touches[:3])
    send(
        workspace,
        item("a", type="touch.corrected", touch_id=first, occurred_at=(MONDAY - 5 * DAY).isoformat()),
        item(
            "b", type="touch.corrected", touch_id=second, occurred_at=(MONDAY + DAY).isoformat(), reason="x"
        ),
        item("c", type="touch.corrected", touch_id=second, reason="y"),
        item("d", type="touch.retracted", touch_id=third, why="a test"),
        item("e", type="touch.corrected", touch_id="no id at all", occurred_at=MONDAY.isoformat()),
        item("f", email(), channel="web"),
    )
    owner = touches[0].customer

    def read():
        with workspace.engine.begin() as connection:
            return {
                one: list(history) for one, history in Owned(connection, "true").histories([owner, "x-1"])
            }

    held = read()
    monkeypatch.setattr(owned, "LONG", 3)
    monkeypatch.setattr(owned, "FETCH", 2)
    assert read() == held
    assert len(held[owner]) == 8
    assert held["x-1"] == []


def test_a_killed_rebuild_goes_on_where_it_was(workspace):
    people(workspace, 10)
    work = Rebuild(workspace.engine, projections(workspace.rules))
    assert work.start() is False
    env = {
        **os.environ, "DATABASE_URL": workspace.settings.database_url, "VAULT_URL": workspace.settings.vault_url,
        "TOUCHSTONE_VAR": str(workspace.settings.var), "KAFKA_BOOTSTRAP": "",
    }  # fmt: skip
    with workspace.engine.connect() as holding:
        last = select(rebuild_part.c.number).order_by(rebuild_part.c.number.desc()).limit(1).with_for_update()
        held = holding.execute(last).scalar_one()
        process = subprocess.Popen(
            [sys.executable, "-m", "services.cli", "rebuild"], env=env, stdout=subprocess.DEVNULL
        )
        try:
            _until(lambda: _left(workspace) == [held])
        finally:
            process.kill()
            process.wait()
    send(workspace, item("late", account("0"), channel="chat", at=MONDAY - DAY))
    fold(workspace)
    again = Rebuild(workspace.engine, projections(workspace.rules))
    _until(lambda: _no_rebuild_runs(workspace))
    heard = []
    assert again.start() is True
    again.fill(lambda done, total: heard.append((done, total)))
    assert heard == [(10, 10)] * 2
    again.index()
    again.follow()
    again.swap()
    everything = recorded(workspace)
    assert actual(workspace, everything) == expected(workspace, everything)


def test_processes_share_the_work(workspace, monkeypatch):
    monkeypatch.setattr(filling, "FEW", 0)
    people(workspace, 6)
    work = Rebuild(workspace.engine, projections(workspace.rules), processes=2)
    work.start()
    heard = []
    work.fill(lambda done, total: heard.append((done, total)))
    assert heard[-1] == (6, 6)
    work.index()
    work.follow()
    work.swap()
    everything = recorded(workspace)
    assert actual(workspace, everything) == expected(workspace, everything)


def test_an_unfinished_rebuild_of_other_views_is_not_mixed_with_a_new_one(workspace):
    people(workspace, 1)
    Rebuild(workspace.engine, [Twice()]).start()
    with pytest.raises(Refused, match=r"customer_360 \(generation 2\).*--afresh"):
        Rebuild(workspace.engine, [Customer360()]).start()
    assert Rebuild(workspace.engine, [Customer360()]).start(afresh=True) is False
    assert rebuild.discard(workspace.engine) is True
    assert rebuild.discard(workspace.engine) is False
    assert _tables(workspace) == set()


def test_two_rebuilds_at_once_are_refused(workspace):
    with (
        rebuild.alone(workspace.engine),
        pytest.raises(Refused, match="under way"),
        rebuild.alone(workspace.engine),
    ):
        pass
    with rebuild.alone(workspace.engine):
        pass


def test_an_event_that_cannot_be_read_is_named_and_the_rest_stands(workspace):
    people(workspace, 2)
    event_id = recorded(workspace)[0].event_id
    with workspace.engine.begin() as connection:
        connection.execute(text("UPDATE journal SET schema = 99 WHERE event_id = :id"), {"id": event_id})
    work = Rebuild(workspace.engine, projections(workspace.rules))
    work.start()
    with pytest.raises(FoldFailed, match=f"event {event_id} cannot be read: schema_ahead"):
        work.fill()


def test_a_process_that_is_ended_is_not_taken_for_one_that_is_done(workspace, monkeypatch):
    monkeypatch.setattr(filling, "FEW", 0)
    people(workspace, 3)
    work = Rebuild(workspace.engine, projections(workspace.rules), processes=2)
    work.start()
    with workspace.engine.connect() as holding:
        holding.execute(text("LOCK TABLE timeline__next"))  # nobody is done before it is ended

        def end(done, total):
            for child in multiprocessing.active_children():
                child.kill()

        with pytest.raises(Unavailable, match="ended from outside"):
            work.fill(end)


def test_a_rule_that_fails_leaves_the_live_views_and_says_where_but_not_what(workspace):
    people(workspace, 2)
    before = contacts(workspace)
    work = Rebuild(workspace.engine, [Broken()])
    work.start()
    with pytest.raises(FoldFailed, match=r"customer_360 cannot fold event .*: KeyError in apply") as failed:
        work.fill()
    assert "415" not in str(failed.value)
    assert contacts(workspace) == before


def _stored(workspace, table):
    with workspace.engine.connect() as connection:
        return connection.execute(select(table)).all()


def _states(workspace, name):
    store = ViewStore(Customer360())
    with workspace.engine.connect() as connection:
        return {row.key: store.decode(row.state) for row in connection.execute(text(f"SELECT * FROM {name}"))}


def _tables(workspace):
    """The tables beside the live ones."""
    with workspace.engine.connect() as connection:
        query = text(
            r"SELECT tablename FROM pg_tables WHERE tablename LIKE '%\_\_%' AND schemaname = 'public'"
        )
        return set(connection.execute(query).scalars())


def _left(workspace):
    with workspace.engine.connect() as connection:
        return list(connection.execute(text("SELECT number FROM rebuild_part WHERE after < upto")).scalars())


def _no_rebuild_runs(workspace):
    try:
        with rebuild.alone(workspace.engine):
            return True
    except Refused:
        return False


def _waiting_for_locks(workspace):
    with workspace.engine.connect() as connection:
        query = text(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return connection.execute(query).scalar()


def _until(holds):
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)

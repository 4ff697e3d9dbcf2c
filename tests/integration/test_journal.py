"""The journal: gapless, once, in order, and a verdict for each item, whoever appends beside it."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import psycopg
import pytest
from psycopg import DataError
from sqlalchemy import event, select, text

from events import codec
from events.case import CaseOpened
from events.holding import PurchaseRecorded
from infra import stalled
from infra.database import engine_for
from infra.ids import new_id
from infra.item import Accepted, Broken, Draft, Duplicate, Item, Stale
from infra.journal.journal import Journal
from models.errors import Conflict, Unavailable
from models.tables.journal import journal as table
from tests.support.clock import MONDAY
from tests.support.sending import account, email, item, phone, purchase, send


def bought(source_id: str, product: str = "book", **about) -> Draft:
    """A purchase of nobody's, ready to append."""
    data = codec.encode(PurchaseRecorded(product=product))
    return Draft(
        event_id=new_id(), type="purchase.recorded", schema=1, data=data, digest=product.encode(), source="shop",
        source_id=source_id, origin="live", occurred_at=MONDAY, **about,
    )  # fmt: skip


def opened(case: str, source_id: str) -> Draft:
    """The opening decision of a case."""
    event = CaseOpened(case_id=case, kind="complaint", reason="billing", severity="normal", due_at=MONDAY)
    return Draft(
        event_id=new_id(), type="case.opened", schema=1, data=codec.encode(event), digest=b"", source="desk",
        source_id=source_id, origin="live", occurred_at=MONDAY, stream=f"case-{case}",
    )  # fmt: skip


def positions(workspace) -> list[int]:
    with workspace.engine.connect() as connection:
        return list(connection.execute(select(table.c.position).order_by(table.c.position)).scalars())


def test_positions_have_no_gaps_under_concurrent_appends_from_many_threads_and_two_processes(workspace):
    other = Journal(workspace.engine, workspace.clock)  # as a second process would have it

    def append(number: int) -> list:
        journal = (workspace.journal, other)[number % 2]
        return journal.append([Item((bought(f"{number}-{n}"),)) for n in range(10)])

    with ThreadPoolExecutor(8) as threads:
        verdicts = [one for found in threads.map(append, range(24)) for one in found]
    other.close()
    assert all(isinstance(one, Accepted) for one in verdicts)
    assert positions(workspace) == list(range(1, 241))
    assert sorted(one.position for one in verdicts) == list(range(1, 241))
    assert workspace.journal.head() == 240


def test_a_reader_that_polls_beyond_its_position_never_skips_an_event(workspace):
    read, done = [], threading.Event()

    def poll() -> None:
        with workspace.engine.connect() as connection:
            while not done.is_set() or not read or read[-1] < 300:
                last = read[-1] if read else 0
                query = select(table.c.position).where(table.c.position > last).order_by(table.c.position)
                read.extend(connection.execute(query).scalars())
                connection.rollback()

    reader = threading.Thread(target=poll)
    reader.start()
    writers = [Journal(workspace.engine, workspace.clock) for _ in range(3)]
    with ThreadPoolExecutor(3) as threads:
        for number in range(30):
            one = writers[number % 3]
            threads.submit(one.append, [Item((bought(f"{number}-{n}"),)) for n in range(10)])
    done.set()
    reader.join(60)
    for one in writers:
        one.close()
    assert read == list(range(1, 301))


def test_each_item_of_a_group_has_its_own_verdict(workspace):
    workspace.journal.append([Item((opened("1", "a"),))])
    fresh, stale, repeat, nobody = workspace.journal.append([
        Item((opened("2", "b"),)), Item((opened("1", "c"),)), Item((opened("1", "a"),)), Item((bought("d"),)),
    ])  # fmt: skip
    assert isinstance(fresh, Accepted)
    assert stale == Stale("case-1", 1)
    assert isinstance(repeat, Duplicate)
    assert isinstance(nobody, Accepted)
    assert positions(workspace) == [1, 2, 3]


def test_the_same_source_id_twice_in_one_batch_or_later_is_recorded_once(workspace):
    draft = bought("1")
    first, again = workspace.journal.append([Item((draft,)), Item((bought("1"),))])
    (later,) = workspace.journal.append([Item((bought("1"),))])
    assert first == Accepted((draft.event_id,), "", 1)
    assert again == later == Duplicate(draft.event_id, "")


def test_a_repeat_with_other_content_is_a_duplicate_that_says_so(workspace):
    first, second = workspace.journal.append([Item((bought("1"),)), Item((bought("1", "pen"),))])
    assert (first.event_ids[0], second.code) == (second.event_id, "content_differs")
    assert [one.event.product for one in workspace.journal.read()] == ["book"]


def test_a_repeat_is_told_before_a_stale_revision_is(workspace):
    """Sending a decision again is agreement, though its stream has moved on."""
    first = Item((opened("1", "a"),), {"case-1": 0})
    workspace.journal.append([first])
    assert isinstance(workspace.journal.append_one(Item((opened("1", "a"),), {"case-1": 0})), Duplicate)
    with pytest.raises(Conflict):
        workspace.journal.append_one(Item((opened("1", "b"),), {"case-1": 0}))


def test_an_item_that_writes_two_streams_is_written_whole_or_not_at_all(workspace):
    workspace.journal.append([Item((opened("1", "a"),))])
    both = Item((opened("2", "b"), opened("1", "b:1")), {"case-2": 0, "case-1": 0})
    assert workspace.journal.append([both]) == [Stale("case-1", 1)]
    assert workspace.journal.stream("case-2") == []
    both = Item((opened("2", "b"), opened("1", "b:1")), {"case-2": 0, "case-1": 1})
    assert isinstance(workspace.journal.append([both])[0], Accepted)
    assert [one.revision for one in workspace.journal.stream("case-1")] == [1, 2]
    assert [one.revision for one in workspace.journal.stream("case-2")] == [1]


def test_of_many_decisions_on_one_revision_exactly_one_is_recorded(workspace):
    def decide(number: int) -> bool:
        try:
            workspace.journal.append_one(Item((opened("1", f"{number}"),), {"case-1": 0}))
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(decide, range(16))) == 1
    assert len(workspace.journal.stream("case-1")) == 1


@pytest.mark.parametrize("many", [0, 30], ids=["in a small batch", "in a large one"])
def test_an_item_that_the_database_refuses_harms_neither_its_batch_nor_other_callers(workspace, many):
    poison = Item((bought("bad", actor="\x00"),))
    more = [Item((bought(f"more-{n}"),)) for n in range(many)]
    batch = workspace.journal.submit([Item((bought("1"),)), poison, *more, Item((bought("2"),))])
    alone, neighbour = workspace.journal.submit([poison]), workspace.journal.submit([Item((bought("3"),))])
    first, broken, *_, second = batch.result()
    assert isinstance(first, Accepted)
    assert isinstance(second, Accepted)
    assert isinstance(broken.error, DataError)
    assert isinstance(alone.result()[0], Broken)
    with pytest.raises(DataError):
        workspace.journal.append_one(poison)
    assert isinstance(neighbour.result()[0], Accepted)
    assert positions(workspace) == [*range(1, many + 4)]


@pytest.mark.parametrize("neighbours", [1, 0], ids=["in a batch", "alone"])
def test_a_door_quarantines_what_its_database_refuses_and_records_the_rest(workspace, neighbours):
    door = workspace.door("test")
    now = workspace.clock.now()
    raws = [b'{"source":"s","source_id":"%d","type":"purchase.recorded"}' % n for n in (1, 2)]
    read = [workspace.intake.read(raw, now) for raw in raws[: 1 + neighbours]]
    read[0].draft.actor = "\x00"
    refused, *taken = door.settle(read, now)
    assert (refused.verdict, refused.code) == ("quarantined", "unrecordable")
    assert [one.verdict for one in taken] == ["accepted"] * neighbours
    (held,) = workspace.quarantine.open_entries()
    assert (held.code, held.source_id, held.raw) == ("unrecordable", "1", read[0].raw)


def test_recorded_at_never_goes_back_when_the_clock_does(workspace, clock):
    workspace.journal.append([Item((bought("1"),))])
    clock.pass_time(hours=-3)
    workspace.journal.append([Item((bought("2"),))])
    clock.pass_time(hours=4)
    workspace.journal.append([Item((bought("3"),))])
    assert [one.recorded_at for one in workspace.journal.read()] == [
        MONDAY, MONDAY, MONDAY + timedelta(hours=1),
    ]  # fmt: skip


def test_a_live_event_is_known_when_recorded_and_an_imported_one_when_its_source_says(workspace, clock):
    then = MONDAY - timedelta(days=400)
    send(
        workspace, item("live", phone(), at=then), item("import", phone(), at=then, origin="import"),
        {**item("told", phone(), at=then, origin="import"), "known_at": (then + timedelta(days=1)).isoformat()},
    )  # fmt: skip
    touches = [one for one in workspace.journal.read() if one.type == "touch.recorded"]
    assert [(one.known_at, one.known_assumed) for one in touches] == [
        (clock.now(), False), (then, True), (then + timedelta(days=1), False),
    ]  # fmt: skip


def test_a_merge_stands_before_the_touch_that_showed_it_and_takes_its_times_and_origin(workspace):
    then = MONDAY - timedelta(days=30)
    send(workspace, purchase("1", phone(), at=then), purchase("2", email(), at=then))
    send(workspace, purchase("3", phone(), email(), at=then))
    *_, merge, touch = workspace.journal.read()
    assert (merge.type, touch.type) == ("identity.merged", "purchase.recorded")
    assert (merge.occurred_at, merge.known_at, merge.origin) == (then, then, "import")
    assert merge.cause == touch.event_id
    assert merge.customer == touch.customer == merge.event.survivor


def test_the_table_of_identifiers_says_what_the_recorded_events_say(workspace):
    send(workspace, item("1", phone(), account("a")), item("2", email()), item("3", account("b"), phone()))
    send(workspace, item("4", account("a"), email()))
    links = {}
    for one in workspace.journal.read():
        if one.type == "identity.linked":
            links[one.event.identifier.hash] = one.event.customer
        if one.type == "identity.merged":
            links = {
                key: one.event.survivor if who == one.event.absorbed else who for key, who in links.items()
            }
    with workspace.engine.connect() as connection:
        rows = connection.execute(
            text("SELECT i.hash, c.survivor FROM identifier i JOIN customer c ON c.id = i.customer")
        )
        assert {hash: str(survivor) for hash, survivor in rows} == links
        revisions = connection.execute(text("SELECT id, revision FROM customer WHERE id = survivor")).all()
    for customer, revision in revisions:
        assert len(workspace.journal.stream(f"identity-{customer}")) == revision


@pytest.mark.parametrize("beside", [0, 30], ids=["alone", "in a large batch"])
def test_customers_who_may_be_one_are_proposed_once_however_often_they_appear_together(workspace, beside):
    send(workspace, item("1", account("a"), phone()), item("2", account("b"), email()))
    for number in range(3):
        others = [item(f"beside-{number}-{n}", account(f"{n}"), phone("+14155550000")) for n in range(beside)]
        send(workspace, *others, item(f"again-{number}", phone(), email()))
        send(workspace, *others, item(f"learnt-{number}", account("a"), email("new@example.com")),
             item(f"led-{number}", email("new@example.com"), account("b")))  # fmt: skip
    proposed = Counter(
        frozenset((one.event.customer, one.event.other))
        for one in workspace.journal.read() if one.type == "identity.merge_proposed"
    )  # fmt: skip
    assert set(proposed.values()) == {1}


def test_a_blocked_identifier_stays_with_the_customer_it_led_to(workspace):
    answers = send(workspace, *(item(f"{n}", phone(), email(f"person{n}@example.com")) for n in range(6)))
    (blocked,) = [one for one in workspace.journal.read() if one.type == "identity.blocked"]
    assert blocked.customer == answers[0].customer != answers[5].customer
    (alone,) = send(workspace, item("alone", phone()))
    assert (alone.verdict, alone.customer) == ("accepted", "")


def test_nothing_is_acknowledged_while_the_database_does_not_answer(workspace):
    nowhere = Journal(engine_for("postgresql://nobody@127.0.0.1:1/nowhere"), workspace.clock)
    with pytest.raises(Unavailable):
        nowhere.append([Item((bought("1"),))])
    nowhere.close()


def test_a_writer_that_froze_in_the_middle_of_writing_is_ended_by_whoever_waits_for_it(
    workspace, settings, monkeypatch
):
    monkeypatch.setattr(stalled, "STALLED_SECONDS", 0.1)
    event.listen(workspace.engine, "connect", lambda raw, _: raw.execute("SET lock_timeout = '300ms'"))
    frozen = psycopg.connect(settings.database_url.replace("+psycopg", ""))
    frozen.execute("SELECT position FROM journal_head FOR UPDATE")
    copying = frozen.cursor().copy("COPY journal (position) FROM STDIN")
    copying.__enter__()
    with pytest.raises(Unavailable):
        workspace.journal.append([Item((bought("1"),))])
    (answer,) = workspace.journal.append([Item((bought("1"),))])
    assert isinstance(answer, Accepted)
    assert workspace.journal.head() == 1
    with pytest.raises(psycopg.OperationalError):
        copying.__exit__(None, None, None)
    frozen.close()


def test_an_identifiers_value_is_kept_whichever_of_its_bearers_is_recorded(workspace):
    send(workspace, item("1", account("7")))
    again, fresh = send(workspace, item("1", account("7"), phone()), item("2", account("7"), phone()))
    assert (again.verdict, fresh.verdict) == ("duplicate", "accepted")
    with workspace.engine.connect() as connection:
        kept = connection.execute(text("SELECT kind, key_id IS NOT NULL FROM identifier ORDER BY kind")).all()
    assert [tuple(row) for row in kept] == [("account", True), ("phone", True)]

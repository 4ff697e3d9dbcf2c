"""The projector: each event in each view once, whoever folds it, whenever it comes."""

import threading
from collections import defaultdict
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select, text

from events.touch import TouchRecorded
from infra.feeds import Batch
from infra.ids import new_id
from infra.projector import READER, Fenced, Projector
from infra.quarantine.aside import Aside
from models.domain import opportunity
from models.domain.opportunity import CaptureOpportunity, WinOpportunity
from models.errors import Unavailable
from models.handling import handle
from models.ports import By, Write
from models.projections.catalogue import projections
from models.tables.readers import ledger, reader_position
from tests.support.clock import MONDAY
from tests.support.folding import fold, rows
from tests.support.sending import account, email, item, phone, purchase, send
from tests.support.viewing import actual, expected, keys, recorded

DAY = timedelta(days=1)


def worker(workspace, name="one", partition=0, topic="topic"):
    made = Projector(workspace.engine, projections(workspace.rules), name)
    made.claim(partition, topic)
    return made


def batch(envelopes, partition=0, next_offset=1):
    return [Batch(partition, "topic", envelopes, next_offset)]


def contacts(workspace):
    return {key: row.contacts_ever for key, row in rows(workspace, "customer_360").items()}


def touched(workspace, *answers):
    assert all(one.verdict == "accepted" for one in answers)
    return recorded(workspace)


def test_who_lost_a_partition_writes_nothing_more(workspace):
    everything = touched(workspace, *send(workspace, item("1", phone(), channel="voice")))
    zombie, heir = worker(workspace, "zombie"), worker(workspace, "heir")
    with pytest.raises(Fenced):
        zombie.fold(batch(everything))
    assert rows(workspace, "customer_360") == {}
    heir.fold(batch(everything))
    assert list(contacts(workspace).values()) == [1]


def test_a_worker_goes_on_where_the_last_one_stood_and_a_new_topic_begins_at_its_start(workspace):
    worker(workspace, "one").fold(
        batch(touched(workspace, *send(workspace, item("1", phone()))), next_offset=42)
    )
    next_one = Projector(workspace.engine, projections(workspace.rules), "two")
    assert next_one.claim(0, "topic") == 42
    assert next_one.claim(0, "topic made anew") == 0
    assert next_one.claim(1, "topic") == 0


def test_a_topic_read_again_from_its_start_counts_nothing_twice(workspace):
    send(workspace, item("1", phone(), channel="voice"), purchase("2", phone(), at=MONDAY))
    everything = recorded(workspace)
    worker(workspace).fold(batch(everything))
    before = actual(workspace, everything)
    worker(workspace, "two", topic="topic made anew").fold(batch(everything))
    assert actual(workspace, everything) == before


def test_every_event_is_entered_in_the_ledger_once_and_the_position_follows(workspace):
    send(workspace, item("1", phone()), item("2"), item("3", phone()))
    everything = recorded(workspace)
    worker(workspace).fold(batch(everything, next_offset=9))
    with workspace.engine.connect() as connection:
        entered = list(connection.execute(select(ledger.c.position).order_by(ledger.c.position)).scalars())
        where = reader_position.c.reader == READER
        stands = connection.execute(select(reader_position).where(where)).one()
    assert entered == [one.position for one in everything]
    assert (stands.offset, stands.position) == (9, everything[-1].position)


def test_a_late_event_takes_its_place_in_the_order_of_what_happened(workspace):
    send(workspace, purchase("1", phone(), at=MONDAY - 10 * DAY))
    fold(workspace)
    send(workspace, purchase("2", phone(), at=MONDAY - 500 * DAY))
    fold(workspace)
    (row,) = rows(workspace, "lifecycle").values()
    assert [one.stage for one in row.log] == ["acquired", "developing", "retained", "lost", "regained"]
    (seen,) = rows(workspace, "customer_360").values()
    assert seen.value["USD"].first_at == MONDAY - 500 * DAY


def test_a_correction_needs_no_identifiers_it_is_about_the_customer_of_its_touch(workspace):
    (touch,) = send(workspace, item("1", phone(), channel="voice", direction="inbound", reason="billing"))
    fold(workspace)
    (fix,) = send(workspace, item("2", type="touch.corrected", touch_id=touch.event_id, reason="roaming"))
    assert fix.customer == touch.customer
    fold(workspace)
    assert rows(workspace, "customer_360")[touch.customer].contacts[0].reason == "roaming"
    send(workspace, item("3", type="touch.retracted", touch_id=touch.event_id, why="another customer's"))
    fold(workspace)
    assert contacts(workspace) == {touch.customer: 0}


def test_a_correction_of_what_was_never_recorded_changes_nothing(workspace):
    for touch in (new_id(), "no id at all"):
        (answer,) = send(workspace, item(touch, type="touch.corrected", touch_id=touch, reason="x"))
        assert (answer.verdict, answer.customer) == ("accepted", "")
    fold(workspace)
    assert rows(workspace, "timeline") == {}


def test_a_retracted_touch_that_arrives_after_its_retraction_is_not_counted(workspace):
    """A refold reads ahead of the feed; what comes later is in the ledger by then."""
    (first,) = send(workspace, item("1", phone(), at=MONDAY - DAY, channel="voice"))
    (second,) = send(workspace, item("2", phone(), at=MONDAY, channel="voice"))
    send(workspace, item("3", type="touch.retracted", touch_id=second.event_id, why="a test"))
    *early, touch, retraction = recorded(workspace)
    one = worker(workspace)
    one.fold(batch([*early, retraction]))
    one.fold(batch([touch]))
    assert contacts(workspace) == {first.customer: 1}


def test_a_merge_takes_the_rows_of_the_absorbed_customer_along(workspace):
    older, younger = send(workspace, purchase("1", email(), at=MONDAY), purchase("2", phone(), at=MONDAY))
    send(
        workspace,
        item(
            "3",
            phone(),
            type="opportunity.imported",
            origin="import",
            at=MONDAY,
            opportunity_id="o",
            subject="x",
        ),
    )
    fold(workspace)
    assert set(rows(workspace, "customer_360")) == {older.customer, younger.customer}
    send(workspace, item("4", phone(), email(), channel="store"))
    fold(workspace)
    assert set(rows(workspace, "customer_360")) == set(rows(workspace, "lifecycle")) == {older.customer}
    row = rows(workspace, "customer_360")[older.customer]
    assert (row.value["USD"].purchases, row.value["USD"].amount) == (2, Decimal(20))
    assert set(row.open_opportunities) == {"o"}
    everything = recorded(workspace)
    assert actual(workspace, everything) == expected(workspace, everything)


def test_a_decision_after_a_merge_is_the_survivors(workspace):
    send(workspace, item("1", email()))
    (younger,) = send(workspace, item("2", phone()))
    decider = opportunity.decider(workspace.rules.opportunity)
    captured = CaptureOpportunity(opportunity_id="o", subject="loan", now=MONDAY)
    by = By(source="desk", source_id="1", actor="ann", customer=younger.customer)
    handle(workspace.log, decider, "opportunity-o", captured, by)
    fold(workspace)
    (both,) = send(workspace, item("3", phone(), email()))
    by = By(source="desk", source_id="2", actor="ann", customer="")
    handle(workspace.log, decider, "opportunity-o", WinOpportunity(opportunity_id="o", now=MONDAY), by)
    fold(workspace)
    assert workspace.journal.stream("opportunity-o")[-1].customer == both.customer
    everything = recorded(workspace)
    assert actual(workspace, everything) == expected(workspace, everything)
    assert rows(workspace, "pipeline")["o"].stage == "won"


def test_a_blocked_identifier_is_marked_with_its_customer_and_makes_no_customer(workspace):
    answers = send(workspace, *(item(str(n), phone(), email(f"p{n}@example.com")) for n in range(6)))
    fold(workspace)
    views = rows(workspace, "customer_360")
    assert set(views) == {one.customer for one in answers}
    marked = [one.kind for one in views[answers[0].customer].identifiers if one.blocked]
    assert marked == ["phone"]


@pytest.mark.parametrize("name", ["o", "aaaaaaaa-bbb-ccc-ddddddd"], ids=["plain", "like a customer's id"])
def test_an_opportunity_of_nobody_is_on_the_board_and_in_no_customers_view(workspace, name):
    told = {"type": "opportunity.imported", "origin": "import", "opportunity_id": name, "subject": "x"}
    send(workspace, item("1", at=MONDAY, **told))
    decider = opportunity.decider(workspace.rules.opportunity)
    won = WinOpportunity(opportunity_id=name, now=MONDAY)
    handle(workspace.log, decider, f"opportunity-{name}", won, By(source="desk", source_id="1", actor="ann"))
    opened, closed = recorded(workspace)
    one = worker(workspace)
    one.fold(batch([closed]))  # the later part first: it is folded anew
    one.fold(batch([opened]))
    assert {key: row.stage for key, row in rows(workspace, "pipeline").items()} == {name: "won"}
    assert rows(workspace, "customer_360") == rows(workspace, "timeline") == {}


def test_a_customer_whom_no_identifier_led_to_keeps_its_rows_when_folded_anew(workspace):
    somebody = new_id()
    for number, at in enumerate((MONDAY, MONDAY - DAY)):
        by = By(source="desk", source_id=str(number), actor="ann", customer=somebody)
        touch = TouchRecorded(channel="voice", direction="inbound")
        workspace.log.record(by, [Write(stream="", expected=0, events=[(touch, at)])])
        fold(workspace)
    assert contacts(workspace) == {somebody: 2}


def test_workers_side_by_side_with_merges_between_their_partitions_agree_in_the_end(workspace):
    """Each lane in its own thread, in small batches."""
    people = [(phone(f"+1415200{n:04}"), email(f"p{n}@example.com"), account(str(n))) for n in range(12)]
    lanes = defaultdict(list)
    for number, (tel, mail, _) in enumerate(people):
        send(workspace, item(f"{number}-a", tel, channel="voice"), item(f"{number}-b", mail, channel="chat"))
    for number, (tel, mail, acc) in enumerate(people):
        send(
            workspace,
            item(f"{number}-c", tel, mail, channel="store"),
            purchase(f"{number}-d", acc, mail, at=MONDAY),
        )
    for one in recorded(workspace):
        for key in keys(one):
            lanes[sum(key.encode()) % 3].append(one)
    failed = []

    def follow(partition: int) -> None:
        mine = worker(workspace, f"worker {partition}", partition)
        lane = lanes[partition]
        try:
            for at in range(0, len(lane), 4):
                while True:
                    try:
                        mine.fold(batch(lane[at : at + 4], partition))
                        break
                    except Unavailable:  # the database breaks a deadlock by giving one up: it tries again
                        continue
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=follow, args=(partition,)) for partition in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failed == []
    everything = recorded(workspace)
    assert actual(workspace, everything) == expected(workspace, everything)


def entries(workspace):
    """The timeline by event: what PostgreSQL calls each row's place, new with every writing of it."""
    with workspace.engine.connect() as connection:
        return dict(connection.execute(text("SELECT key, ctid FROM timeline")).tuples().all())


def test_a_late_event_leaves_the_entries_of_the_others_as_they_are(workspace):
    (first,) = send(workspace, purchase("1", phone(), at=MONDAY))
    fold(workspace)
    before = entries(workspace)
    (late,) = send(workspace, purchase("2", phone(), at=MONDAY - DAY))
    fold(workspace)
    assert entries(workspace).keys() == {first.event_id, late.event_id}
    assert entries(workspace)[first.event_id] == before[first.event_id]


@pytest.mark.parametrize("held", [1, 7, 25])
def test_histories_that_are_too_long_to_be_held_together_are_folded_one_after_the_other(
    workspace, monkeypatch, held
):
    monkeypatch.setattr("infra.refolding.HELD", held)
    for day in (0, 3, -2):  # the last of them is late
        send(
            workspace,
            *(purchase(f"{day}:{n}", account(str(n % 5)), at=MONDAY + day * DAY) for n in range(30)),
        )
        fold(workspace)
    everything = recorded(workspace)
    assert actual(workspace, everything) == expected(workspace, everything)


def test_a_late_event_that_finds_a_correction_not_delivered_yet_writes_all_entries_anew(workspace):
    (touch,) = send(workspace, item("1", phone(), at=MONDAY, channel="voice", reason="billing"))
    one = worker(workspace)
    one.fold(batch(recorded(workspace)))
    (late,) = send(workspace, purchase("2", phone(), at=MONDAY - DAY))
    send(workspace, item("3", type="touch.corrected", touch_id=touch.event_id, reason="roaming"))
    one.fold(batch([e for e in recorded(workspace) if e.event_id == late.event_id]))
    assert b"roaming" in bytes(rows(workspace, "timeline")[touch.event_id].data)
    assert actual(workspace, recorded(workspace)) == expected(workspace, recorded(workspace))


def test_what_was_set_aside_after_it_was_folded_goes_with_the_next_late_event(workspace):
    (bad,) = send(workspace, purchase("1", phone(), at=MONDAY))
    fold(workspace)
    aside = Aside(workspace.engine, workspace.quarantine, workspace.clock, READER)
    assert aside.event(bad.event_id, "projector_hung", "it did not come to an end")
    (late,) = send(workspace, purchase("2", phone(), at=MONDAY - DAY))
    fold(workspace)
    assert entries(workspace).keys() == {late.event_id}
    (seen,) = rows(workspace, "customer_360").values()
    assert seen.value["USD"].purchases == 1

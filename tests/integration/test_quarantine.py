"""What could not be taken is kept, sealed and once, and is recorded as history after a fix."""

from datetime import timedelta

import msgspec
import pytest
from sqlalchemy import select

from infra.quarantine.replay import ReplayReport, replay
from models.tables.base import data_key
from models.tables.quarantine import quarantine
from tests.support.clock import MONDAY
from tests.support.folding import fold, react, rows
from tests.support.sending import account, item, phone, purchase, send

WRONG_PHONE = {"kind": "phone", "value": "030 901820"}
"""A number of Berlin, written without its country: invalid until the workspace says where it is."""


def entries(workspace):
    with workspace.engine.connect() as connection:
        return connection.execute(select(quarantine).order_by(quarantine.c.id)).all()


def key_count(workspace) -> int:
    with workspace.vault_engine.connect() as connection:
        return len(connection.execute(select(data_key.c.key_id)).all())


@pytest.fixture
def mend(workspace):
    """The fix: the workspace now knows that numbers without a country are German."""

    def apply():
        workspace.intake._region = "DE"

    return apply


def test_after_a_fix_what_was_held_is_recorded_at_its_own_time_and_known_since_it_came(
    workspace, clock, mend
):
    then = MONDAY - timedelta(hours=2)
    (answer,) = send(workspace, item("1", WRONG_PHONE, at=then, channel="voice"))
    assert (answer.verdict, answer.code) == ("quarantined", "phone_invalid")
    clock.pass_time(days=3)
    mend()
    assert replay(workspace) == ReplayReport(tried=1, accepted=1)
    touch = workspace.journal.read()[0]
    assert (touch.origin, touch.occurred_at, touch.known_at) == ("replay", then, MONDAY)
    assert touch.recorded_at == clock.now()
    fold(workspace)
    assert [one.contacts_ever for one in rows(workspace, "customer_360").values()] == [1]


def test_an_event_that_left_its_time_to_us_happened_when_it_came(workspace, clock, mend):
    send(workspace, item("1", WRONG_PHONE))
    clock.pass_time(days=3)
    mend()
    replay(workspace)
    assert workspace.journal.read()[0].occurred_at == MONDAY


def test_imported_history_keeps_the_times_that_its_import_stated(workspace, clock, mend):
    then = MONDAY - timedelta(days=900)
    send(workspace, purchase("1", WRONG_PHONE, at=then))
    mend()
    replay(workspace)
    bought = workspace.journal.read()[0]
    assert (bought.origin, bought.occurred_at, bought.known_at) == ("replay", then, then)


def test_what_was_settled_is_not_tried_again_and_its_bytes_are_gone(workspace, clock, mend):
    before = key_count(workspace)
    send(workspace, item("1", WRONG_PHONE))
    mend()
    replay(workspace)
    assert replay(workspace) == ReplayReport()
    (entry,) = entries(workspace)
    assert (entry.verdict, entry.settled_at, bytes(entry.sealed)) == ("accepted", clock.now(), b"")
    assert key_count(workspace) == before + 1  # that of the identifier's value, now that it is known
    assert workspace.quarantine.counts() == {}


def test_what_is_still_no_event_stays(workspace, mend):
    send(workspace, item("1", WRONG_PHONE), item("2", type="touch.invented"), {"nothing": "at all"})
    mend()
    assert replay(workspace) == ReplayReport(tried=3, accepted=1, held={"unknown_type": 1, "invalid": 1})
    assert replay(workspace) == ReplayReport(tried=2, held={"unknown_type": 1, "invalid": 1})
    assert workspace.quarantine.counts() == {"unknown_type": 1, "invalid": 1}


def test_only_entries_of_the_named_code_are_tried(workspace, mend):
    send(workspace, item("1", WRONG_PHONE), item("2", type="touch.invented"))
    mend()
    assert replay(workspace, "unknown_type") == ReplayReport(tried=1, held={"unknown_type": 1})
    assert replay(workspace, "phone_invalid") == ReplayReport(tried=1, accepted=1)


def test_a_line_that_no_mapping_could_read_waits_for_its_file_to_be_imported_again(workspace):
    line = {
        "code": "line_malformed",
        "path": "line 7",
        "detail": "five fields where six are wanted",
        "raw": "a;b",
    }
    send(workspace, {"source": "file", "source_id": "line#7", "unreadable": line})
    assert replay(workspace) == ReplayReport(tried=1, unreadable=1)
    assert workspace.quarantine.counts() == {"line_malformed": 1}


def test_what_the_sender_sent_again_by_himself_is_a_duplicate(workspace, mend):
    send(workspace, item("1", WRONG_PHONE))
    mend()
    send(workspace, item("1", WRONG_PHONE))
    assert replay(workspace) == ReplayReport(tried=1, duplicates=1)
    assert [one.type for one in workspace.journal.read()].count("touch.recorded") == 1


def test_a_replay_that_was_stopped_halfway_is_taken_up_again(workspace, mend):
    send(workspace, *(item(str(n), WRONG_PHONE) for n in range(3)))
    mend()
    held = workspace.quarantine.open_entries()
    workspace.door("test").receive([held[1].raw])  # recorded, but not settled any more
    assert replay(workspace) == ReplayReport(tried=3, accepted=2, duplicates=1)


def test_a_replayed_event_causes_nothing(workspace, mend):
    react(workspace)  # the policies are deployed
    history = item("1", WRONG_PHONE, type="opportunity.imported", origin="import", at=MONDAY,
                   opportunity_id="o1", subject="leased_line")  # fmt: skip
    send(workspace, history)
    mend()
    replay(workspace)
    react(workspace)
    assert [one.type for one in workspace.journal.stream("opportunity-o1")] == ["opportunity.imported"]


def test_the_same_bytes_for_the_same_reason_are_one_entry_until_it_is_settled(workspace, clock, mend):
    for _ in range(3):
        send(workspace, item("1", WRONG_PHONE))
        clock.pass_time(hours=1)
    (entry,) = entries(workspace)
    assert entry.received_at == MONDAY
    mend()
    replay(workspace)
    workspace.intake._region = "US"  # the fix is taken back, and the sender tries once more
    send(workspace, item("1", WRONG_PHONE))
    (entry,) = entries(workspace)
    assert (entry.settled_at, entry.verdict, entry.received_at) == (None, None, clock.now())
    (held,) = workspace.quarantine.open_entries()
    assert msgspec.json.decode(held.raw)["source_id"] == "1"


def test_an_entry_whose_key_was_erased_is_passed_over(workspace, mend):
    send(workspace, item("1", WRONG_PHONE))
    with workspace.vault_engine.begin() as connection:
        connection.execute(data_key.delete())
    send(workspace, item("2", WRONG_PHONE))
    mend()
    assert [one.source_id for one in workspace.quarantine.open_entries(limit=1)] == ["2"]
    assert replay(workspace) == ReplayReport(tried=1, accepted=1)


def test_an_opportunity_that_was_imported_meanwhile_is_refused_and_kept_for_a_person(workspace, mend):
    told = {"type": "opportunity.imported", "origin": "import", "at": MONDAY, "subject": "loan"}
    send(workspace, item("1", WRONG_PHONE, opportunity_id="o1", **told))
    send(workspace, item("2", phone("+49 30 901820"), account(), opportunity_id="o1", **told))
    mend()
    assert replay(workspace) == ReplayReport(tried=1, refused=1)
    (entry,) = entries(workspace)
    assert entry.verdict == "refused"
    assert bytes(entry.sealed) != b""

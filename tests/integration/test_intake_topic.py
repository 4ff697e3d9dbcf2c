"""The Kafka door: each message gets its verdict, and waits where none can be given."""

import asyncio

import msgspec
from structlog.testing import capture_logs

from infra.settings import Settings
from infra.workspace import open_workspace
from services.workers import loops
from services.workers.app import settle
from tests.support.sending import item, phone

SECRET = "4155552671"


def take(workspace, *messages):
    """Hand messages to the agent's one wrapper; what it says in the log."""

    async def one_after_the_other():
        for message in messages:
            await settle(workspace.door("intake"), message)

    with capture_logs() as said:
        asyncio.run(one_after_the_other())
    return said


def test_a_message_is_one_event_recorded_once_however_often_it_comes(workspace):
    message = msgspec.json.encode(item("1", phone(), channel="voice"))
    assert take(workspace, message, message, message) == []
    assert [one.type for one in workspace.journal.read()] == ["touch.recorded", "identity.linked"]


def test_what_is_no_event_is_kept_and_the_next_one_is_taken(workspace):
    bad = [
        b"",
        b"\xff\xfe",
        b"[]",
        b"null",
        b"{",
        b'{"source":"a","source_id":"1","type":"x"}',
        b"x" * 300_000,
    ]
    said = take(workspace, *bad, msgspec.json.encode(item("1", phone())))
    assert [(one["event"], one["verdict"]) for one in said] == [
        *[("not taken", "quarantined")] * 6, ("not taken", "refused"),
    ]  # fmt: skip
    assert all(one["code"] and one["path"] for one in said)
    assert len(workspace.quarantine.open_entries()) == 7  # on a topic no sender keeps what is refused
    assert workspace.journal.read()[0].type == "touch.recorded"


def test_the_log_repeats_nothing_of_a_message(workspace):
    said = take(workspace, msgspec.json.encode({**item("1"), SECRET: 1}), SECRET.encode())
    assert len(said) == 2
    assert SECRET not in repr(said)


def test_while_the_journal_does_not_answer_the_message_is_kept_in_hand(workspace, tmp_path, monkeypatch):
    """The database comes back: the same message is recorded, and nothing was lost or skipped."""
    monkeypatch.setattr(loops, "WAIT_SECONDS", 0.01)
    nowhere = "postgresql://nobody@127.0.0.1:1/nowhere"
    away = open_workspace(Settings(DATABASE_URL=nowhere, VAULT_URL=nowhere, KAFKA_BOOTSTRAP="", var=tmp_path))
    message = msgspec.json.encode(item("1", phone()))

    class ComesBack:
        """The door of a database that is away for the first three tries."""

        tries = 0

        def receive(self, raws):
            self.tries += 1
            return (away if self.tries <= 3 else workspace).door("intake").receive(raws)

    with capture_logs() as said:
        asyncio.run(settle(ComesBack(), message))
    away.close()
    assert [one["event"] for one in said] == ["waiting"] * 3
    assert workspace.journal.read()[0].source_id == "1"

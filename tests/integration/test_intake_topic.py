"""The Kafka door: each message gets its verdict, and waits where none can be given."""

import asyncio

import msgspec
from structlog.testing import capture_logs

from infra.attempts import Attempts
from infra.process.heart import Heart
from infra.settings import Settings
from infra.workspace import open_workspace
from services.workers import loops
from services.workers.intake import Taker, settle
from tests.support.sending import item, phone

SECRET = "4155552671"
TOPIC = "topic:orders"


def attempts(workspace):
    return Attempts(workspace.settings.var / "intake.attempts")


def take(workspace, *messages):
    """Hand messages to the agent's one wrapper; what it says in the log."""

    taker = Taker(workspace.door("intake"), workspace.clock, Heart(), attempts(workspace), TOPIC)

    async def one_after_the_other():
        for number, message in enumerate(messages):
            await settle(taker, f"0:{number}", message)

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
    assert all(one["code"] and one["place"] for one in said)
    held = workspace.quarantine.open_entries()  # on a topic no sender keeps what is refused
    assert [(one.source, one.source_id) for one in held] == [
        *((TOPIC, f"0:{number}") for number in range(5)), ("a", "1"), (TOPIC, "0:6"),
    ]  # fmt: skip
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

        def read(self, raws, now):
            return workspace.door("intake").read(raws, now)

        def settle(self, read, now):
            self.tries += 1
            return (away if self.tries <= 3 else workspace).door("intake").settle(read, now)

    taker = Taker(ComesBack(), workspace.clock, Heart(), attempts(workspace), TOPIC)
    with capture_logs() as said:
        asyncio.run(settle(taker, "0:1", message))
    away.close()
    assert [one["event"] for one in said] == ["waiting"] * 3
    assert workspace.journal.read()[0].source_id == "1"


def test_a_message_on_which_the_predecessor_hung_three_times_is_kept_and_the_next_one_is_taken(workspace):
    for _ in range(3):
        attempts(workspace).failed("0:0")  # the parent, before it killed
    take(workspace, msgspec.json.encode(item("1", phone())), msgspec.json.encode(item("2", phone())))
    assert workspace.quarantine.counts() == {"hung": 1}
    assert [one.source_id for one in workspace.journal.read() if one.source != "identity"] == ["2"]
    taker = Taker(workspace.door("intake"), workspace.clock, Heart(), attempts(workspace), TOPIC)
    taker.done_before({0: 0})  # it may come again until faust has committed
    assert attempts(workspace).counts() == {"0:0": 3}
    taker.done_before({0: 1})
    assert attempts(workspace).counts() == {}

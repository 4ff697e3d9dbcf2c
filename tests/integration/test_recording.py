"""What no Kafka message could carry never gets into the journal: it would stop the relay for ever."""

import pytest
from msgspec.json import encode
from sqlalchemy import func, select

from events import codec
from events.personal import Clear
from events.touch import TouchRecorded
from infra.item import EVENT_BYTES, Draft, Item
from infra.messages import from_row
from models.errors import Refused
from models.ports import By, Write
from models.tables.base import data_key
from models.tables.journal import WRITTEN, journal
from tests.support.clock import MONDAY
from tests.support.sending import item, phone, send

KAFKA_BYTES = 1_000_000
"""What the relay's producer takes, with key and headers."""


def touch(size: int, **more: object) -> TouchRecorded:
    return TouchRecorded(channel="voice", attributes={"blob": "x" * size}, **more)


def record(workspace, *events):
    by = By(source="desk", source_id="1", actor="ann")
    return workspace.log.record(by, [Write(stream="", expected=0, events=[(one, MONDAY) for one in events])])


def test_a_decision_that_is_too_large_is_refused_whole_and_leaves_nothing_behind(workspace):
    for events in ([touch(EVENT_BYTES)], [touch(1), touch(EVENT_BYTES, text=Clear("call me"))]):
        with pytest.raises(Refused) as told:
            record(workspace, *events)
        assert told.value.code == "too_large"
    assert workspace.journal.head() == 0
    with workspace.vault_engine.connect() as connection:
        assert connection.execute(select(func.count()).select_from(data_key)).scalar_one() == 0


def test_the_largest_event_there_may_be_fits_a_message_of_kafka(workspace):
    assert record(workspace, touch(EVENT_BYTES - 100))
    with workspace.engine.connect() as connection:
        message = from_row(connection.execute(select(*(journal.c[name] for name in WRITTEN))).one())
    size = len(message.value) + sum(len(name) + len(value) for name, value in message.headers)
    assert EVENT_BYTES - 100 < len(message.value) <= EVENT_BYTES
    assert size + sum(len(key) for key in message.keys) < KAFKA_BYTES


def test_the_largest_item_a_sender_may_send_is_far_from_too_large(workspace):
    """Sealing makes a text longer by a third; nothing else grows between the door and the journal."""
    room = 262_144 - len(encode(item("1", phone(), text="")))
    (answer,) = send(workspace, item("1", phone(), text="x" * room))
    assert answer.verdict == "accepted"
    (recorded, _) = workspace.journal.read()
    assert 300_000 < len(codec.encode(recorded.event)) < EVENT_BYTES / 2


def test_an_item_is_measured_draft_by_draft():
    def draft(size):
        return Draft("id", "t", 1, b"x" * size, b"", "s", "1", "live", MONDAY)

    Item((draft(EVENT_BYTES), draft(EVENT_BYTES)))
    with pytest.raises(Refused):
        Item((draft(1), draft(EVENT_BYTES + 1)))

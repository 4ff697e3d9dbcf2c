"""A record of the events topic as an envelope, or as what it is where it is none. It may hold anything."""

from dataclasses import dataclass, field

import msgspec
from aiokafka.structs import ConsumerRecord

from events.codec import Undecodable
from events.envelope import Envelope
from events.identity import CustomersMerged, CustomerSplit, CustomersUnmerged
from infra.messages import to_envelope


@dataclass(frozen=True, slots=True)
class Strange:
    """What is no event that we can read. `event_id` is set where it is one of the journal all the same."""

    code: str
    detail: str
    raw: bytes = field(repr=False)
    source: str
    source_id: str
    event_id: str = ""


def read(record: ConsumerRecord[bytes, bytes], topic_id: str) -> Envelope | Strange:
    """The event that a record carries, if its key is that of the event too."""
    if record.value is None:
        return _strange(record, topic_id, "tombstone", "a record without a value: nothing happened")
    try:
        envelope = to_envelope(record.value, record.headers)
    except (KeyError, ValueError, msgspec.MsgspecError) as error:
        return _no_event(record, topic_id, error)
    if record.key is None or not _belongs(envelope, record.key.decode(errors="replace")):
        return _strange(record, topic_id, "wrong_key", "its key is not that of the event")
    return envelope


def _no_event(record: ConsumerRecord[bytes, bytes], topic_id: str, error: Exception) -> Strange:
    headers = dict(record.headers)
    if "ce_id" not in headers or "ts_position" not in headers:
        return _strange(record, topic_id, "foreign", "a record without the headers of an event")
    if isinstance(error, Undecodable):
        event_id = headers["ce_id"].decode(errors="replace")
        return _strange(record, topic_id, "undecodable", "an event that this process cannot read", event_id)
    return _strange(record, topic_id, "foreign", "its headers are not those of an event")


def _belongs(envelope: Envelope, key: str) -> bool:
    """Is the event found under a key it may have? What has neither customer nor stream may lie anywhere."""
    match envelope.event:
        case (
            CustomersMerged(absorbed=other)
            | CustomersUnmerged(restored=other)
            | CustomerSplit(restored=other)
        ):
            return key in (envelope.customer, other)
    whose = envelope.customer or envelope.stream
    return not whose or key == whose


def _strange(
    record: ConsumerRecord[bytes, bytes], topic_id: str, code: str, detail: str, event_id: str = ""
) -> Strange:
    raw = msgspec.json.encode({
        "topic": record.topic, "partition": record.partition, "offset": record.offset, "key": record.key,
        "headers": [(name, bytes(value or b"")) for name, value in record.headers], "value": record.value,
    })  # fmt: skip
    place = f"{topic_id}:{record.partition}:{record.offset}"
    return Strange(code, detail, raw, f"topic:{record.topic}", place, event_id)

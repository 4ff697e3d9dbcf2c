"""A journal row as a Kafka message (CloudEvents, binary mode) and back as an envelope."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from events import codec, registry
from events.envelope import Envelope, IdentifierRef
from infra.tracing import HEADER

_refs = msgspec.json.Decoder(tuple[IdentifierRef, ...])


class Message(NamedTuple):
    """What goes on the events topic under each of its keys, and as a copy on the topic of its `family`."""

    keys: tuple[bytes, ...]
    value: bytes
    headers: list[tuple[str, bytes]]
    family: str
    position: int


def from_row(row: Sequence[Any]) -> Message:
    """The message of a journal row in the order of `journal.WRITTEN`, which may end before the trace.

    Nothing is decoded. A merge goes under both customers' keys, so that whoever follows either hears of it.
    """
    (position, event_id, wire, schema, stream, revision, source, source_id, _, customer, origin,
     occurred_at, known_at, known_assumed, recorded_at, actor, cause, identifiers, data, *more) = row  # fmt: skip
    value, owner, refs = bytes(data), str(customer) if customer else "", bytes(identifiers)
    trace = more[0] if more else None
    headers = [
        ("ce_id", str(event_id)), ("ce_source", source), ("ce_type", wire), ("ce_specversion", "1.0"),
        ("ce_time", _text(occurred_at)), ("ce_dataschema", f"urn:touchstone:{wire}:{schema}"),
        ("ts_position", str(position)), ("ts_origin", origin), ("ts_known_at", _text(known_at)),
        ("ts_recorded_at", _text(recorded_at)), ("ts_source_id", source_id),
        ("content-type", "application/json"),
    ]  # fmt: skip
    for name, text in (("ce_subject", stream or owner), ("ts_stream", stream), ("ts_customer", owner),
                       ("ts_actor", actor), ("ts_cause", cause), (HEADER, trace)):  # fmt: skip
        if text:
            headers.append((name, text))
    if revision:
        headers.append(("ts_revision", str(revision)))
    if known_assumed:
        headers.append(("ts_known_assumed", "true"))
    encoded = [(name, text.encode()) for name, text in headers]
    if refs != b"[]":
        encoded.append(("ts_identifiers", refs))
    keys = _keys(owner, stream, refs, str(event_id), wire, schema, value)
    return Message(keys, value, encoded, wire.split(".", 1)[0].replace("_", "-"), position)


def _keys(
    owner: str, stream: str, refs: bytes, event_id: str, wire: str, schema: int, value: bytes
) -> tuple[bytes, ...]:
    """Customer at recording, else the stream, the strongest identifier's hash, the agent, the event."""
    if wire in ("identity.merged", "identity.unmerged"):
        event = codec.decode(wire, schema, value)
        other = getattr(event, "absorbed", "") or getattr(event, "restored", "")
        return (owner.encode(), other.encode())
    if owner or stream:
        return ((owner or stream).encode(),)
    if refs != b"[]":
        return (_refs.decode(refs)[0].hash.encode(),)
    entry = registry.find(wire)
    if entry is not None and entry.key and not entry.category:
        return (str(getattr(codec.decode(wire, schema, value), entry.key)).encode(),)
    return (event_id.encode(),)


def to_envelope(value: bytes, headers: Iterable[tuple[str, bytes]]) -> Envelope:
    """The envelope a message carries. Raises `events.codec.Undecodable`, or KeyError for a foreign message."""
    found = {name: text.decode() for name, text in headers}
    wire, _, schema = found["ce_dataschema"].removeprefix("urn:touchstone:").rpartition(":")
    return Envelope(
        event=codec.decode(wire, int(schema), value), event_id=found["ce_id"],
        position=int(found["ts_position"]), occurred_at=_time(found["ce_time"]),
        known_at=_time(found["ts_known_at"]), recorded_at=_time(found["ts_recorded_at"]),
        source=found["ce_source"], source_id=found["ts_source_id"], origin=found["ts_origin"],  # type: ignore[arg-type]
        known_assumed=found.get("ts_known_assumed") == "true", stream=found.get("ts_stream", ""),
        revision=int(found.get("ts_revision", 0)), actor=found.get("ts_actor", ""),
        cause=found.get("ts_cause", ""), customer=found.get("ts_customer", ""),
        identifiers=_refs.decode(found["ts_identifiers"]) if "ts_identifiers" in found else (),
    )  # fmt: skip


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)

"""A journal row as a Kafka message (CloudEvents, binary mode) and back as an envelope."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from events import codec, registry
from events.envelope import Envelope, IdentifierRef
from events.schema import dataschema
from infra.tracing import HEADER
from models.tables.journal import NO_IDENTIFIERS

TWO_KEYS = frozenset({"identity.merged", "identity.unmerged", "identity.split"})
"""Types that go under the keys of both customers, so that whoever follows either hears of it."""

_refs = msgspec.json.Decoder(tuple[IdentifierRef, ...])


class Message(NamedTuple):
    """What goes on the events topic under each of its keys, and as a copy on the topic of its `family`."""

    keys: tuple[bytes, ...]
    value: bytes
    headers: list[tuple[str, bytes]]
    family: str
    position: int


class _Kind(NamedTuple):
    """What all messages of one schema have in common; `two_keys` are those of a merge and its undoing."""

    headers: tuple[tuple[str, bytes], ...]
    family: str
    two_keys: bool


def from_row(row: Sequence[Any], public_url: str = "") -> Message:
    """The message of a journal row in the order of `journal.WRITTEN`, which may end before the trace.

    `public_url` is where the API serves the schemas. Ids may be UUIDs or their text. Nothing is decoded. A
    merge goes under both customers' keys, so that whoever follows either hears of it.
    """
    (position, event_id, wire, schema, stream, revision, source, source_id, _, customer, origin,
     occurred_at, known_at, known_assumed, recorded_at, actor, cause, identifiers, data, *more) = row  # fmt: skip
    kind = _kind(wire, schema, public_url)
    id_, about, owner = str(event_id).encode(), stream.encode(), str(customer).encode() if customer else b""
    recorded = _text(recorded_at)
    headers = [
        *kind.headers, ("ce_id", id_), ("ce_source", source.encode()), ("ce_time", _text(occurred_at)),
        ("ts_position", b"%d" % position), ("ts_origin", origin.encode()),
        ("ts_known_at", recorded if known_at == recorded_at else _text(known_at)),
        ("ts_recorded_at", recorded), ("ts_source_id", source_id.encode()),
    ]  # fmt: skip
    if about or owner:
        headers.append(("ce_subject", about or owner))
    if about:
        headers.append(("ts_stream", about))
    if owner:
        headers.append(("ts_customer", owner))
    for name, text in (("ts_actor", actor), ("ts_cause", cause), (HEADER, more[0] if more else None)):
        if text:
            headers.append((name, text.encode()))
    if revision:
        headers.append(("ts_revision", b"%d" % revision))
    if known_assumed:
        headers.append(("ts_known_assumed", b"true"))
    if identifiers != NO_IDENTIFIERS:
        headers.append(("ts_identifiers", identifiers))
    if kind.two_keys:
        event = codec.decode(wire, schema, data)
        other = getattr(event, "absorbed", "") or getattr(event, "restored", "")
        keys: tuple[bytes, ...] = (owner, other.encode())
    else:
        keys = (owner or about or _key(identifiers, wire, schema, data) or id_,)
    return Message(keys, data, headers, kind.family, position)


@lru_cache(maxsize=1_024)
def _kind(wire: str, schema: int, public_url: str) -> _Kind:
    """Found anew for each message, its parts would be half of the work."""
    headers = (
        ("ce_type", wire.encode()), ("ce_specversion", b"1.0"),
        ("ce_dataschema", dataschema(wire, schema, public_url).encode()), ("content-type", b"application/json"),
    )  # fmt: skip
    family = wire.split(".", 1)[0].replace("_", "-")
    return _Kind(headers, family, wire in TWO_KEYS)


def _key(identifiers: bytes, wire: str, schema: int, value: bytes) -> bytes:
    """Of an event with neither customer nor stream: the strongest identifier's hash, the agent, or nothing."""
    if identifiers != NO_IDENTIFIERS:
        return _refs.decode(identifiers)[0].hash.encode()
    entry = registry.find(wire)
    if entry is not None and entry.key and not entry.category:
        return str(getattr(codec.decode(wire, schema, value), entry.key)).encode()
    return b""


def to_envelope(value: bytes, headers: Iterable[tuple[str, bytes]]) -> Envelope:
    """The envelope a message carries. Raises `events.codec.Undecodable`, or KeyError for a foreign message."""
    found = {name: text.decode() for name, text in headers}
    schema = found["ce_dataschema"].replace("/", ":").rpartition(":")[2]  # whether a urn or an address
    return Envelope(
        event=codec.decode(found["ce_type"], int(schema), value), event_id=found["ce_id"],
        position=int(found["ts_position"]), occurred_at=_time(found["ce_time"]),
        known_at=_time(found["ts_known_at"]), recorded_at=_time(found["ts_recorded_at"]),
        source=found["ce_source"], source_id=found["ts_source_id"], origin=found["ts_origin"],  # type: ignore[arg-type]
        known_assumed=found.get("ts_known_assumed") == "true", stream=found.get("ts_stream", ""),
        revision=int(found.get("ts_revision", 0)), actor=found.get("ts_actor", ""),
        cause=found.get("ts_cause", ""), customer=found.get("ts_customer", ""),
        identifiers=_refs.decode(found["ts_identifiers"]) if "ts_identifiers" in found else (),
    )  # fmt: skip


def _text(moment: datetime) -> bytes:
    """In UTC, with a Z."""
    return moment.astimezone(UTC).isoformat().encode()[:-6] + b"Z"


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)

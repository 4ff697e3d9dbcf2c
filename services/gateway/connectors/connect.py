"""Amazon Connect: contact records (Kinesis, Firehose) and contact events (EventBridge), posted or from a file.

The chain of contacts that begins with one InitialContactId is one contact; each of its parts is a leg.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from services.gateway.connectors import connect_event, connect_record
from services.gateway.connectors.connector import (
    JSON,
    Connector,
    Instance,
    Part,
    Reply,
    Told,
    Unmapped,
    counts_as_json,
    part,
    unread,
)
from services.gateway.connectors.reading import Row, json, pieces, row
from services.gateway.connectors.shared_key import verify


class _Record(msgspec.Struct):
    data: str


class _Firehose(msgspec.Struct):
    """What Firehose posts to an HTTP endpoint; each record may hold several documents."""

    request_id: str = msgspec.field(name="requestId")
    records: list[_Record]


_firehose = msgspec.json.Decoder(_Firehose)


def split(raw: bytes, _: str) -> Sequence[Part]:
    """One document, an array of them, one a line, or Firehose's records."""
    try:
        if request := _from_firehose(raw):
            return [one for record in request.records for one in _record(record.data)]
        return _documents(raw)
    except Unmapped:
        return [unread(raw)]


def parse(one: Part, instance: Instance) -> Sequence[Told]:
    """A contact event has a `detail`, a contact record has a `ContactId`."""
    found = row(json(one.raw))
    if "detail" in found:
        return connect_event.tell(found, instance)
    return connect_record.tell(found, one.key, instance)


def reply(raw: bytes, counts: Mapping[str, int], now: datetime) -> Reply:
    """Firehose wants its request's id back, or it sends everything again."""
    if request := _from_firehose(raw):
        answer = {"requestId": request.request_id, "timestamp": int(now.timestamp() * 1000)}
        return Reply(200, msgspec.json.encode(answer), JSON)
    return counts_as_json(raw, counts, now)


def _from_firehose(raw: bytes) -> _Firehose | None:
    try:
        return _firehose.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _record(data: str) -> list[Part]:
    try:
        return _documents(base64.b64decode(data, validate=True))
    except (Unmapped, binascii.Error, ValueError):
        return [unread(data.encode())]


def _documents(raw: bytes) -> list[Part]:
    lines = [line for line in raw.splitlines() if line.strip()]
    if len(lines) > 1 and all(line.lstrip()[:1] == b"{" and line.rstrip()[-1:] == b"}" for line in lines):
        return [part(line.strip(), _key) for line in lines]
    return [part(one, _key) for one in pieces(raw)]


def _key(raw: bytes) -> Sequence[str]:
    found: Row = row(json(raw))
    return connect_event.key(found) if "detail" in found else connect_record.key(found)


CONNECTOR = Connector(
    kind="connect", page="docs.aws.amazon.com/connect/latest/adminguide/ctr-data-model.html, /contact-events.html",
    secrets=(frozenset({"key"}),), verify=verify, split=split, parse=parse, reply=reply,
)  # fmt: skip

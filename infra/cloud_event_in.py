"""CloudEvents that others send (1.0, JSON): each becomes an event in the form every door takes, or says why not.

`type` is one of ours, with or without `touchstone.` before it; `source` and `id` are what a repeat is known by;
`time` is when it happened. `data` holds the event's own fields and, beside them, `identifiers`: a header could
not carry the list, and a phone number does not belong into one.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import unquote

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, field

from events import codec
from events.vocabulary import Moment, Origin
from infra.intake import EVENT_BYTES, Intake, Key, Label, Pending, Rejected

PREFIX = "touchstone."
"""May stand before a type, for buses that want every type to name its owner."""
STRUCTURED, BATCH = "application/cloudevents+json", "application/cloudevents-batch+json"
HTTP, KAFKA = "ce-", "ce_"
"""What the names of attributes begin with in headers, in binary mode."""

LARGEST = 2 * EVENT_BYTES
"""Bytes of a whole CloudEvent; in base64 its data is a third longer."""
_JSON_DATA = re.compile(r"(application|text)/([\w.\-]+\+)?json\s*(;.*)?", re.IGNORECASE)
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_VERSION = "Expected 1.0: events of CloudEvents 1.0 are taken here"
_PLACES = {"$.source_id": "$.id", "$.occurred_at": "$.time", "$.known_at": "$.knownat"}
"""Where our names for things are another than CloudEvents'."""


class _Document(Struct, frozen=True):
    """An event in structured form. Other attributes may be there and say nothing to us."""

    specversion: Annotated[str, Meta(pattern=r"^1\.0(?!\n)$")]
    id: Key
    source: Key
    type: str
    time: Moment | None = None
    datacontenttype: str = "application/json"
    origin: Origin | UnsetType = UNSET
    known_at: Moment | UnsetType = field(default=UNSET, name="knownat")
    known_assumed: bool | UnsetType = field(default=UNSET, name="knownassumed")
    actor: Label | UnsetType = UNSET
    cause: Label | UnsetType = UNSET
    data: msgspec.Raw = msgspec.Raw()
    data_base64: str = ""


class _Named(Struct):
    id: str = ""
    source: str = ""


_document = msgspec.json.Decoder(_Document, strict=False)  # an attribute may come as its text
_named = msgspec.json.Decoder(_Named)
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])


def read(raw: bytes, intake: Intake, now: datetime) -> bytes | Rejected:
    """An event in structured form as an item that the intake takes; else why not, in the sender's own terms."""
    found = translate(raw)
    if isinstance(found, Rejected):
        return found
    told = in_their_terms(intake.read(found, now), raw)
    return told if isinstance(told, Rejected) else found


def in_their_terms(read: Pending | Rejected, raw: bytes) -> Pending | Rejected:
    """Why an event could not be taken: with its own bytes, and the place in them."""
    if isinstance(read, Pending):
        return read
    path = read.path.replace("$.identifiers", "$.data.identifiers", 1)
    return replace(read, path=_PLACES.get(path, path), raw=raw if read.keep else b"")


def translate(raw: bytes) -> bytes | Rejected:
    """An event in structured form as an item; nothing of its type's own fields is looked at yet."""
    if len(raw) > LARGEST:
        return Rejected("event_too_large", "$", f"an event may have {EVENT_BYTES} bytes", b"", keep=False)
    try:
        one = _document.decode(raw)
        item = _item(one)
    except RecursionError:
        found = ("too_deep", "$", "the nesting is too deep")
    except UnicodeDecodeError:
        found = ("not_utf8", "$", "the text is not UTF-8")
    except msgspec.MsgspecError as error:
        problem = codec.undecodable(error)
        plain = problem.path == "$.specversion"
        found = (problem.code, problem.path, _VERSION if plain else problem.detail)
    except codec.Undecodable as problem:
        found = (problem.code, problem.path, problem.detail)
    except (ValueError, OverflowError):  # a number as time, beyond what a calendar has
        found = ("invalid", "$.time", "Expected a moment with its UTC offset")
    else:
        return item
    return Rejected(*found, raw, *_who(raw))


def again(raw: bytes) -> bytes | Rejected:
    """What the quarantine kept: a CloudEvent translated anew, anything else as it is."""
    return translate(raw) if is_document(raw) else raw


def is_document(raw: bytes) -> bool:
    """Is this a CloudEvent in structured form? No other item has a `specversion`."""
    try:
        return "specversion" in _fields.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False


def of_message(value: bytes, headers: Iterable[tuple[str, bytes]]) -> bytes | None:
    """A Kafka message's CloudEvent in structured form; None where it carries none."""
    found = {name.lower(): text.decode("utf-8", "replace") for name, text in headers}
    media_type = found.get("content-type", "")
    if media_type.partition(";")[0].strip().lower() == STRUCTURED:
        return value
    named = _attributes(found, KAFKA)
    return document(named, media_type, value) if named else None


def of_request(body: bytes, headers: Mapping[str, str]) -> bytes:
    """A request's CloudEvent in binary mode, in structured form."""
    named = {name: _unescaped(value) for name, value in _attributes(headers, HTTP).items()}
    return document(named, headers.get("content-type", ""), body)


def document(attributes: Mapping[str, str], media_type: str, data: bytes) -> bytes:
    """The structured form of what came in binary mode; its bytes are kept as they are, whatever they say."""
    told: dict[str, Any] = {name: value for name, value in attributes.items() if not name.startswith("data")}
    if media_type:
        told["datacontenttype"] = media_type
    if data:
        told["data_base64"] = base64.b64encode(data).decode()
    return msgspec.json.encode(told)


def _attributes(headers: Mapping[str, str], prefix: str) -> dict[str, str]:
    named = ((name.lower(), value) for name, value in headers.items())
    return {name.removeprefix(prefix): value for name, value in named if name.startswith(prefix)}


def _unescaped(value: str) -> str:
    """A header's text: quotes undone first, then percent signs, as the HTTP binding has it."""
    if quoted := _QUOTED.fullmatch(value.strip()):
        value = re.sub(r"\\(.)", r"\1", quoted[1])
    return unquote(value)


def _item(one: _Document) -> bytes:
    if not _JSON_DATA.fullmatch(one.datacontenttype):
        raise codec.Undecodable("datacontenttype", "$.datacontenttype", "the data must be JSON")
    data = _data(one)
    item: dict[str, Any] = {
        "type": one.type.removeprefix(PREFIX), "source": one.source, "source_id": one.id,
    }  # fmt: skip
    for name in ("origin", "known_at", "known_assumed", "actor", "cause"):
        if (value := getattr(one, name)) is not UNSET:
            item[name] = value
    if one.time is not None:
        item["occurred_at"] = one.time
    if (identifiers := data.pop("identifiers", None)) is not None:
        item["identifiers"] = identifiers
    return msgspec.json.encode({**item, "data": data})


def _data(one: _Document) -> dict[str, msgspec.Raw]:
    raw = bytes(one.data)
    if one.data_base64:
        if raw:
            raise codec.Undecodable("invalid", "$.data_base64", "an event has either data or data_base64")
        try:
            raw = base64.b64decode(one.data_base64, validate=True)
        except (binascii.Error, ValueError):
            raise codec.Undecodable("invalid", "$.data_base64", "Expected base64") from None
    try:
        return _fields.decode(raw) if raw else {}
    except UnicodeDecodeError:
        raise codec.Undecodable("not_utf8", "$.data", "the text is not UTF-8") from None
    except msgspec.MsgspecError:
        raise codec.Undecodable("invalid", "$.data", "Expected an object of JSON") from None


def _who(raw: bytes) -> tuple[str, str]:
    """Whose it is, as far as it says so, for whoever looks it up in the quarantine."""
    try:
        found = _named.decode(raw)
        return msgspec.convert(found.source, Key), msgspec.convert(found.id, Key)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return "", ""

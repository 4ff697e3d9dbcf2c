"""Bytes to events and back; the one place where past schemas become the present one."""

import re
from collections.abc import Callable
from decimal import Decimal
from functools import cache
from typing import Any

import msgspec

from events import registry
from events.envelope import Event
from events.personal import read_inbound, read_published, write_personal
from events.registry import EventType

Json = dict[str, Any]
Upcaster = Callable[[Json], Json]

MONEY_DIGITS = 18
FIRST_YEAR, LAST_YEAR = 1900, 2200
"""Before and after the decimal point; more is a mistake, and would not fit where amounts are summed."""

_UPCASTERS: dict[tuple[str, int], Upcaster] = {}
_encoder = msgspec.json.Encoder(enc_hook=write_personal)
_json = msgspec.json.Decoder(Json)
_PLACED = re.compile(r"(?s)(.*) - at `(\$[^`]*)`")
_UNKNOWN = re.compile(r"(?s)Object contains unknown field `(.*)`")
_FIELD_NAME = re.compile(r"[a-z][a-z_]{0,39}")
_UNREADABLE = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


class Undecodable(ValueError):
    """Bytes that are no event we know: `code` for programs, `path` into the data, a sentence for people."""

    def __init__(self, code: str, path: str, detail: str) -> None:
        super().__init__(f"{code} at {path}: {detail}")
        self.code, self.path, self.detail = code, path, detail


def upcaster(wire: str, *, from_schema: int) -> Callable[[Upcaster], Upcaster]:
    """Register the step from one schema to the next; its docstring says why the old facts mean this."""

    def register(step: Upcaster) -> Upcaster:
        _UPCASTERS[(wire, from_schema)] = step
        return step

    return register


def missing_upcasters(entry: EventType, schema: int) -> list[int]:
    """The steps nobody wrote between a past schema and today's."""
    return [step for step in range(schema, entry.schema) if (entry.wire, step) not in _UPCASTERS]


def encode(event: Event) -> bytes:
    """The published form. A personal field still in the clear is refused with a TypeError."""
    return _encoder.encode(event)


def decode(wire: str, schema: int, data: bytes) -> Event:
    """The event of stored bytes, brought to today's schema. Raises `Undecodable`."""
    entry = _known(wire)
    if schema > entry.schema:
        raise Undecodable("schema_ahead", "$.schema", f"{wire} is known up to schema {entry.schema}")
    try:
        if schema == entry.schema:
            return _published(entry.cls).decode(data)
        if missing_upcasters(entry, schema):
            raise Undecodable("schema_unknown", "$.schema", f"nothing reads schema {schema} of {wire}")
        plain = _json.decode(data)
        for step in range(schema, entry.schema):
            plain = _UPCASTERS[(wire, step)](plain)
        return msgspec.convert(plain, entry.cls, dec_hook=read_published)
    except _UNREADABLE as error:
        raise undecodable(error) from None


def decode_inbound(wire: str, data: bytes | msgspec.Raw) -> Event:
    """The event of a sender's payload: personal fields in the clear, unknown fields refused."""
    entry = _known(wire)
    try:
        strict = _inbound(entry.strict).decode(data)
    except _UNREADABLE as error:
        raise undecodable(error, within="$.data") from None
    # The strict twin only reads: what goes on is the class that everybody matches, compares and looks up.
    event = entry.cls(**msgspec.structs.asdict(strict))
    _refuse_unusable(event, bytes(data))
    return event


def undecodable(error: Exception, within: str = "$") -> Undecodable:
    """Our error from msgspec's. It names types and paths; the values of a sender never show in it."""
    if isinstance(error, RecursionError):
        return Undecodable("too_deep", within, "The nesting is too deep")
    if isinstance(error, UnicodeDecodeError):
        return Undecodable("not_utf8", within, "The text is not UTF-8")
    sentence, path = str(error), within
    if placed := _PLACED.fullmatch(sentence):
        sentence, path = placed[1], within + placed[2].removeprefix("$")
    if unknown := _UNKNOWN.fullmatch(sentence):
        # A key may hold anything, a phone or a Name too; only what looks like a field of ours is repeated.
        plain = _FIELD_NAME.fullmatch(unknown[1])
        return Undecodable("invalid", f"{path}.{unknown[1]}" if plain else path, "There is no such field")
    if sentence.startswith("Invalid enum value"):
        sentence = "Expected one of the words listed in the schema"
    elif sentence.startswith("Invalid value"):
        sentence = "Unexpected value"
    code = "invalid" if isinstance(error, msgspec.ValidationError) else "not_json"
    return Undecodable(code, path, sentence)


def _known(wire: str) -> EventType:
    entry = registry.find(wire)
    if entry is None:
        raise Undecodable("unknown_type", "$.type", "no event type has this name")
    return entry


def _refuse_unusable(event: Event, data: bytes) -> None:
    """What JSON allows and nothing later can hold: the character U+0000, an amount or a moment that is none."""
    if b"u0000" in data and _NUL.search(data):
        raise Undecodable("invalid", "$.data", "The character U+0000 is not allowed")
    for name in _amounts(type(event)):
        amount = getattr(event, name)
        if amount is not None and not _sane(amount):
            raise Undecodable(
                "invalid", f"$.data.{name}", f"Expected an amount of at most {MONEY_DIGITS} digits"
            )

    for name in _moments(type(event)):
        moment = getattr(event, name)
        if moment is not None and not FIRST_YEAR <= moment.year < LAST_YEAR:
            raise Undecodable(
                "time_out_of_range", f"$.data.{name}", f"Expected a moment from {FIRST_YEAR} to {LAST_YEAR}"
            )


def _sane(amount: Decimal) -> bool:
    # Zero may carry any exponent, and writing it out would then fill the memory.
    exponent = amount.as_tuple().exponent
    return isinstance(exponent, int) and abs(exponent) <= MONEY_DIGITS and amount.adjusted() < MONEY_DIGITS


@cache
def _amounts(cls: type[Event]) -> tuple[str, ...]:
    fields = getattr(msgspec.inspect.type_info(cls), "fields", ())
    return tuple(field.name for field in fields if _holds(field.type, msgspec.inspect.DecimalType))


@cache
def _moments(cls: type[Event]) -> tuple[str, ...]:
    fields = getattr(msgspec.inspect.type_info(cls), "fields", ())
    return tuple(field.name for field in fields if _holds(field.type, msgspec.inspect.DateTimeType))


def _holds(kind: msgspec.inspect.Type, wanted: type[msgspec.inspect.Type]) -> bool:
    match kind:
        case msgspec.inspect.Metadata(type=inner):
            return _holds(inner, wanted)
        case msgspec.inspect.UnionType(types=types):
            return any(_holds(one, wanted) for one in types)
    return isinstance(kind, wanted)


@cache
def _published(cls: type[Event]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(cls, dec_hook=read_published)


@cache
def _inbound(cls: type[Event]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(cls, dec_hook=read_inbound)

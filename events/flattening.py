"""Every event as one flat row: which columns there are, what each means, and nothing personal in any.

One column a field name, whatever type of event has it. Left out: personal fields, identifiers, what senders put
into free attributes, and the families that name customers or that we derived ourselves.
"""

from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Any, Literal

import msgspec
from msgspec import Struct
from msgspec import inspect as types

from events import registry
from events.envelope import Event, IdentifierRef
from events.personal import Personal

Kind = Literal["text", "number", "flag", "moment", "list"]
LEFT_OUT = frozenset({"identity", "customer", "prediction", "target-list", "lifecycle"})
"""Families without rows: who is whom stands in tables of its own, and what we derived is no evidence."""
MOVED = {"occurred_at": "said_occurred_at"}
"""Fields that have the name of an envelope's column."""
_PLAIN: dict[type, Kind] = {
    types.StrType: "text", types.LiteralType: "text", types.EnumType: "text", types.BoolType: "flag",
    types.IntType: "number", types.FloatType: "number", types.DecimalType: "number", types.DateTimeType: "moment",
}  # fmt: skip
_encode = msgspec.json.Encoder().encode


class Column(Struct, frozen=True, kw_only=True):
    """A column of the table of events. `types` are the wire names of the events that fill it."""

    name: str
    kind: Kind
    unit: str
    meaning: str
    types: tuple[str, ...]


class Field(Struct, frozen=True):
    """A field of one type of event: its name there, its column, and how a value goes into it."""

    name: str
    column: str
    put: Callable[[Any], Any]


_OF_ENVELOPE: tuple[tuple[str, Kind, str, str], ...] = (
    ("customer", "text", "key", "whose it was taken to be when it was recorded; a stable key, not the id"),
    ("event_id", "text", "key", "the event's own id"),
    ("position", "number", "place", "place in the journal: 1, 2, 3 …"),
    ("type", "text", "", "what happened, by its wire name"),
    ("occurred_at", "moment", "UTC", "when it happened"),
    ("known_at", "moment", "UTC", "when the company could know of it"),
    ("known_assumed", "flag", "", "its source did not say when it was known"),
    ("origin", "text", "", "live, import or replay"),
    ("source", "text", "", "which system told it"),
    ("stream", "text", "key", "what it is a decision about, say one case; empty for facts"),
    ("revision", "number", "place", "place in its stream; 0 for facts"),
    ("cause", "text", "key", "the event it follows from"),
)
ENVELOPE: tuple[Column, ...] = tuple(
    Column(name=name, kind=kind, unit=unit, meaning=meaning, types=())
    for name, kind, unit, meaning in _OF_ENVELOPE
)


def has_row(wire: str) -> bool:
    """Is an event of this type in the table?"""
    entry = registry.find(wire)
    return entry is not None and entry.family not in LEFT_OUT


@cache
def fields_of(cls: type[Event]) -> tuple[Field, ...]:
    """The fields of an event that are in the table."""
    found = []
    for one in msgspec.structs.fields(cls):
        kind = _kind(_bare(types.type_info(one.type)))
        if kind is not None:
            found.append(Field(one.name, MOVED.get(one.name, one.name), _PUT[kind]))
    return tuple(found)


@cache
def columns() -> tuple[Column, ...]:
    """Every column there is: the envelope's, then the fields' by name."""
    told: dict[str, Column] = {}
    for entry in registry.all_types():
        if not has_row(entry.wire):
            continue
        for one in msgspec.structs.fields(entry.cls):
            told_type = types.type_info(one.type)
            kind = _kind(_bare(told_type))
            if kind is None:
                continue
            name = MOVED.get(one.name, one.name)
            known = told.get(name)
            if known is not None and known.kind != kind:
                raise TypeError(f"{entry.wire}.{one.name} is a {kind}, and a {known.kind} elsewhere")
            told[name] = Column(
                name=name, kind=kind, unit=_unit(name, kind), meaning=_meaning(told_type),
                types=(*(known.types if known else ()), entry.wire),
            )  # fmt: skip
    return (*ENVELOPE, *(told[name] for name in sorted(told)))


def _bare(told: Any) -> Any:
    """A type without its description and without None."""
    while isinstance(told, types.Metadata):
        told = told.type
    if isinstance(told, types.UnionType):
        inner = [one for one in told.types if not isinstance(one, types.NoneType)]
        return _bare(inner[0]) if len(inner) == 1 else None
    return told


def _kind(bare: Any) -> Kind | None:
    """What a column of it holds; None for what is in no table."""
    if isinstance(bare, types.CustomType) and bare.cls is Personal:
        return None
    if isinstance(bare, types.StructType) and bare.cls is IdentifierRef:
        return None
    if isinstance(bare, types.VarTupleType):
        inner = _bare(bare.item_type)
        is_ref = isinstance(inner, types.StructType) and inner.cls is IdentifierRef
        return None if is_ref else "list"
    return _PLAIN.get(type(bare))


def _unit(name: str, kind: Kind) -> str:
    if kind == "moment":
        return "UTC"
    if name.endswith("seconds"):
        return "seconds"
    if name in ("amount", "price", "value", "cost"):
        return "money, see currency"
    return "0 to 1" if name in ("probability",) else ""


def _meaning(told: Any) -> str:
    """What its type says of itself, if anything."""
    while isinstance(told, types.Metadata):
        if told.extra_json_schema and (said := told.extra_json_schema.get("description")):
            return str(said)
        told = told.type
    if isinstance(told, types.UnionType):
        return next((said for one in told.types if (said := _meaning(one))), "")
    if isinstance(told, types.LiteralType):
        return f"one of {', '.join(map(str, told.values))}"
    return ""


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _moment(value: datetime | None) -> datetime | None:
    return value


def _list(value: Any) -> str | None:
    """As JSON; nothing for an empty one."""
    return _encode(value).decode() if value else None


def _same(value: Any) -> Any:
    return value


_PUT: dict[Kind, Callable[[Any], Any]] = {
    "text": _same, "number": _number, "flag": _same, "moment": _moment, "list": _list,
}  # fmt: skip

"""A row becomes the drafts of its events, or one statement of why it can't. Pure but for the rows' order."""

import re
from collections.abc import Callable
from typing import Any, NamedTuple, get_args

import msgspec

from events import registry
from services.importer.mapping import AnyMoment, EventBlock, Identifier, Mapping, MappingProblem
from services.importer.moments import compile_moment
from services.importer.reading import BadRow, Row
from services.importer.values import (
    BadValue,
    Cells,
    Columns,
    Read,
    Test,
    compile_field,
    compile_when,
    kind_of,
)

RAW_CHARACTERS = 40_000
"""So much of an unreadable line is kept; the gateway takes no item above 256 KB."""


class GivenIdentifier(msgspec.Struct, frozen=True):
    """What the line knows of the person, in the clear on its way to the gateway. Never printed."""

    kind: str
    value: str
    issuer: str

    def __repr__(self) -> str:
        return f"GivenIdentifier({self.kind!r}, ***)"


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """One event as the gateway takes it."""

    type: str
    source: str
    source_id: str
    occurred_at: str
    known_at: str
    known_assumed: bool
    origin: str = "import"
    actor: str = "import"
    identifiers: tuple[GivenIdentifier, ...] = ()
    data: dict[str, Any] = {}


class Why(msgspec.Struct, frozen=True):
    """Why a line is no event: code, where, a sentence without any of its values, the line itself."""

    code: str
    path: str
    detail: str
    raw: str

    def __repr__(self) -> str:
        return f"Why({self.code!r}, {self.path!r}, {self.detail!r}, ***)"


class Unreadable(msgspec.Struct, frozen=True):
    """A line that is sent all the same, so that it waits in quarantine and is not lost."""

    source: str
    source_id: str
    unreadable: Why


class Drafted(NamedTuple):
    """What one row gave: drafts, or one unreadable; odd things noticed; counts it belongs to."""

    items: tuple[Draft | Unreadable, ...]
    warnings: list[str]
    counts: list[str]
    identifiers: tuple[GivenIdentifier, ...]


class _Event(NamedTuple):
    suffix: str
    type: str
    test: Test | None
    occurred: Read | None
    known: Read | None
    fields: list[tuple[str, Read, bool]]


class Drafter:
    """A mapping compiled for the columns of one file. Rows must come in the order of the file."""

    def __init__(self, mapping: Mapping, columns: tuple[str, ...]) -> None:
        self._mapping, self._columns = mapping, Columns(columns, mapping.file.decimal)
        defaults = mapping.defaults
        self._occurred = self._moment(defaults.occurred_at, "defaults.occurred_at")
        self._known = (
            None if defaults.known_at == "occurred" else self._moment(defaults.known_at, "defaults.known_at")
        )  # fmt: skip
        self._identifiers = [
            _compile_identifier(one, self._columns, f"identifier[{n}]")
            for n, one in enumerate(mapping.identifier, 1)
        ]
        self._set_aside = [
            (one, compile_when(one.when, self._columns, f"set_aside[{n}].when"))
            for n, one in enumerate(mapping.set_aside, 1)
        ]
        self._counts = [
            (one.name, one.warning, compile_when(one.when, self._columns, f"count[{n}].when"))
            for n, one in enumerate(mapping.count, 1)
        ]
        self._events = [self._event(block, n) for n, block in enumerate(mapping.event, 1)]

    def draft(self, row: Row | BadRow) -> Drafted:
        """The row's drafts; a row that can't be mapped as a whole gives one unreadable instead."""
        if isinstance(row, BadRow):
            return self._unreadable(row, row.code, "", row.detail)
        cells, number, warnings = row.cells, row.number, list[str]()
        try:
            occurred = self._occurred(cells, number, warnings) if self._occurred else ""
            for aside, test in self._set_aside:
                if test is None or test(cells):
                    return self._unreadable(row, aside.code, "", aside.detail)
            counts: list[str] = []
            for name, is_warning, test in self._counts:
                if test is None or test(cells):
                    (warnings if is_warning else counts).append(name)
            identifiers = tuple(
                given for read in self._identifiers if (given := read(cells, number, warnings)) is not None
            )
            items = tuple(
                self._build(event, row, occurred, identifiers, warnings)
                for event in self._events
                if event.test is None or event.test(cells)
            )
        except BadValue as bad:
            return self._unreadable(row, bad.code, bad.column, bad.detail)
        return Drafted(items, warnings, counts, identifiers)

    def _build(
        self, event: _Event, row: Row, occurred: str, who: tuple[GivenIdentifier, ...], warnings: list[str]
    ) -> Draft:
        cells, number, data = row.cells, row.number, {}
        if event.occurred is not None:
            occurred = event.occurred(cells, number, warnings)
        for name, read, required in event.fields:
            if (value := read(cells, number, warnings)) is not None:
                data[name] = value
            elif required:
                raise BadValue("missing_value", "", f"nothing to put into {name}, which {event.type} needs")
        return Draft(
            type=event.type, source=self._mapping.source, source_id=f"{number}{event.suffix}",
            occurred_at=occurred, known_at=event.known(cells, number, warnings) if event.known else occurred,
            known_assumed=self._mapping.defaults.known_assumed, identifiers=who, data=data,
        )  # fmt: skip

    def _unreadable(self, row: Row | BadRow, code: str, column: str, detail: str) -> Drafted:
        path = f"line {row.line}, column {column}" if column else f"line {row.line}"
        sentence = f"{column} {detail}" if column else detail
        why = Why(code, path, sentence, row.raw[:RAW_CHARACTERS])
        return Drafted((Unreadable(self._mapping.source, str(row.number), why),), [], [], ())

    def _moment(self, rule: AnyMoment | str | None, key: str) -> Read | None:
        if rule is None or isinstance(rule, str):
            return None
        return compile_moment(rule, self._mapping.defaults.zone, self._columns, key)

    def _event(self, block: EventBlock, n: int) -> _Event:
        key = f"event[{n}]"
        entry = registry.find(block.type)
        if entry is None or entry.door == "none":
            raise MappingProblem(f"{key}.type", f"no event type {block.type!r} that may be sent in")
        if block.occurred_at is None and self._occurred is None:
            raise MappingProblem(f"{key}.occurred_at", "say it here or in defaults.occurred_at")
        known_fields = {field.name: field for field in msgspec.structs.fields(entry.cls)}
        fields = []
        for name, field in block.data.items():
            at = f"{key}.data.{name}"
            if name not in known_fields:
                raise MappingProblem(at, f"{block.type} has no such field; it has {', '.join(known_fields)}")
            hint, moment = known_fields[name].type, self._moment(field.moment, f"{at}.moment")
            listed = kind_of(hint) == "list"
            read = compile_field(field, get_args(hint)[0] if listed else hint, self._columns, at, moment)
            fields.append((name, _as_list(read) if listed else read, known_fields[name].required))
        for name, info in known_fields.items():
            if info.required and name not in block.data:
                raise MappingProblem(f"{key}.data.{name}", f"is missing, and {block.type} needs it")
        currency = self._mapping.defaults.currency
        if currency and "currency" in known_fields and "currency" not in block.data:
            fields.append(("currency", lambda cells, number, warnings: currency, False))
        test = compile_when(block.when, self._columns, f"{key}.when")
        occurred = self._moment(block.occurred_at, f"{key}.occurred_at")
        return _Event(f"#{n}", block.type, test, occurred, self._known, fields)


def _as_list(read: Read) -> Read:
    def listed(cells: Cells, number: int, warnings: list[str]) -> Any:
        value = read(cells, number, warnings)
        return None if value is None else [value]

    return listed


def _compile_identifier(
    one: Identifier, columns: Columns, key: str
) -> Callable[[Cells, int, list[str]], GivenIdentifier | None]:
    if (one.column is None) == (one.text is None):
        raise MappingProblem(key, "say either column or text")
    at = columns.at(one.column, f"{key}.column") if one.column is not None else -1
    text, suffix, skip, warn = one.text or "", one.remove_suffix, frozenset(one.skip) | {""}, one.warn
    try:
        fits = re.compile(one.pattern).fullmatch if one.pattern else None
    except re.error:
        raise MappingProblem(f"{key}.pattern", "is no regular expression") from None

    def read(cells: Cells, number: int, warnings: list[str]) -> GivenIdentifier | None:
        value = cells[at].strip() if at >= 0 else text.replace("{number}", str(number))
        if suffix:
            value = value.removesuffix(suffix)
        if value in skip:
            return None
        if fits is not None and fits(value) is None:
            warnings.append(warn)
            return None
        return GivenIdentifier(one.kind, value, one.issuer)

    return read

"""A mapping's rules for one value, compiled once to closures over a row's cells."""

import re
import types
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec

from events.personal import read_inbound
from services.importer.mapping import Condition, Field, MappingProblem

Cells = list[str]
Read = Callable[[Cells, int, list[str]], Any]
"""(cells, number of the row, warnings to add to) → the value, None where the file does not say."""
Test = Callable[[Cells], bool]
DAY = 86_400

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII).fullmatch
_CLOCK = re.compile(r"(\d{1,2}):(\d\d)(?::(\d\d))?", re.ASCII).fullmatch
_TRUTH = {
    "yes": True,
    "true": True,
    "y": True,
    "1": True,
    "no": False,
    "false": False,
    "n": False,
    "0": False,
}


class BadValue(ValueError):
    """A cell that is not what the mapping says. `detail` names the column and never the value."""

    def __init__(self, code: str, column: str, detail: str) -> None:
        super().__init__(code)
        self.code, self.column, self.detail = code, column, detail


class Columns:
    """Where each column stands, and how the file writes a decimal."""

    def __init__(self, names: tuple[str, ...], decimal: str = ".") -> None:
        self._index = {name: n for n, name in enumerate(names)}
        self.comma = decimal == ","

    def at(self, name: str, key: str) -> int:
        """The place of a column. Raises `MappingProblem` naming the key that wants it."""
        if name not in self._index:
            raise MappingProblem(key, f"the file has no column {name!r}")
        return self._index[name]

    def number(self, name: str, key: str) -> Callable[[Cells], str]:
        """Reads a cell as the plain text of a number."""
        at, comma = self.at(name, key), self.comma

        def read(cells: Cells) -> str:
            text = cells[at].strip()
            if comma:
                text = text.replace(".", "").replace(",", ".")
            if not _NUMBER(text):
                raise BadValue("bad_number", name, "is no number")
            return text

        return read


def compile_when(conditions: tuple[Condition, ...], columns: Columns, key: str) -> Test | None:
    """All conditions as one test; None where there are none."""
    tests = [_condition(one, columns, f"{key}[{n}]") for n, one in enumerate(conditions, 1)]
    if not tests:
        return None
    return tests[0] if len(tests) == 1 else lambda cells: all(test(cells) for test in tests)


def _condition(one: Condition, columns: Columns, key: str) -> Test:
    at, tests = columns.at(one.column, f"{key}.column"), list[Test]()
    if (equals := one.equals) is not None:
        tests.append(lambda cells: cells[at].strip() == equals)
    if one.one_of is not None:
        among = frozenset(one.one_of)
        tests.append(lambda cells: cells[at].strip() in among)
    if one.none_of is not None:
        outside = frozenset(one.none_of)
        tests.append(lambda cells: cells[at].strip() not in outside)
    if (start := one.starts_with) is not None:
        tests.append(lambda cells: cells[at].startswith(start))
    if (other := one.not_starts_with) is not None:
        tests.append(lambda cells: not cells[at].startswith(other))
    if (empty := one.empty) is not None:
        tests.append(lambda cells: (not cells[at].strip()) is empty)
    if one.sign is not None:
        number, wanted = columns.number(one.column, key), {"negative": -1, "zero": 0, "positive": 1}[one.sign]
        tests.append(lambda cells: (value := float(number(cells))) * wanted > 0 or value == wanted == 0)
    if not tests:
        raise MappingProblem(key, "asks nothing; say equals, one_of, none_of, starts_with, empty or sign")
    return tests[0] if len(tests) == 1 else lambda cells: all(test(cells) for test in tests)


def compile_field(field: Field, hint: Any, columns: Columns, key: str, moment: Read | None = None) -> Read:
    """The reader of one field, giving what the contract's type `hint` takes."""
    forms = [field.column, field.const, field.text, field.product, field.between, field.columns, field.moment]
    if sum(form is not None and form != () for form in forms) != 1:
        raise MappingProblem(key, "say one of column, const, text, product, between, columns, moment")
    read = _source(field, hint, columns, key, moment)
    when, unless = (
        compile_when(field.when, columns, f"{key}.when"),
        compile_when(field.unless, columns, f"{key}.unless"),
    )
    if when is None and unless is None:
        return read

    def guarded(cells: Cells, number: int, warnings: list[str]) -> Any:
        if (when is None or when(cells)) and (unless is None or not unless(cells)):
            return read(cells, number, warnings)
        return None

    return guarded


def _source(field: Field, hint: Any, columns: Columns, key: str, moment: Read | None) -> Read:
    if moment is not None:
        return moment
    if field.const is not None:
        fixed = _fits(field.const, hint, f"{key}.const")
        return lambda cells, number, warnings: fixed
    if (text := field.text) is not None:
        return lambda cells, number, warnings: text.replace("{number}", str(number))
    if field.columns:
        places = [(name, columns.at(name, f"{key}.columns")) for name in field.columns]
        skip = frozenset(field.skip) | {""}
        return lambda cells, number, warnings: {
            name: value for name, at in places if (value := cells[at].strip()) not in skip
        } or None  # fmt: skip
    if field.between:
        return _bounded(field, _between(field.between, columns, key), "number", field.between[0])
    if field.product:
        return _bounded(field, _product(field.product, columns, key), kind_of(hint), field.product[0])
    return _column(field, hint, columns, key)


def _column(field: Field, hint: Any, columns: Columns, key: str) -> Read:
    name = str(field.column)
    at, kind = columns.at(name, f"{key}.column"), kind_of(hint)
    if kind in ("number", "whole", "decimal"):
        number = columns.number(name, key)
        skip = frozenset(field.skip) | {""}
        plain: Read = lambda cells, n, w: None if cells[at].strip() in skip else number(cells)  # noqa: E731
        return _bounded(field, plain, kind, name)
    if kind not in ("text", "truth"):
        raise MappingProblem(key, f"a {kind} can't come from one column; use columns, const or moment")
    table = {old: _fits(new, hint, f"{key}.map") for old, new in field.map.items()} if kind == "text" else {}
    skip, suffix, otherwise = frozenset(field.skip) | {""}, field.remove_suffix, field.otherwise

    def read(cells: Cells, number: int, warnings: list[str]) -> Any:
        value = cells[at].strip()
        if suffix:
            value = value.removesuffix(suffix)
        if value in skip:
            return None
        if table:
            if (found := table.get(value, otherwise)) is None:
                raise BadValue("not_in_map", name, f"holds a value that {key}.map does not list")
            return found
        if kind == "truth":
            if (truth := _TRUTH.get(value.casefold())) is None:
                raise BadValue("bad_truth", name, "is neither yes nor no")
            return truth
        return value

    return read


def _bounded(field: Field, read: Read, kind: str, column: str) -> Read:
    """The number as its contract wants it, scaled; below the least it is dropped with a warning."""
    scale, absolute, least, warn = field.scale, field.absolute, field.at_least, field.warn

    def bounded(cells: Cells, number: int, warnings: list[str]) -> Any:
        text = read(cells, number, warnings)
        if text is None:
            return None
        if scale is not None or absolute:
            value = Decimal(text)
            value = abs(value) if absolute else value
            text = format(value * Decimal(str(scale)) if scale is not None else value, "f")
        if least is not None and float(text) < least:
            warnings.append(warn)
            return None
        if kind == "decimal":
            return text
        if text.isdigit():
            return int(text)
        value_f = float(text)
        if kind == "number" and abs(value_f) < float("inf"):
            return value_f
        if not value_f.is_integer() or abs(value_f) > 2**53:
            raise BadValue("bad_number", column, "is no whole number")
        return int(value_f)

    return bounded


def _product(names: tuple[str, ...], columns: Columns, key: str) -> Read:
    numbers = [columns.number(name, key) for name in names]

    def read(cells: Cells, number: int, warnings: list[str]) -> str:
        value = Decimal(1)
        try:
            for one in numbers:
                value *= Decimal(one(cells))
        except InvalidOperation:
            raise BadValue("bad_number", names[0], "gives no product") from None
        return format(value, "f")

    return read


def _between(names: tuple[str, str], columns: Columns, key: str) -> Read:
    begin, end = (compile_clock(name, columns, key) for name in names)

    def read(cells: Cells, number: int, warnings: list[str]) -> str:
        """Over midnight the end is small; more than half a day backwards is the next day."""
        seconds = end(cells) - begin(cells)
        return str(seconds + DAY if seconds < -DAY // 2 else seconds)

    return read


def compile_clock(name: str, columns: Columns, key: str) -> Callable[[Cells], int]:
    """Reads a time of day as seconds after midnight."""
    at = columns.at(name, key)

    def read(cells: Cells) -> int:
        found = _CLOCK(cells[at].strip())
        if found is None or int(found[1]) > 23 or int(found[2]) > 59 or int(found[3] or 0) > 59:
            raise BadValue("bad_time", name, "is no time of day like 9:05:00")
        return int(found[1]) * 3600 + int(found[2]) * 60 + int(found[3] or 0)

    return read


def kind_of(hint: Any) -> str:
    """What sort of value a contract's type takes: text, number, whole, decimal, truth, moment, ..."""
    if get_origin(hint) is Annotated:
        return kind_of(get_args(hint)[0])
    if get_origin(hint) in (Union, types.UnionType):
        return next(kind_of(part) for part in get_args(hint) if part is not type(None))
    kinds: dict[Any, str] = {
        bool: "truth", int: "whole", float: "number", Decimal: "decimal", datetime: "moment",
        dict: "dictionary", tuple: "list", list: "list",
    }  # fmt: skip
    return kinds.get(get_origin(hint) or hint, "text")


def _fits(value: Any, hint: Any, key: str) -> Any:
    try:
        msgspec.convert(value, hint, dec_hook=read_inbound)
    except msgspec.ValidationError as error:
        raise MappingProblem(key, f"the contract does not take this value: {error}") from None
    return value

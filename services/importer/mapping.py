"""The mapping file: how the columns of one kind of file become events. Declarative, no code in it."""

import hashlib
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from events.vocabulary import IdentifierKind

READY = Path(__file__).parent / "mappings"
_COLUMN_KEYS = frozenset({"column", "columns", "product", "between", "clock", "month", "day", "months"})


class MappingProblem(ValueError):
    """A mapping that can't be used, or doesn't fit the file: which key, what is wrong, how to mend it."""

    def __init__(self, key: str, detail: str) -> None:
        super().__init__(f"{key}: {detail}")
        self.key, self.detail = key, detail


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One table of the mapping file; a key it doesn't know is an error."""


class FileForm(_Part, frozen=True, kw_only=True):
    """`[file]`: how the bytes become rows. A file that is compressed with gzip is unpacked by itself.

    `header` "maybe" is for a file that goes round with and without its line of names.
    """

    format: Literal["csv", "parquet"] = "csv"
    separator: str = ","
    quote: str = '"'
    encoding: str = "utf-8"
    header: Literal["yes", "no", "maybe"] = "yes"
    columns: tuple[str, ...] = ()
    decimal: Literal[".", ","] = "."


class Condition(_Part, frozen=True, kw_only=True):
    """One question about a column; what is asked must all hold."""

    column: str
    equals: str | None = None
    one_of: tuple[str, ...] | None = None
    none_of: tuple[str, ...] | None = None
    starts_with: str | None = None
    not_starts_with: str | None = None
    empty: bool | None = None
    sign: Literal["negative", "zero", "positive"] | None = None


class Moment(_Part, frozen=True, kw_only=True, tag_field="rule"):
    """When something happened; each rule is a form of its own."""

    says: str = ""


class DateRule(Moment, frozen=True, kw_only=True, tag="date"):
    """A column holds the date, and it or `clock` the time of day; in the default zone unless it says."""

    column: str
    format: str = "iso"
    clock: str | None = None
    clock_format: str = "%H:%M:%S"


class YearByOrderRule(Moment, frozen=True, kw_only=True, tag="year_by_order"):
    """Rows are in order of time but name no year: a month before that of the row above opens the next year.

    A year after `last_year` means that the order is broken; such a line is not guessed at.
    """

    month: str
    day: str
    first_year: int
    last_year: int


class MonthsBeforeRule(Moment, frozen=True, kw_only=True, tag="months_before"):
    """So many calendar months before a day that the mapping states."""

    months: str
    before: str


class FixedRule(Moment, frozen=True, kw_only=True, tag="fixed"):
    """The moment the mapping states, for every line."""

    at: str


AnyMoment = DateRule | YearByOrderRule | MonthsBeforeRule | FixedRule


class Field(_Part, frozen=True, kw_only=True):
    """Where one value of an event comes from, and what is done to it on the way.

    One of `column`, `const`, `text` (with `{number}`, the row's), `product` (of columns), `between`
    (seconds from one time of day to another), `columns` (copied under their own names), `moment`.
    It is said only where all of `when` and not all of `unless` hold. `skip` names values that mean "not
    said". A value below `at_least` is dropped with warning `warn`.
    """

    column: str | None = None
    const: str | int | float | bool | None = None
    text: str | None = None
    product: tuple[str, ...] = ()
    between: tuple[str, str] | None = None
    columns: tuple[str, ...] = ()
    moment: AnyMoment | None = None
    when: tuple[Condition, ...] = ()
    unless: tuple[Condition, ...] = ()
    skip: tuple[str, ...] = ()
    remove_suffix: str = ""
    map: dict[str, str] = {}
    otherwise: str | None = None
    scale: float | None = None
    absolute: bool = False
    at_least: float | None = None
    warn: str = "below_least"


class Identifier(_Part, frozen=True, kw_only=True):
    """What a line knows of the person. A value outside `pattern` is no identifier: dropped with `warn`."""

    kind: IdentifierKind
    issuer: str = ""
    column: str | None = None
    text: str | None = None
    skip: tuple[str, ...] = ()
    remove_suffix: str = ""
    pattern: str | None = None
    warn: str = "identifier_malformed"


class EventBlock(_Part, frozen=True, kw_only=True):
    """`[[event]]`: one event that a line yields when its conditions hold."""

    type: str
    when: tuple[Condition, ...] = ()
    occurred_at: AnyMoment | None = None
    data: dict[str, Field]


class SetAside(_Part, frozen=True, kw_only=True):
    """`[[set_aside]]`: lines that tell no event of ours; they go to quarantine under this code."""

    code: str
    detail: str
    when: tuple[Condition, ...]


class Count(_Part, frozen=True, kw_only=True):
    """`[[count]]`: lines worth a figure in the report; as a warning, where they are odd."""

    name: str
    when: tuple[Condition, ...]
    warning: bool = False


class Defaults(_Part, frozen=True, kw_only=True):
    """`[defaults]`: what holds for every event that doesn't say otherwise.

    `known_at` "occurred" means: the company knew at once; `known_assumed` that nobody said so.
    """

    zone: str = "UTC"
    currency: str = ""
    occurred_at: AnyMoment | None = None
    known_at: Literal["occurred"] | AnyMoment = "occurred"
    known_assumed: bool = True


class Mapping(_Part, frozen=True, kw_only=True):
    """A whole mapping file. `assumptions` are sentences for the report: what the file does not say."""

    source: str
    about: str = ""
    assumptions: tuple[str, ...] = ()
    file: FileForm = FileForm()
    defaults: Defaults = Defaults()
    identifier: tuple[Identifier, ...] = ()
    event: tuple[EventBlock, ...]
    set_aside: tuple[SetAside, ...] = ()
    count: tuple[Count, ...] = ()

    @property
    def digest(self) -> str:
        """Hash of what the mapping says, comments and order of keys apart."""
        return hashlib.sha256(msgspec.json.encode(self)).hexdigest()


def load_mapping(path: Path) -> Mapping:
    """Read and check a mapping file. Raises `MappingProblem` naming the key."""
    try:
        return parse_mapping(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        ready = ", ".join(ready_mappings())
        raise MappingProblem(path.name, f"there is no such mapping file; ready ones are {ready}") from None
    except UnicodeDecodeError:
        raise MappingProblem(path.name, "a mapping file is text in UTF-8") from None


def ready_mappings() -> list[str]:
    """Names of the mappings that come with Touchstone."""
    return sorted(path.stem for path in READY.glob("*.toml"))


def ready_mapping(name: str) -> Mapping:
    """A mapping that comes with Touchstone."""
    return load_mapping(READY / f"{name}.toml")


def parse_mapping(text: str) -> Mapping:
    """The mapping of a TOML text. Raises `MappingProblem`."""
    try:
        mapping = msgspec.convert(_with_short_forms(tomllib.loads(text)), Mapping)
    except tomllib.TOMLDecodeError as error:
        raise MappingProblem("mapping", f"not valid TOML: {error}") from None
    except msgspec.ValidationError as error:
        raise _from_msgspec(error) from None
    _check(mapping)
    return mapping


def column_uses(part: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Every (key, column name) by which the mapping refers to the file."""
    if isinstance(part, tuple | list):
        for n, item in enumerate(part, 1):
            yield from column_uses(item, f"{key}[{n}]")
    elif isinstance(part, dict):
        for name, item in part.items():
            yield from column_uses(item, f"{key}.{name}")
    elif isinstance(part, msgspec.Struct) and not isinstance(part, FileForm):
        for name in part.__struct_fields__:
            value, below = getattr(part, name), f"{key}.{name}".lstrip(".")
            if name in _COLUMN_KEYS and value:
                yield from ((below, column) for column in ([value] if isinstance(value, str) else value))
            else:
                yield from column_uses(value, below)


def _with_short_forms(raw: dict[str, Any]) -> dict[str, Any]:
    """`data.x = "name"` is short for `data.x = { column = "name" }`."""
    for block in raw.get("event", ()) if isinstance(raw.get("event"), list) else ():
        data = block.get("data") if isinstance(block, dict) else None
        if isinstance(data, dict):
            block["data"] = {k: {"column": v} if isinstance(v, str) else v for k, v in data.items()}
    return raw


def _from_msgspec(error: msgspec.ValidationError) -> MappingProblem:
    sentence, _, tail = str(error).partition(" - at `$")
    key = re.sub(r"\[(\d+)\]", lambda m: f"[{int(m[1]) + 1}]", tail.rstrip("`").lstrip("."))
    return MappingProblem(key or "mapping", sentence)


def _check(mapping: Mapping) -> None:
    form = mapping.file
    if form.separator not in ("whitespace", "tab") and len(form.separator) != 1:
        raise MappingProblem("file.separator", 'is one character, "tab" or "whitespace"')
    if form.header != "yes" and form.format == "csv" and not form.columns:
        raise MappingProblem("file.columns", f'must be listed, since file.header is "{form.header}"')
    if len(form.quote) > 1:
        raise MappingProblem("file.quote", "is one character, or empty where nothing is quoted")
    try:
        "".encode(form.encoding)
    except LookupError:
        raise MappingProblem("file.encoding", "no encoding of that name; try utf-8 or latin-1") from None
    try:
        ZoneInfo(mapping.defaults.zone)
    except (ZoneInfoNotFoundError, ValueError):
        raise MappingProblem("defaults.zone", 'no time zone of that name; one is "Europe/London"') from None
    if not mapping.event:
        raise MappingProblem("event", "at least one [[event]] block is needed")

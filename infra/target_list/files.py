"""A list's members as CSV, NDJSON, Parquet and Arrow: the same facts in each, the same bytes for the same facts."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from infra.target_list.pull import Pull, Pulled, find
from infra.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa

Pages = Iterable[list[Pulled]]
Record = dict[str, Any]

MEDIA_TYPES = {
    "csv": "text/csv; charset=utf-8", "csv-raw": "text/csv; charset=utf-8", "ndjson": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet", "arrow": "application/vnd.apache.arrow.stream",
}  # fmt: skip

BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"
"""Without it a spreadsheet takes UTF-8 for something else."""

KEPT = ("csv", "ndjson", "parquet")
"""The formats that are written as files; Arrow is for the wire."""

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\0", "＝", "＋", "－", "＠")
"""What makes a spreadsheet calculate a cell instead of showing it."""

ADDRESS = ("address_kind", "address_issuer", "address")
COLUMNS = (
    "rank", "customer", "stage", "probability", "value", "currency", "effect", "expected_profit", "because", "why",
    "because_events", "offer", "channel", "basis", "window_from", "window_until", "contact_from", "contact_until",
)  # fmt: skip


def record(one: Pulled, *, addresses: bool) -> Record:
    """A member as every format tells it, in the order of the columns."""
    row = one.row
    found = {name: getattr(row, _attribute(name)) for name in COLUMNS}
    return found | {name: getattr(one, name) for name in ADDRESS} if addresses else found


def _attribute(column: str) -> str:
    """The field of a row that a column tells."""
    return "profit" if column == "expected_profit" else column


def ndjson(pages: Pages, *, addresses: bool) -> Iterator[bytes]:
    """One JSON object a line; nothing is altered."""
    for page in pages:
        yield b"".join(msgspec.json.encode(record(one, addresses=addresses)) + b"\n" for one in page)


def csv_lines(pages: Pages, *, addresses: bool, raw: bool = False) -> Iterator[bytes]:
    """A line of names, then one line a member, safe to open in a spreadsheet, which knows by its mark that it is UTF-8.

    Several reasons share a cell, separated by `; `. A phone number has its digits only: a leading `+`
    would be calculated, and an apostrophe before it breaks diallers. `raw` is for machines: no mark, nothing altered.
    """
    text = io.StringIO()
    write = csv.writer(text, lineterminator="\r\n").writerow
    names = [*COLUMNS, *(ADDRESS if addresses else ())]
    if not raw:
        text.write(BOM)
    tellers, of_row, of_address = (
        _tellers(names, raw),
        attrgetter(*map(_attribute, COLUMNS)),
        attrgetter(*ADDRESS),
    )
    write(names)
    yield _taken(text)
    for page in pages:
        for one in page:
            values = of_row(one.row)
            if addresses:
                kind, issuer, address = of_address(one)
                values += (
                    kind,
                    issuer,
                    address.removeprefix("+") if kind == "phone" and not raw else address,
                )
            write([tell(value) for tell, value in zip(tellers, values, strict=True)])
        yield _taken(text)


def parquet(pages: Pages, *, addresses: bool) -> Iterator[bytes]:
    """A Parquet file, a row group a page, amounts as decimals, reasons as lists. Its end comes last."""
    import pyarrow as pa  # here, because every command would wait for it otherwise
    from pyarrow import parquet as files

    schema, sink = _schema(addresses), _Sink()
    with files.ParquetWriter(pa.PythonFile(sink, "w"), schema, compression="zstd") as writer:
        for page in pages:
            writer.write_batch(_batch(page, schema, addresses))
            yield sink.taken()
    yield sink.taken()


def arrow(pages: Pages, *, addresses: bool) -> Iterator[bytes]:
    """An Arrow stream, a record batch a page, in the types of the Parquet form."""
    import pyarrow as pa

    schema = _schema(addresses)
    buffer = io.BytesIO()
    with pa.ipc.new_stream(buffer, schema) as writer:
        for page in pages:
            writer.write_batch(_batch(page, schema, addresses))
            yield _emptied(buffer)
    yield _emptied(buffer)


def _schema(addresses: bool) -> "pa.Schema":
    import pyarrow as pa

    text, several, at = pa.string(), pa.list_(pa.string()), pa.timestamp("us", tz="UTC")
    types = {
        "rank": pa.int64(), "probability": pa.float64(), "effect": pa.float64(), "value": pa.decimal128(24, 2),
        "expected_profit": pa.decimal128(26, 4), "because": several, "why": several,
        "because_events": several, "window_from": at, "window_until": at, "contact_from": at, "contact_until": at,
    }  # fmt: skip
    names = [*COLUMNS, *(ADDRESS if addresses else ())]
    return pa.schema([(name, types.get(name, text)) for name in names])


def _batch(page: Sequence[Pulled], schema: "pa.Schema", addresses: bool) -> "pa.RecordBatch":
    import pyarrow as pa

    records = [record(one, addresses=addresses).values() for one in page]
    columns = zip(*records, strict=True) if records else [()] * len(schema)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


class _Sink:
    """A file that hands out what was written so far, and still knows how far it is."""

    closed = False

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._written = 0

    def write(self, data: bytes) -> int:
        """Take bytes; they are copied, since the writer uses its buffer again."""
        self._parts.append(bytes(data))
        self._written += len(data)
        return len(data)

    def tell(self) -> int:
        """How much was ever written."""
        return self._written

    def flush(self) -> None:
        """Nothing waits in here."""

    def close(self) -> None:
        """There is nothing to let go of."""

    def taken(self) -> bytes:
        """What was written since it was last asked."""
        found = b"".join(self._parts)
        self._parts.clear()
        return found


def whole(kind: str, pages: Pages, *, addresses: bool) -> Iterator[bytes]:
    """The bytes of a format, as they come."""
    match kind:
        case "csv" | "csv-raw":
            return csv_lines(pages, addresses=addresses, raw=kind == "csv-raw")
        case "ndjson":
            return ndjson(pages, addresses=addresses)
        case "arrow":
            return arrow(pages, addresses=addresses)
    return parquet(pages, addresses=addresses)


def write_all(workspace: Workspace, list_id: str, folder: Path) -> list[Path]:
    """A list in every format, without addresses, as it may be pulled now: `<purpose>.csv` and so on."""
    listed = find(workspace, list_id)
    pull = Pull(workspace, listed, addresses=False)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for kind in KEPT:
        path = folder / f"{listed.published.purpose}.{kind}"
        with path.open("wb") as file:
            file.writelines(whole(kind, _members(pull), addresses=False))
        paths.append(path)
    return paths


def safe(text: str) -> str:
    """The text with an apostrophe before it where a spreadsheet would take it for a formula."""
    return "'" + text if text.startswith(FORMULA) or text.lstrip().startswith(FORMULA) else text


def cell(value: object) -> str:
    """A value as a cell of a spreadsheet: several texts share it, and none begins a formula."""
    match value:
        case None:
            return ""
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case tuple():
            return _several(value)
        case int() | float() | Decimal():
            return _number(value)
    return safe(str(value))


def _tellers(columns: Iterable[str], raw: bool) -> list[Callable[[Any], str]]:
    """How each column becomes a cell, as `cell` does it: a long list asks two million times, often for the same."""
    again = lru_cache(1_024)(_as_it_is if raw else cell)
    joined, text = ("; ".join, str) if raw else (_several, safe)
    own: dict[str, Callable[[Any], str]] = {"customer": str, "address": text}
    own |= dict.fromkeys(("rank", "value", "expected_profit", "probability", "effect"), _number)
    own |= dict.fromkeys(("because", "why", "because_events"), joined)
    return [own.get(name, again) for name in columns]


def _as_it_is(value: object) -> str:
    return value if isinstance(value, str) else cell(value)


def _number(value: object) -> str:
    return "" if value is None else str(value)


def _several(texts: tuple[str, ...]) -> str:
    return safe("; ".join(texts))


def _members(pull: Pull) -> Iterator[list[Pulled]]:
    for page in pull.pages():
        if page.items:
            yield [one for _, one in page.items]


def _emptied(buffer: io.BytesIO) -> bytes:
    found = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return found


def _taken(text: io.StringIO) -> bytes:
    found = text.getvalue().encode()
    text.seek(0)
    text.truncate()
    return found

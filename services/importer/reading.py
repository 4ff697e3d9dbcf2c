"""Rows of any file, one at a time, each with its number: what can't be read is said, the rest goes on."""

import csv
import gzip
import io
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

import msgspec

from services.importer.mapping import FileForm, MappingProblem

LINE_BYTES = 1_000_000
"""A line longer than this is no line of a table."""
RECORD_LINES = 200
"""A quoted value may go on over so many lines; more is a quote that was never closed."""
_WIDE = ("utf16", "utf32")


class FileProblem(ValueError):
    """A file that can't be read at all, or no further."""


class Row(NamedTuple):
    """One row of the table.

    `number` counts rows from 1 and names the row for ever, whether or not its file has a header;
    `line` is the line in the file where it begins, for a person who looks it up.
    """

    number: int
    line: int
    cells: list[str]
    raw: str


class BadRow(NamedTuple):
    """A row that is there and can't be taken apart. `detail` never shows what stands in it."""

    number: int
    line: int
    code: str
    detail: str
    raw: str


class Table:
    """An open file: its column names, its rows, and how far the reading is."""

    def __init__(self, total: int, position: Callable[[], int]) -> None:
        self.columns: tuple[str, ...] = ()
        self.rows: Iterator[Row | BadRow] = iter(())
        self.blank = 0
        self.total, self.position = total, position


@contextmanager
def open_table(path: Path, form: FileForm) -> Iterator[Table]:
    """Open a file in the form the mapping says. Raises `FileProblem`, `MappingProblem`."""
    if not path.is_file():
        raise FileProblem(f"there is no file {path.name}")
    if path.stat().st_size == 0:
        raise FileProblem(f"{path.name} is empty")
    if form.format == "parquet":
        yield _parquet(path)
        return
    with path.open("rb") as stored:
        packed = stored.read(2) == b"\x1f\x8b"
        stored.seek(0)
        stream = cast(BinaryIO, gzip.GzipFile(fileobj=stored) if packed else stored)
        table = Table(path.stat().st_size, stored.tell)
        _fill(table, _lines(stream, form.encoding), form)
        yield table


class _Line(NamedTuple):
    number: int
    text: str
    problem: str = ""


def _lines(stream: BinaryIO, encoding: str) -> Iterator[_Line]:
    """Lines of text without their ends; a line of bytes that are no text says so."""
    if encoding.lower().replace("-", "").replace("_", "").startswith(_WIDE):
        for n, text in enumerate(io.TextIOWrapper(stream, encoding, errors="replace", newline="\n"), 1):
            problem = "not_text" if "\ufffd" in text else ""
            yield _Line(n, text.rstrip("\r\n").lstrip("\ufeff"), problem)
        return
    n = 0
    try:
        while raw := stream.readline(LINE_BYTES):
            n += 1
            if n == 1:
                raw = raw.removeprefix(b"\xef\xbb\xbf")
            raw, problem = raw.rstrip(b"\r\n") if raw[-1:] == b"\n" else raw, ""
            if len(raw) >= LINE_BYTES:
                problem, raw = "line_too_long", raw[:1000]
                while (rest := stream.readline(LINE_BYTES)) and rest[-1:] != b"\n":
                    pass
            try:
                yield _Line(n, raw.decode(encoding), problem)
            except UnicodeDecodeError:
                yield _Line(n, raw.decode("ascii", "backslashreplace"), problem or "not_text")
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise FileProblem(
            f"the compressed file is damaged after line {n}; every line before is kept"
        ) from None


def _fill(table: Table, lines: Iterator[_Line], form: FileForm) -> None:
    """Settle the column names, then let the rows come as they are asked for."""
    split = _splitter(form)
    head = next((line for line in lines if line.text.strip()), None)
    if head is None:
        raise FileProblem("the file has no lines")
    if head.problem and form.header != "no":
        raise MappingProblem("file.encoding", f"the header is not text in {form.encoding}; try latin-1")
    cells = [] if head.problem else [cell.strip() for cell in split(head.text) or []]
    named = [name.casefold() for name in form.columns]
    if form.header == "yes":
        table.columns = tuple(cells)
        missing = [name for name in form.columns if name.casefold() not in {c.casefold() for c in cells}]
        if missing:
            raise MappingProblem("file.columns", f"the header has no {', '.join(missing)}; {_shape(cells)}")
    else:
        table.columns = form.columns
    consumed = form.header == "yes" or (
        form.header == "maybe" and [cell.casefold() for cell in cells] == named
    )  # fmt: skip
    table.rows = _rows(
        table, lines if consumed else _after(head, lines), split, len(table.columns), form.quote
    )


def check_columns(columns: tuple[str, ...], uses: Iterable[tuple[str, str]]) -> None:
    """Every column that the mapping names must be there. Raises `MappingProblem` naming the key.

    The header's own words are not shown: a file without one would show its first customer.
    """
    for key, column in uses:
        if column not in columns:
            raise MappingProblem(key, f"the file has no column {column!r}; {_shape(columns)}")


def _shape(cells: tuple[str, ...] | list[str]) -> str:
    if len(cells) > 1:
        return f"it has {len(cells)} columns: does its first line hold the names, and does the mapping fit?"
    signs = [(cells[0] if cells else "").count(sign) for sign in ",;\t|"]
    guess = dict(zip(signs, ('","', '";"', '"tab"', '"|"'), strict=True))[max(signs)] if any(signs) else '","'
    return f"it has one column only: is file.separator right? It looks like {guess}"


def _after(head: _Line, lines: Iterator[_Line]) -> Iterator[_Line]:
    yield head
    yield from lines


def _splitter(form: FileForm) -> Callable[[str], list[str] | None]:
    """One record into cells; None where its quotes don't fit."""
    if form.separator == "whitespace":
        return str.split
    separator, quote = "\t" if form.separator == "tab" else form.separator, form.quote

    def split(record: str) -> list[str] | None:
        if not quote or quote not in record:
            return record.split(separator)
        try:
            return next(csv.reader([record], delimiter=separator, quotechar=quote, strict=True))
        except (csv.Error, StopIteration):
            return None

    return split


def _rows(
    table: Table, lines: Iterator[_Line], split: Callable[[str], list[str] | None], width: int, quote: str
) -> Iterator[Row | BadRow]:
    number = 0
    ahead: deque[_Line] = deque()
    while (line := ahead.popleft() if ahead else next(lines, None)) is not None:
        n, text, problem = line
        if not text.strip() and not problem:
            table.blank += 1
            continue
        number += 1
        if problem:
            yield BadRow(number, n, problem, _WHY[problem], text)
            continue
        cells = split(text)
        if cells is None and text.count(quote) % 2:
            cells, text = _over_lines(text, lines, ahead, split, quote, width)
        if cells is None:
            yield BadRow(number, n, "bad_quotes", _WHY["bad_quotes"], text)
        elif len(cells) != width:
            yield BadRow(
                number, n, "wrong_width", f"{len(cells)} cells where there are {width} columns", text
            )
        else:
            yield Row(number, n, cells, text)


def _over_lines(
    first: str,
    lines: Iterator[_Line],
    ahead: deque[_Line],
    split: Callable[[str], list[str] | None],
    quote: str,
    width: int,
) -> tuple[list[str] | None, str]:
    """A quoted value that goes on over line ends.

    Where it never closes, or closes at another line's stray quote and leaves no whole row, the lines
    taken are given back: each is judged by itself.
    """
    taken, record = list[_Line](), first
    while len(taken) < RECORD_LINES and (line := ahead.popleft() if ahead else next(lines, None)) is not None:
        taken.append(line)
        if line.problem:
            break
        record = f"{record}\n{line.text}"
        if line.text.count(quote) % 2:
            if (cells := split(record)) is not None and len(cells) == width:
                return cells, record
            break
    ahead.extendleft(reversed(taken))
    return None, first


_WHY = {
    "not_text": "bytes that are no text in the encoding of file.encoding",
    "line_too_long": f"more than {LINE_BYTES:,} bytes without a line end",
    "bad_quotes": "a quote that is not closed, or stands where none may",
}


def _parquet(path: Path) -> Table:
    try:
        import pyarrow as arrow  # wanted for Parquet alone
        import pyarrow.parquet as parquet
    except ModuleNotFoundError:
        raise FileProblem("reading Parquet needs pyarrow: pip install 'touchstone[ml]'") from None
    try:
        file = parquet.ParquetFile(path)
    except (arrow.ArrowException, OSError):
        raise FileProblem(f'{path.name} is no Parquet file; say file.format = "csv" if it is text') from None
    at = [0]
    table = Table(max(1, file.metadata.num_rows), lambda: at[0])
    table.columns = tuple(file.schema_arrow.names)
    table.rows = _parquet_rows(file, at)
    return table


def _parquet_rows(file: Any, at: list[int]) -> Iterator[Row]:
    for batch in file.iter_batches(batch_size=10_000):
        for cells in zip(
            *([_as_text(v) for v in column.to_pylist()] for column in batch.columns), strict=True
        ):
            at[0] += 1
            yield Row(at[0], at[0], list(cells), msgspec.json.encode(cells).decode())


def _as_text(value: Any) -> str:
    return "" if value is None else str(value)

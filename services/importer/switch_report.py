"""A switch's daily report as CSV: one line a contact, or one line a queue."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from msgspec import Struct

from models.domain.reconciliation import Call, Sums

T = TypeVar("T", int, float)

CONTACT_COLUMNS = ("contact", "queue", "agent", "wait", "talk", "disposition")
QUEUE_COLUMNS = ("queue", "offered", "answered", "abandoned", "wait", "talk")
SEPARATORS = ",;\t|"
WORDS = {
    "answered": "answered", "answer": "answered", "handled": "answered", "completed": "answered",
    "completecaller": "answered", "completeagent": "answered", "connected": "answered",
    "abandoned": "abandoned", "abandon": "abandoned", "no answer": "abandoned", "noanswer": "abandoned",
    "hangup": "abandoned", "lost": "abandoned",
    "other": "other", "transferred": "other", "timeout": "other", "exitwithtimeout": "other", "exitwithkey": "other",
    "exitempty": "other", "overflow": "other",
}  # fmt: skip
"""What reports call how a contact ended, and what we call it."""


class ReportProblem(ValueError):
    """A report that can't be read; the sentence names the line or the option, and no value."""


class SwitchReport(Struct, frozen=True):
    """What the report says: contacts by id, or sums by queue."""

    contacts: Mapping[str, Call]
    queues: Mapping[str, Sums]


def read_report(path: Path, columns: Mapping[str, str], words: Mapping[str, str]) -> SwitchReport:
    """Read a report. Raises `ReportProblem`.

    `columns` say how the report calls ours, where it calls them otherwise; `words` are its own words for how
    a contact ended. With a column `offered` it has a line for each queue, else one for each contact.
    """
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise ReportProblem(f"{path.name} is no text in UTF-8") from None
    head = text.partition("\n")[0]
    lines = csv.reader(io.StringIO(text), delimiter=max(SEPARATORS, key=head.count))
    header = [one.strip().casefold() for one in next(lines, [])]
    at = _places(header, columns)
    read, known = (_queue, "queue") if "offered" in at else (_contact, "contact")
    if known not in at:
        raise ReportProblem(
            f"{path.name} has no column {columns.get(known, known)!r}: say which it is, --column {known}=NAME"
        )
    said = {word.casefold(): ours for word, ours in {**WORDS, **words}.items()}
    found: dict[str, Call | Sums] = {}
    for cells in lines:
        if not any(cell.strip() for cell in cells):
            continue
        try:
            name, one = read(_Line([cell.strip() for cell in cells], at, said))
        except ValueError as error:
            raise ReportProblem(f"{path.name}, line {lines.line_num}: {error}") from None
        if name in found:
            raise ReportProblem(f"{path.name}, line {lines.line_num}: this {known} was there before")
        found[name] = one
    return SwitchReport(
        {name: one for name, one in found.items() if isinstance(one, Call)},
        {name: one for name, one in found.items() if isinstance(one, Sums)},
    )


class _Line:
    """A line's cells by our names for them; an empty one is not said."""

    def __init__(self, cells: Sequence[str], at: Mapping[str, int], words: Mapping[str, str]) -> None:
        self._cells, self._at, self._words = cells, at, words

    def text(self, name: str) -> str | None:
        """A text; None where there is no such column. An empty cell is an empty text."""
        if name not in self._at:
            return None
        if self._at[name] >= len(self._cells):
            raise ValueError("has fewer cells than the header")
        return self._cells[self._at[name]]

    def seconds(self, name: str) -> float | None:
        """Seconds, as a number or as hours, minutes and seconds with colons."""
        return self._number(
            name, lambda text: sum(float(one) * 60**n for n, one in enumerate(text.split(":")[::-1]))
        )

    def count(self, name: str) -> int | None:
        """A whole number."""
        return self._number(name, int)

    def disposition(self) -> str | None:
        """How it ended, in our words; a word that nobody knows stands as it is."""
        text = self.text("disposition")
        return None if not text else self._words.get(text.casefold(), text)

    def _number(self, name: str, read: Callable[[str], T]) -> T | None:
        text = self.text(name)
        if not text:
            return None
        try:
            return read(text)
        except ValueError:
            raise ValueError(f"the column {name} has no number") from None


def _contact(line: _Line) -> tuple[str, Call]:
    name = line.text("contact") or ""
    if not name:
        raise ValueError("the column contact is empty")
    return name, Call(
        contact=name, queue=line.text("queue"), agent=line.text("agent"), wait=line.seconds("wait"),
        talk=line.seconds("talk"), disposition=line.disposition(),
    )  # fmt: skip


def _queue(line: _Line) -> tuple[str, Sums]:
    return line.text("queue") or "", Sums(
        offered=line.count("offered"), answered=line.count("answered"), abandoned=line.count("abandoned"),
        wait=line.seconds("wait"), talk=line.seconds("talk"),
    )  # fmt: skip


def _places(header: Sequence[str], columns: Mapping[str, str]) -> dict[str, int]:
    known = dict.fromkeys((*CONTACT_COLUMNS, *QUEUE_COLUMNS))
    for name, theirs in columns.items():
        if name not in known:
            raise ReportProblem(f"there is no column {name!r} to compare: they are {', '.join(known)}")
        if theirs.casefold() not in header:
            raise ReportProblem(f"the report has no column {theirs!r} for {name}")
    return {
        name: header.index(theirs)
        for name in known
        if (theirs := columns.get(name, name).casefold()) in header
    }

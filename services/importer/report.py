"""What became of a file, every line accounted for."""

from typing import Any

import msgspec
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from services.importer.drafting import Draft, Drafted
from services.importer.sending import Answer

MOST_PROBLEMS = 10


class Problem(msgspec.Struct, frozen=True):
    """A line that is no event: where, and why. Never what stands in it."""

    line: int
    verdict: str
    code: str
    path: str
    detail: str


class Verdicts(msgspec.Struct, kw_only=True):
    """What the gateway said so far; in a dry run what it would say of the form."""

    received: int = 0
    accepted: int = 0
    duplicates: int = 0
    refused: int = 0
    quarantined: int = 0
    codes: dict[str, int] = {}
    problems: list[Problem] = []

    def add(self, answer: Answer, lines: list[int]) -> None:
        """Count an answer; `lines` are those of its items."""
        self.received += answer.received
        self.accepted += answer.accepted
        self.duplicates += answer.duplicates
        self.refused += answer.refused
        self.quarantined += answer.quarantined
        for one in answer.results:
            if one.code:
                self.codes[one.code] = self.codes.get(one.code, 0) + 1
            if one.verdict in ("refused", "quarantined") and len(self.problems) < MOST_PROBLEMS:
                problem = Problem(
                    lines[one.index], one.verdict, one.code or "", one.path or "", one.detail or ""
                )
                self.problems.append(problem)


class ImportReport(msgspec.Struct, kw_only=True):
    """The account of one import.

    `lines` = those with events + `unreadable` + `without_event`; `received` = `drafts` + `unreadable` =
    accepted + duplicates + refused + quarantined. `identified` counts distinct identifiers,
    `customers` the customers that the gateway took them for (None where the run was resumed).
    """

    file: str
    source: str
    about: str
    dry_run: bool = False
    explained: list[str] = []
    lines: int = 0
    blank: int = 0
    drafts: int = 0
    unreadable: int = 0
    without_event: int = 0
    anonymous: int = 0
    identified: int = 0
    customers: int | None = None
    by_type: dict[str, int] = {}
    warnings: dict[str, int] = {}
    counts: dict[str, int] = {}
    outside: dict[str, int] = {}
    verdicts: Verdicts = msgspec.field(default_factory=Verdicts)
    resumed_after: int = 0
    seconds: float = 0.0

    @property
    def balanced(self) -> bool:
        """Whether everything sent has a verdict, and every line a place."""
        said = self.verdicts
        four = said.accepted + said.duplicates + said.refused + said.quarantined
        return said.received == four == self.drafts + self.unreadable

    @property
    def excluded(self) -> int:
        """Events that stay outside all figures: tests and phantom calls."""
        return sum(self.outside.values())

    def saw(self, drafted: Drafted) -> None:
        """Count one row and what it gave."""
        self.lines += 1
        _count(self.warnings, drafted.warnings)
        _count(self.counts, drafted.counts)
        if not drafted.items:
            self.without_event += 1
        for item in drafted.items:
            if not isinstance(item, Draft):
                self.unreadable += 1
                continue
            self.drafts += 1
            self.by_type[item.type] = self.by_type.get(item.type, 0) + 1
            if (outside := item.data.get("outside")) is not None:
                self.outside[outside] = self.outside.get(outside, 0) + 1
        if drafted.items and not drafted.identifiers and isinstance(drafted.items[0], Draft):
            self.anonymous += 1

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON, the verdicts beside the rest."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return {**plain, **plain.pop("verdicts"), "excluded": self.excluded, "balanced": self.balanced}


def _count(into: dict[str, int], names: list[str]) -> None:
    for name in names:
        into[name] = into.get(name, 0) + 1


def render(report: ImportReport) -> RenderableType:
    """The report for a terminal."""
    said = report.verdicts
    table = Table(
        title=f"{report.file} → {report.source}{' (dry run: nothing sent)' if report.dry_run else ''}"
    )
    table.add_column("what")
    table.add_column("count", justify="right")
    rows: list[tuple[str, int | None]] = [
        ("lines", report.lines), ("blank lines", report.blank or None),
        ("lines without an event", report.without_event or None),
        ("unreadable lines", report.unreadable or None), ("lines of nobody known", report.anonymous or None),
        ("distinct identifiers", report.identified), ("customers", report.customers),
        *((f"events {name}", n) for name, n in sorted(report.by_type.items())),
        *((name, n) for name, n in sorted(report.counts.items())),
        *((f"outside all figures: {name}", n) for name, n in sorted(report.outside.items())),
        *((f"warning {name}", n) for name, n in sorted(report.warnings.items())),
        ("received", said.received), ("accepted", said.accepted), ("duplicates", said.duplicates),
        ("refused", said.refused), ("quarantined", said.quarantined),
        *((f"code {name}", n) for name, n in sorted(said.codes.items())),
    ]  # fmt: skip
    for name, n in rows:
        if n is not None:
            table.add_row(name, f"{n:,}")
    parts: list[RenderableType] = [table]
    if report.resumed_after:
        parts.append(Text(f"went on after row {report.resumed_after:,}, where an earlier run stopped"))
    for one in said.problems:
        parts.append(Text(f"line {one.line}: {one.verdict}, {one.code}: {one.detail}"))
    parts.extend(Text(sentence) for sentence in report.explained)
    if not report.balanced:
        parts.append(Text("not balanced: some items have no verdict", style="bold red"))
    return Group(*parts)

"""The figures as a table on the screen and as the page docs/benchmarks/ml.md."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from rich.table import Table

from bench.ml.catalogue import SUBJECTS
from bench.ml.line import Line

NOTES = {one.name: one.note for one in SUBJECTS}
COLUMNS = ("figure", "value", "95 % interval", "before", "must", "holds", "s")


@dataclass(frozen=True)
class Run:
    """What one run found: lines by subject, why others were not measured, on what, and how long it took."""

    on: date
    machine: str
    seconds: float
    found: Mapping[str, Sequence[Line]]
    skipped: Mapping[str, str]
    failed: Sequence[str] = ()

    @property
    def broken(self) -> list[str]:
        """The promises that do not hold."""
        return [line.name for lines in self.found.values() for line in lines if line.holds is False]

    @property
    def held(self) -> int:
        """How many promises hold."""
        return sum(line.holds is True for lines in self.found.values() for line in lines)


def table(run: Run) -> Table:
    """One row a line, its subject above."""
    shown = Table(title=f"{run.machine}, {run.seconds:,.0f} s")
    for name in COLUMNS:
        shown.add_column(
            name, justify="right" if name in ("value", "before", "s") else "left", overflow="fold"
        )
    for name, lines in run.found.items():
        shown.add_row(f"[bold]{name}[/bold]")
        for line in lines:
            told = [cell.strip("*") for cell in cells(line)]
            style = {True: "green", False: "bold red", None: ""}[line.holds]
            shown.add_row(*told, style=style)
        shown.add_section()
    return shown


def cells(line: Line) -> tuple[str, ...]:
    """A line's figures in words, in the order of the columns."""
    between = (
        f"{_short(line.low)} to {_short(line.high)}" if line.low is not None and line.high is not None else ""
    )
    return (
        line.name, _short(line.value), between, "" if line.reference is None else _short(line.reference), line.must,
        {True: "yes", False: "**no**", None: ""}[line.holds], f"{line.seconds:.1f}" if line.seconds else "",
    )  # fmt: skip


def page(run: Run) -> str:
    """The whole page."""
    asked = run.held + len(run.broken)
    parts = [
        "# How well it foretells",
        "",
        f"`make ml-bench DATA=DIR ARGS=--write` wrote this page on {run.on:%-d %B %Y}, in {run.seconds / 60:.0f} "
        f"minutes on {run.machine}. {run.held} of {asked} promises hold. Every figure stands beside the one measured "
        "before, by known libraries or in a publication; models are judged on customers, or on a time, they have not "
        "seen. Every draw has a fixed seed.",
        "",
    ]
    for name, lines in run.found.items():
        parts += [f"## {name}", ""]
        parts += [f"{note}\n" for note in (NOTES.get(name),) if note]
        parts += [f"| {' | '.join(COLUMNS)} |", f"|{'---|' * len(COLUMNS)}"]
        parts += [f"| {' | '.join(cells(line))} |" for line in lines]
        parts.append("")
    if run.skipped or run.failed:
        parts += ["## Not measured", ""]
        parts += [f"- {name}: {why}" for name, why in run.skipped.items()]
        parts += [f"- {name}: it failed" for name in run.failed]
        parts.append("")
    return "\n".join(parts)


def _short(value: float) -> str:
    """Four figures, and whole numbers as such."""
    if float(value).is_integer() and abs(value) < 1e9:
        return f"{value:,.0f}"
    return f"{value:,.1f}" if abs(value) >= 1000 else f"{value:.4g}"

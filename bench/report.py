"""docs/benchmarks.md and its pictures, from one run's results."""

import textwrap
from datetime import datetime
from pathlib import Path as File

from msgspec import Struct

from bench import plots, wording
from bench.figures import Path
from bench.machine import Machine

WIDTH = 115
DOCS = File(__file__).parents[1] / "docs"
PROFILES = File(__file__).parent / "profiles"


class Report(Struct, frozen=True, kw_only=True):
    """Everything one run found, and on what."""

    began_at: datetime
    seconds: float
    seed: int
    machine: Machine
    paths: list[Path]


def write(report: Report, docs: File = DOCS) -> None:
    """Write the page and the pictures it shows."""
    pictures = docs / "benchmarks"
    pictures.mkdir(parents=True, exist_ok=True)
    growing = [point for path in report.paths for point in path.points]
    beside = [path for path in report.paths if path.lines[0].beside and path.lines[0].own.unit.endswith("/s")]
    if growing:
        (pictures / "growth.svg").write_text(plots.growth(growing))
    if beside:
        (pictures / "beside.svg").write_text(plots.ratios(beside))
    (docs / "benchmarks.md").write_text(page(report))


def page(report: Report, profiles: File = PROFILES) -> str:
    """The whole page. What a profile said of a path, and what was tried, is written by hand in `profiles`."""
    parts = [_head(report)]
    for path in report.paths:
        if not path.points:
            told = profiles / f"{path.name}.md"
            parts += [_path(path), *([told.read_text()] if told.exists() else [])]
    return "\n".join([*parts, _growth(report)])


def _head(report: Report) -> str:
    machine, aims = report.machine, [line.met for path in report.paths for line in path.lines]
    asked = len(aims) - aims.count(None)
    libraries = ", ".join(f"{name} {version}" for name, version in machine.libraries.items())
    return "\n\n".join([
        "# How fast it is",
        _filled(
            f"`make bench` wrote this page: one command, one machine, one run of {report.seconds / 60:.0f} minutes "
            f"on {report.began_at:%-d %B %Y}, all data drawn from the seed {report.seed}. {aims.count(True)} of "
            f"{asked} aims are met. Every figure is the median of its runs, with the least and the most of them; runs "
            "of the things compared take turns, so that a slow moment hits them alike. A ratio is ours to the "
            "other's. The raw figures are in `bench/results/`."
        ),
        _filled(
            f"{machine.cpu}, {machine.cores} cores, {machine.memory_gb:.0f} GB, {machine.system}; Python "
            f"{machine.python}, PostgreSQL {machine.postgres} with fsync and the settings of `touchstone up`, Apache "
            f"Kafka {machine.kafka} (one node); {libraries}. Databases, broker, our processes and the load generator "
            "run on these cores together."
        ),
        "![throughput beside its bare parts and the alternatives](benchmarks/beside.svg)\n",
    ])  # fmt: skip


def _filled(text: str) -> str:
    return textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)


def _path(path: Path) -> str:
    """A path's table, its shares and its notes."""
    rows = ["| own | beside | ratio | aim | met |", "|---|---|---|---|---|"]
    for line in path.lines:
        beside = f"{line.beside.what}: {wording.figure(line.beside)}" if line.beside else ""
        own = f"{line.own.what}: {wording.figure(line.own)}"
        rows.append(
            f"| {own} | {beside} | {wording.ratio(line)} | {wording.aim(line)} | {wording.met(line)} |"
        )
    found = [f"## {path.title}", "", *rows, ""]
    found += [f"{_filled(note)}\n" for note in path.notes]
    if path.cpu:
        told = ", ".join(f"{name} {value:g}" for name, value in path.cpu.items())
        found.append(_filled(f"{path.cpu_unit[0].upper()}{path.cpu_unit[1:]}: {told}.") + "\n")
    if path.peak_mb:
        told = ", ".join(f"{name} {mb:.0f}" for name, mb in path.peak_mb.items())
        found.append(_filled(f"Most memory (MB): {told}.") + "\n")
    return "\n".join(found)


def _growth(report: Report) -> str:
    """The plots of growth, and their figures as a table."""
    found = [path for path in report.paths if path.points]
    if not found:
        return ""
    (path,) = found
    sizes = sorted({point.events for point in path.points})
    rows = ["| | " + " | ".join(f"{size:,} events" for size in sizes) + " |", "|---|" + "---|" * len(sizes)]
    for series in dict.fromkeys(point.series for point in path.points):
        some = {point.events: point for point in path.points if point.series == series}
        told = " | ".join(f"{some[size].value:,.1f}" for size in sizes)
        rows.append(f"| {series}, {some[sizes[0]].unit} | {told} |")
    lines = [f"## {path.title}", "", "![growth](benchmarks/growth.svg)", "", *rows, ""]
    return "\n".join([*lines, *(f"{_filled(note)}\n" for note in path.notes)])

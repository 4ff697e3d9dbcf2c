"""The command: which subjects, what is said meanwhile, what is written at the end."""

import argparse
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from rich.console import Console

from bench.machine import describe
from bench.ml.catalogue import SOURCES, SUBJECTS, Subject, chosen
from bench.ml.line import Line
from bench.ml.page import Run, page, table

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks" / "ml.md"
WORLDS = "uplift.worlds"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print. Status 1 where a promise does not hold or a subject could not be measured."""
    given = _parsed(arguments)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 170)
    if given.seeds:
        found = _worlds(given.seeds)
    else:
        try:
            subjects = chosen(given.only)
        except ValueError as wrong:
            raise SystemExit(str(wrong)) from None
        found = measure(subjects, given.data, console)
        if not given.only:
            found = replace(found, skipped={**found.skipped, **left_out()})
    console.print(table(found))
    if given.write and (given.only or given.seeds or found.failed):
        console.print("Nothing is written: only a whole run is.")
    elif given.write:
        PAGE.write_text(page(found))
        console.print(f"written: {PAGE.relative_to(PAGE.parents[2])}")
    if conclude(found, console):
        raise SystemExit(1)


def conclude(run: Run, console: Console) -> bool:
    """Say what was not measured, what failed and what does not hold. Whether any of the last two is there."""
    for name, why in run.skipped.items():
        console.print(f"not measured: {name}: {why}", markup=False)
    for name in run.failed:
        console.print(f"failed: {name}", markup=False)
    for name in run.broken:
        console.print(f"does not hold: {name}", markup=False)
    console.print(f"{run.held} of {run.held + len(run.broken)} promises hold")
    return bool(run.failed or run.broken)


def measure(subjects: Sequence[Subject], data: Path | None, console: Console) -> Run:
    """Each in turn. One whose data are not there is skipped with a word, one that fails does not end the others."""
    began = time.monotonic()
    lines: dict[str, list[Line]] = {}
    skipped: dict[str, str] = {}
    failed: list[str] = []
    for number, one in enumerate(subjects, start=1):
        console.print(
            f"[bold]{one.name}[/bold] ({number} of {len(subjects)}, {time.monotonic() - began:.0f} s)"
        )
        if missing := one.missing(data):
            skipped[one.name] = "; ".join(
                f"{data or 'DIR'}/{name}/{SOURCES[name][0]} is missing ({SOURCES[name][1]})"
                for name in missing
            )
            console.print(f"  skipped: {skipped[one.name]}", markup=False)
            continue
        try:
            lines[one.name] = one.run(data)
        except Exception:
            traceback.print_exc()
            failed.append(one.name)
    return _run(lines, skipped, failed, time.monotonic() - began)


def left_out() -> dict[str, str]:
    """What is measured only when it is asked for, and why."""
    return {one.name: f"{one.long}; ask for it by --only {one.name}" for one in SUBJECTS if one.long}


def _worlds(seeds: str) -> Run:
    """Only the worlds of uplift whose truth is known, drawn by these seeds."""
    first, _, last = seeds.partition("-")
    if not (first.isdecimal() and (last or first).isdecimal() and int(first) <= int(last or first)):
        raise SystemExit(f"--seeds wants FIRST-LAST, two whole numbers, not {seeds}")
    uplift: Any = import_module("bench.ml.uplift")
    drawn = range(int(first), int(last or first) + 1)
    began = time.monotonic()
    lines = uplift.worlds(uplift.played(drawn), len(drawn))
    return _run({WORLDS: lines}, {}, [], time.monotonic() - began)


def _run(lines: dict[str, list[Line]], skipped: dict[str, str], failed: list[str], seconds: float) -> Run:
    machine = describe("", "")
    return Run(
        on=datetime.now(UTC).date(), machine=f"{machine.cpu}, {machine.cores} cores", seconds=seconds, found=lines,
        skipped=skipped, failed=failed,
    )  # fmt: skip


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.ml", description=sys.modules["bench.ml"].__doc__)
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="the folder with a folder for each set of data"
    )
    parser.add_argument(
        "--only",
        metavar="NAME,NAME",
        help=f"of {', '.join(one.name for one in SUBJECTS)}; nothing is written",
    )
    parser.add_argument(
        "--seeds", metavar="FIRST-LAST", help="only uplift's worlds of known truth, by these seeds"
    )
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks/ml.md")
    return parser.parse_args(arguments)

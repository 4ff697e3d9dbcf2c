"""The command: which paths, what is said meanwhile, what is written at the end."""

import argparse
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path as File

import msgspec
from rich.console import Console

from bench import report, scaling, screen
from bench.catalogue import PATHS
from bench.figures import Path
from bench.ground import Ground
from bench.machine import describe
from bench.report import Report
from bench.sizes import FULL, LARGEST, QUICK, SEED, Sizes

RESULTS = File(__file__).parent / "results"

console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the table, write the results and the report. Status 1 if a path could not be measured."""
    given = _parsed(arguments)
    if given.report:
        newest = max(RESULTS.glob("*.json"))
        known = msgspec.json.decode(newest.read_bytes(), type=Report)
        report.write(known)
        scaling.write(known)
        console.print(f"docs/benchmarks.md and docs/scaling.md say what {newest.name} has")
        return
    signal.signal(signal.SIGTERM, _end)  # so that servers are stopped and folders deleted
    names = given.only.split(",") if given.only else list(PATHS)
    if unknown := [name for name in names if name not in PATHS]:
        raise SystemExit(f"there is no path {unknown[0]}: they are {', '.join(PATHS)}")
    found, failed = measure(names, _sizes(given.quick, given.large))
    console.print(screen.table(found))
    if given.quick or given.only or failed:
        console.print("Nothing is written: only a whole run of full size is.")
    else:
        RESULTS.mkdir(exist_ok=True)
        told = RESULTS / f"{found.began_at:%Y-%m-%d}-{found.machine.short}.json"
        told.write_bytes(msgspec.json.format(msgspec.json.encode(found)))
        report.write(found)
        scaling.write(found)
        console.print(f"written: bench/results/{told.name}, docs/benchmarks.md, docs/scaling.md")
    if failed:
        console.print(f"not measured: {', '.join(failed)}")
        raise SystemExit(1)


def measure(names: Sequence[str], sizes: Sizes) -> tuple[Report, list[str]]:
    """Every path in turn on one ground; a path that fails is told and does not end the others."""
    began_at, began = datetime.now(UTC), time.monotonic()
    paths: list[Path] = []
    failed: list[str] = []
    with Ground(sizes) as ground:
        machine = describe(*ground.versions())
        for name in names:
            console.print(f"[bold]{name}[/bold] ({time.monotonic() - began:.0f} s)")
            path_began = time.monotonic()
            try:
                path = PATHS[name](ground, lambda line: console.print(f"  {line}", markup=False))
            except Exception:
                traceback.print_exc()
                failed.append(name)
                continue
            took = round(time.monotonic() - path_began, 1)
            paths.append(msgspec.structs.replace(path, seconds=took))
    return Report(
        began_at=began_at, seconds=round(time.monotonic() - began), seed=SEED, machine=machine, paths=paths
    ), failed


def _sizes(quick: bool, large: bool) -> Sizes:
    if quick:
        return QUICK
    return msgspec.structs.replace(FULL, growth=(*FULL.growth, LARGEST)) if large else FULL


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=sys.modules["bench"].__doc__)
    parser.add_argument("--only", metavar="PATH,PATH", help=f"of {', '.join(PATHS)}; nothing is written")
    parser.add_argument("--quick", action="store_true", help="a smoke run; its figures mean nothing")
    parser.add_argument(
        "--large", action="store_true", help=f"growth up to {LARGEST:,} events; takes far longer"
    )
    parser.add_argument("--report", action="store_true", help="only write the pages from the newest results")
    return parser.parse_args(arguments)


def _end(*_: object) -> None:
    raise SystemExit(143)

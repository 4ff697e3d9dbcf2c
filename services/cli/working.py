"""import, real-data, replay: bring in what others have."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from infra import cloud_event_in
from infra.intake import Rejected
from infra.quarantine.replay import replay as replay_held
from infra.settings import Settings
from services.cli import running, serving
from services.cli.running import console, fail, settings, workspace
from services.gateway.connectors.again import tell_again
from services.gateway.connectors.settings import ConnectorProblem, load_instances
from services.gateway.segment import Dialect
from services.importer.importing import import_file
from services.importer.known import check_folder, render_checks
from services.importer.mapping import MappingProblem, load_mapping, ready_mapping, ready_mappings
from services.importer.reading import FileProblem
from services.importer.report import render
from services.importer.sending import GatewayProblem

AsOf = Annotated[str, typer.Option("--as-of", help="A day or moment in the past, e.g. 2026-03-01.")]
Issuer = Annotated[str, typer.Option("--issuer", help="Only customers with an identifier of this issuer.")]


@contextmanager
def bar(what: str, unit: str = "") -> Iterator[Callable[[int, int], None]]:
    """A progress bar, told (done, in all); it shows once there is something to do."""
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TextColumn(unit), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(what, total=None, visible=False)
        yield lambda done, total: progress.update(task, completed=done, total=total, visible=total > 0)


def import_(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="CSV (any separator, .gz) or Parquet.")
    ],
    mapping: Annotated[
        str, typer.Option("--mapping", "-m", help="A mapping file, or the name of a ready one.")
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Read and check everything, send nothing.")
    ] = False,
    restart: Annotated[
        bool, typer.Option("--restart", help="Don't go on where an earlier run stopped.")
    ] = False,
) -> None:
    """Send a file's lines to the gateway as history, and account for every line.

    Bad lines go into quarantine with their number and the reason; the rest goes on. Sending a file
    again changes nothing: what is known already is counted as duplicates.
    """
    try:
        rules = ready_mapping(mapping) if mapping in ready_mappings() else load_mapping(Path(mapping))
        if dry_run:
            with bar(file.name) as told:
                console.print(render(import_file(file, rules, dry_run=True, progress=told)))
            return
        known = settings()
        with bar(file.name) as told:
            report = import_file(
                file, rules, known.gateway_url, known.first_key, resume=not restart, progress=told,
                notice=console.print, checkpoints=known.var / "imports",
            )  # fmt: skip
    except (MappingProblem, FileProblem, GatewayProblem) as problem:
        fail(str(problem))
    console.print(render(report))


def real_data(
    folder: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="Where the files are.")],
) -> None:
    """Import every file of a folder that is known here, and hold its counts against the expected ones.

    Uses the workspace that runs; where none does, starts one in var/real-data and stops it afterwards.
    """
    held = None
    if running.found() is None:
        held = serving.start(Settings().model_copy(update={"var": Path("var/real-data")}), no_kafka=True)
    known = held.settings if held else settings()
    try:
        with Progress(
            TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn(), console=console
        ) as bars:
            checks = check_folder(
                folder, known.gateway_url, known.first_key, checkpoints=known.var / "imports",
                notice=console.print, progress=partial(_file_bar, bars),
            )  # fmt: skip
    except GatewayProblem as problem:
        fail(str(problem))
    finally:
        if held is not None:
            serving.stop(held)
    console.print(render_checks(checks))
    if not all(check.passed for check in checks if check.mapping is not None):
        raise typer.Exit(1)


def _file_bar(bars: Progress, path: Path) -> Callable[[int, int], None]:
    task = bars.add_task(path.name, total=None)
    return lambda done, total: bars.update(task, completed=done, total=total)


def replay(
    code: Annotated[str, typer.Option("--code", help="Only entries with this code.")] = "",
) -> None:
    """Try what is in quarantine again, after a fix. What is taken now causes nothing: its origin is replay."""
    held = workspace()
    try:
        asked = held.settings
        instances = load_instances(asked.connectors, os.environ, region=asked.region, matcher=held.matcher)
        dialect = Dialect(asked.sdk_issuer, asked.region)

        def translate(raw: bytes, at: datetime) -> bytes | Rejected:
            return cloud_event_in.again(raw) if cloud_event_in.is_document(raw) else dialect.again(raw, at)

        report = replay_held(held, code or None, translate=translate, others=instances.keys())
        told = tell_again(held, instances) if not code else None
    except ConnectorProblem as problem:
        fail(str(problem))
    finally:
        held.close()
    if told is not None and told.tried:
        console.print(f"{told.tried:,} of connectors tried: {told.told:,} told, {told.held:,} still held")
    console.print(
        f"{report.tried:,} tried: {report.accepted:,} accepted, {report.duplicates:,} duplicates, "
        f"{report.refused:,} refused, {sum(report.held.values()):,} still held, {report.unreadable:,} lines of imports"
    )
    for still, count in report.held.items():
        console.print(f"  {count:,} {still}")
    if report.unreadable:
        console.print(
            "Lines that no mapping could read are cured by a better mapping and importing the file again."
        )


def moment(text: str) -> datetime:
    """A day or a moment as typed; UTC unless it says otherwise."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        fail(f"{text!r} is no date: write 2026-03-01 or 2026-03-01T12:00+08:00")
    return found if found.tzinfo else found.replace(tzinfo=UTC)

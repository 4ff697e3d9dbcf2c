"""connectors list, follow, import: the systems that call us, and the files that they write."""

import json
import os
import threading
import time
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.table import Table

from infra.process.supervisor import Spec, Supervisor
from infra.settings import Settings
from infra.telemetry import serve_metrics
from services.cli import comparing, running
from services.cli.held import counted
from services.cli.running import console, fail
from services.cli.stack import environment
from services.cli.working import bar
from services.gateway import following
from services.gateway.connectors.catalogue import IN_FILES
from services.gateway.connectors.connector import Connector, Instance, Options
from services.gateway.connectors.importing import FileProblem, Imported, import_file
from services.gateway.connectors.settings import ConnectorProblem, examine
from services.gateway.connectors.telling import DOOR

app = typer.Typer(
    no_args_is_help=True, help="Systems that call us in their own words: Asterisk, Twilio, Connect, WeChat …"
)
SHOW_SECONDS = 0.2

Name = Annotated[str, typer.Argument(help="The system's name in the file of TOUCHSTONE_CONNECTORS.")]


@app.command("list")
def list_(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, for scripts.")] = False,
) -> None:
    """Which systems may call, what is set for each, and what is wrong in the file. Secrets are not shown.

    Ends with status 1 where something is wrong: the gateway answers those systems with 503.
    """
    settings = running.found() or Settings()
    examined = examine(settings.connectors, os.environ, region=settings.region)
    items = [_shown(connector, instance) for connector, instance in examined.found.values()]
    if as_json:
        typer.echo(json.dumps({"items": items, "problems": list(examined.problems)}))
    elif settings.connectors is None:
        console.print("TOUCHSTONE_CONNECTORS is not set: no system may call", soft_wrap=True)
    else:
        for one in items:
            _print(one)
        for problem in examined.problems:
            console.print(problem, style="red", markup=False, soft_wrap=True)
    if examined.problems:
        raise typer.Exit(1)


def _print(one: dict[str, Any]) -> None:
    """A block an instance: an address that is cut off is none."""
    said = [f"{name}={_plain(value)}" for name, value in one["options"].items()]
    secrets = ", ".join(f"{name} ***" for name in one["secrets"])
    console.print(f"{one['name']}  {one['kind']}", style="bold", markup=False, soft_wrap=True)
    for line in (one["address"], *said, secrets):
        console.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)


def _shown(connector: Connector, instance: Instance) -> dict[str, Any]:
    usual = msgspec.to_builtins(Options())
    told = msgspec.to_builtins(instance.options).items()
    return {
        "name": instance.name, "kind": connector.kind, "address": f"/v1/connectors/{instance.name}",
        "options": {name: value for name, value in told if value != usual[name]},
        "secrets": sorted(instance.secrets),
    }  # fmt: skip


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}: {one}" for name, one in value.items())
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


@app.command()
def follow(
    name: Name,
    file: Annotated[
        Path, typer.Argument(dir_okay=False, help="The file it writes, e.g. queue_log or Master.csv.")
    ],
    watched: Annotated[
        bool,
        typer.Option(
            "--watched", help="As `touchstone worker`: a parent that replaces what makes no progress."
        ),
    ] = False,
) -> None:
    """Take in a file's lines as they are written, over its rotations and over restarts, until Ctrl-C.

    How far it came is kept under the folder of TOUCHSTONE_VAR. A file that is not there yet is waited for.
    """
    settings = running.settings()
    try:
        connector, instance = following.find(settings, name)
    except ConnectorProblem as problem:
        fail(str(problem))
    stop = following.stopping()
    if watched:
        _watched(settings, name, file, stop)
        return
    workspace = running.workspace()
    lines, began, shown = 0, time.monotonic(), 0.0

    with console.status(f"{file.name}: waiting for lines") as status:

        def told(more: int) -> None:
            nonlocal lines, shown
            lines += more
            if (now := time.monotonic()) - shown > SHOW_SECONDS:
                shown = now
                status.update(f"{file.name}: {counted(lines, 'line')}, {lines / (now - began):,.0f} a second")

        try:
            following.follow(workspace, connector, instance, file, stop, told)
        finally:
            workspace.close()
    console.print(
        f"{file.name}: {counted(lines, 'line')} taken in; it goes on here at the next start", soft_wrap=True
    )


def _watched(settings: Settings, name: str, file: Path, stop: threading.Event) -> None:
    spec = Spec(f"following-{name}", following.MODULE, (name, str(file.resolve())))
    supervisor = Supervisor([spec], settings.var / "run", environment(settings), logs=False)
    serve_metrics(settings.metrics_port + 1 if settings.metrics_port else 0, host=settings.host)
    supervisor.start()
    stop.wait()
    supervisor.stop()


@app.command("import")
def import_(
    name: Name,
    files: Annotated[
        list[Path], typer.Argument(exists=True, dir_okay=False, help="Whole files, packed by gzip or not.")
    ],
) -> None:
    """Take whole files of the past in as history, and account for everything in them.

    Lines that were followed before, or imported before, are duplicates. Ends with status 1 where a file could
    not be read to its end, or something in it is held in quarantine.
    """
    settings = running.settings()
    connector, instance = comparing.chosen(settings, name)
    if connector.kind not in IN_FILES:
        fail(f"a {connector.kind} writes no files; to be imported are {', '.join(sorted(IN_FILES))}")
    workspace = running.workspace()
    done, problems = list[Imported](), list[str]()
    try:
        for file in files:
            try:
                with bar(file.name, "bytes") as told:
                    done.append(import_file(workspace, workspace.door(DOOR), connector, instance, file, told))
            except FileProblem as problem:
                problems.append(str(problem))
    finally:
        workspace.close()
    _report(done)
    for one in problems:
        console.print(one, style="red", markup=False, soft_wrap=True)
    if held := sum(one.quarantined for one in done):
        console.print(f"{held:,} held in quarantine: `touchstone quarantine` shows why", soft_wrap=True)
    if problems or held:
        raise typer.Exit(1)


def _report(done: list[Imported]) -> None:
    if not done:
        return
    fields = ("parts", "events", "accepted", "duplicates", "refused", "quarantined")
    table = Table("file", box=None, header_style="bold")
    for field in fields:
        table.add_column(field, justify="right")
    for one in done:
        table.add_row(one.file, *(f"{getattr(one, field):,}" for field in fields))
    console.print(table)
    for one in done:
        for code, count in sorted(one.codes.items()):
            console.print(f"{one.file}: {count:,} {code}", markup=False, soft_wrap=True)


app.command()(comparing.remap)
app.command()(comparing.reconcile)

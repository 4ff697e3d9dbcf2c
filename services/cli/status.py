"""status: what runs, how far each reader is, what is held; and whether anything of it is not well."""

import os
from collections.abc import Iterator

import typer
from rich.table import Table

from infra.behind import Behind, Webhooks, behind
from infra.clock import SystemClock
from infra.lag import RELAY, lags
from infra.quarantine import held
from infra.quarantine.aside import PROJECTOR
from infra.settings import Settings
from infra.workspace import Workspace, open_workspace
from models.errors import Unavailable
from services.cli import running
from services.cli.held import counted, printable
from services.cli.processes import Seen, seen, wrong_with
from services.cli.running import console
from services.gateway.connectors.settings import examine

NAMES = {PROJECTOR: "views"}
"""What a reader fills says more to people than its own name."""


def status() -> None:
    """Show what runs, how far each reader is behind, and what is held; status 1 if something is not well.

    An entry in quarantine is no fault here: it waits for a sender or for you (`touchstone quarantine`). An
    event that lies aside is one: a reader could not take it.
    """
    settings = running.settings()
    wrong = [*_processes(settings), *_work(settings), *_connectors(settings)]
    if wrong:
        for sentence in wrong:
            console.print(f"Not well: {sentence}", style="red", markup=False, soft_wrap=True)
        raise typer.Exit(1)


def _processes(settings: Settings) -> list[str]:
    """Show the processes of the stack that runs here, else what answers at the addresses; what is not well."""
    told = running.running(settings.var)
    if told is None:
        return _addresses(settings)
    found = seen(told, SystemClock().now())
    table = Table("process", "state", "since", "started again", box=None, header_style="bold")
    for one in found:
        table.add_row(one.name, *_row(one), style="" if one.well else "red")
    console.print(table)
    return [f"{one.name} {one.state}" for one in found if not one.well]


def _addresses(settings: Settings) -> list[str]:
    """Elsewhere another parent watches: what is not to be reached here may run on another machine."""
    table = Table("part", "state", box=None, header_style="bold")
    wrong = []
    for name, url in (("gateway", settings.gateway_url), ("api", settings.api_url)):
        why = wrong_with(url)
        table.add_row(name, f"{why or 'ready'} at {url}")
        if why.startswith("is not ready"):
            wrong.append(f"{name} {why}")
    console.print(table)
    return wrong


def _row(one: Seen) -> tuple[str, str, str]:
    since = f"{one.since.astimezone():%Y-%m-%d %H:%M:%S}" if one.since else ""
    state, _, _ = one.state.partition(":")  # why is told below
    return state, since, "" if one.again is None else counted(one.again, "time")


def _work(settings: Settings) -> list[str]:
    """Show journal, readers, quarantine; what is not well."""
    workspace = open_workspace(settings)
    table = Table("work", "state", box=None, header_style="bold")
    try:
        wrong = _fill(table, workspace)
    except Unavailable as error:
        table.add_row("journal", "does not answer")
        wrong = [f"the journal: {error}"]
    finally:
        workspace.close()
    console.print(table)
    return wrong


def _fill(table: Table, workspace: Workspace) -> list[str]:
    settings = workspace.settings
    stand = lags(workspace.engine, settings.kafka_bootstrap, settings.topic_prefix)
    table.add_row("journal", f"{stand.head:,} events")
    for reader, count in stand.behind.items():
        least = "at least " if stand.kafka and reader != RELAY else ""
        to = f", to {settings.kafka_bootstrap}" if reader == RELAY else ""
        table.add_row(NAMES.get(reader, reader), f"{least}{count:,} events behind{to}")
    for part, state in _others(behind(workspace.engine, settings.topic_prefix), settings):
        table.add_row(part, state)
    open_, aside = workspace.quarantine.counts(), held.aside(workspace.engine)
    told = ", ".join(f"{count:,} {printable(code)}" for code, count in sorted(open_.items()))
    table.add_row("quarantine", told or "empty")
    table.add_row("set aside", ", ".join(f"{n:,} by {reader}" for reader, n in aside.items()) or "nothing")
    return [*([stand.kafka] if stand.kafka else []), *(
        f"{counted(n, 'event')} set aside by {reader}: `touchstone quarantine` says why, `touchstone replay` gives back"
        for reader, n in aside.items()
    )]  # fmt: skip


def _connectors(settings: Settings) -> list[str]:
    """What keeps another system from being heard here: its calls are answered 503 until it is mended."""
    wrong = examine(settings.connectors, os.environ, region=settings.region).problems
    return [f"a connector is not set up: {one}" for one in wrong]


def _others(found: Behind, settings: Settings) -> Iterator[tuple[str, str]]:
    yield "search", f"{found.search:,} events behind"
    if settings.kafka_bootstrap:
        behind = "nothing written yet" if found.states is None else f"{found.states:,} events behind"
        yield "states", "their topic is being filled" if found.filling else behind
    held_up = f", {found.held_up:,} held up" if found.held_up else ""
    yield (
        "erasures",
        f"{found.erasures:,} under way{held_up}" if found.erasures + found.held_up else "none open",
    )
    yield "webhooks", _webhooks(found.webhooks)


def _webhooks(found: Webhooks) -> str:
    """How far the last of them is: it waits for its receiver, so this is no fault here."""
    told = [f"{found.behind:,} events behind at most ({found.enabled:,} enabled)"] if found.enabled else []
    told += [f"{found.failing:,} not taken by the receiver"] if found.failing else []
    told += [f"{found.disabled:,} disabled: `GET /v1/webhooks` says why"] if found.disabled else []
    return ", ".join(told) or "none"

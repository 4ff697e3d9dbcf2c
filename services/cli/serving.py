"""up, down, where, doctor."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from infra.clock import SystemClock
from infra.local.doctor import Check, checks
from infra.local.processes import StartFailed
from infra.settings import Settings
from models.domain.rules import load_rules
from models.errors import Unavailable
from services.cli import running, stack
from services.cli.running import console
from services.cli.scheduled import check_all
from services.gateway.connectors.settings import examine

NoKafka = Annotated[
    bool, typer.Option("--no-kafka", help="Leave the broker out: workers read the journal itself.")
]


def up(
    context: typer.Context,
    no_kafka: NoKafka = False,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Run in the background.")] = False,
) -> None:
    """Start everything on this machine and keep it running.

    Starts PostgreSQL and Apache Kafka (unless DATABASE_URL and KAFKA_BOOTSTRAP name yours), migrates,
    creates the topics, and runs gateway, relay, worker and API. What ends by accident is started again.
    """
    var = Settings().var
    if running.running(var):
        console.print("It runs already. `touchstone status` tells more.")
        return
    try:
        check_all(Settings(), load_rules(Settings().workspace), context)
    except ValueError as error:
        running.fail(str(error))
    if detach:
        _in_background(var, no_kafka)
        return
    held = start(Settings(), no_kafka=no_kafka)
    console.print(f"\nSend events to [b]{held.settings.gateway_url}/v1/touches[/b]")
    console.print(f"Read at        [b]{held.settings.api_url}/docs[/b]")
    console.print(f"Your key is in [b]{held.settings.var / 'keys' / 'api-key'}[/b]. Ctrl-C stops everything.")
    wait_and_stop(held)


def start(settings: Settings, *, no_kafka: bool) -> stack.Stack:
    """Start a stack and tell the other commands; a failure ends with a sentence."""
    try:
        held = stack.start(settings, no_kafka=no_kafka, say=lambda sentence: console.print(sentence))
    except ValueError as error:  # the rules, or a key
        running.fail(str(error))
    except (Unavailable, StartFailed) as error:
        running.fail(f"{error}. `touchstone doctor` says what is missing.")
    running.announce(held)
    return held


def wait_and_stop(held: stack.Stack) -> None:
    """Until somebody says stop; then end everything that was started."""
    told = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: told.set())
    told.wait()
    stop(held)


def stop(held: stack.Stack) -> None:
    """End what was started and say nothing runs any more."""
    with console.status("Stopping"):
        held.stop()
    (held.settings.var / running.FILE).unlink(missing_ok=True)


def down() -> None:
    """Stop what `touchstone up` or `touchstone demo` started here."""
    folders = [Settings().var] if "TOUCHSTONE_VAR" in os.environ else list(running.USUAL)
    stopped = [folder for folder in folders if running.stop(folder)]
    if not stopped:
        console.print("Nothing runs here.")


def where(
    what: Annotated[str, typer.Argument(help="gateway, api, kafka, key, database, metrics or var.")],
) -> None:
    """Print one address of the running workspace, for scripts: `curl $(touchstone where api)/health`."""
    settings = running.settings()
    found = {
        "gateway": settings.gateway_url,
        "api": settings.api_url,
        "kafka": settings.kafka_bootstrap,
        "key": settings.first_key,
        "database": settings.database_url.replace("postgresql+psycopg://", "postgresql://", 1),
        "var": str(settings.var),
        "metrics": _figures(settings),
    }
    if what not in found:
        running.fail(f"it can say where one of these is: {', '.join(found)}")
    if not found[what]:
        running.fail("this workspace runs without Kafka")
    typer.echo(found[what])


def doctor(
    fetch: Annotated[bool, typer.Option("--fetch", help="Download Kafka's jars now.")] = False,
) -> None:
    """Say what this machine is missing, and how to get it."""
    settings = running.found() or Settings()
    found = checks(settings.var, fetch=fetch)
    wrong = examine(settings.connectors, os.environ, region=settings.region).problems
    found += [Check("connectors", False, "not set up", one) for one in wrong]
    table = Table("need", "found", "", box=None, header_style="bold")
    for check in found:
        table.add_row(check.name, check.found, "[green]ok[/green]" if check.ok else f"[red]{check.fix}[/red]")
    console.print(table)
    if not all(check.ok for check in found):
        raise typer.Exit(1)


def _figures(settings: Settings) -> str:
    """Where each process serves its figures, a line each; nothing where another machine runs them."""
    told = running.running(settings.var)
    return (
        "\n".join(f"{name} http://127.0.0.1:{port}/metrics" for name, port in told.metrics.items())
        if told
        else ""
    )


def _in_background(var: Path, no_kafka: bool) -> None:
    var.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "services.cli", "up", *(["--no-kafka"] if no_kafka else [])]
    with (var / "up.log").open("ab") as output:
        begins = {
            "message": "a new run begins",
            "level": "info",
            "timestamp": SystemClock().now().isoformat(),
        }
        output.write(json.dumps(begins).encode() + b"\n")
        output.flush()
        process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
    with console.status("Starting"):
        while running.running(var) is None and process.poll() is None:
            time.sleep(0.2)
    if process.poll() is not None:
        running.fail(f"it did not start; see the end of {var / 'up.log'}")
    console.print("It runs. `touchstone status` tells more, `touchstone down` stops it.")

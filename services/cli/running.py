"""Which workspace a command works on: the one that runs here, or the one the environment names."""

import json
import os
import signal
from pathlib import Path
from typing import NoReturn

import psutil
import typer
from msgspec import Struct
from rich.console import Console

from infra.local.kafka import LocalKafka
from infra.local.postgres import LocalPostgres
from infra.settings import Settings
from infra.workspace import Workspace, open_workspace
from services.cli.stack import Stack

console = Console()
FILE = "running.json"
USUAL = (Path("var/touchstone"), Path("var/demo"), Path("var/telecom"))


class Running(Struct, frozen=True, kw_only=True):
    """What a running stack tells the other commands."""

    pid: int
    began: float
    database_url: str
    vault_url: str
    kafka_bootstrap: str
    gateway_port: int
    api_port: int
    topic_prefix: str
    workspace: str
    metrics: dict[str, int]
    lists: str = ""


def announce(stack: Stack) -> Path:
    """Write down what runs, so that other commands find it."""
    settings = stack.settings
    path = settings.var / FILE
    told = Running(
        pid=os.getpid(), began=psutil.Process().create_time(), database_url=settings.database_url,
        vault_url=settings.vault_url,
        kafka_bootstrap=settings.kafka_bootstrap, gateway_port=settings.gateway_port,
        api_port=settings.api_port, topic_prefix=settings.topic_prefix,
        workspace=str(settings.workspace.resolve()) if settings.workspace else "", metrics=stack.metrics,
        lists=str(settings.lists.resolve()) if settings.lists else "",
    )  # fmt: skip
    path.touch()
    path.chmod(0o600)  # the addresses may hold passwords
    path.write_text(json.dumps({name: getattr(told, name) for name in Running.__struct_fields__}, indent=2))
    return path


def running(var: Path) -> Running | None:
    """The stack that runs in this folder, if one does."""
    try:
        told = Running(**json.loads((var / FILE).read_text()))
        alive = psutil.Process(told.pid)
    except (OSError, ValueError, TypeError, psutil.Error):
        return None
    return told if alive.create_time() == told.began else None  # else the pid is another program's now


def settings() -> Settings:
    """Settings for a command: the environment's, else those of the stack that runs here.

    Exits with a sentence where there is neither.
    """
    known = found()
    if known is not None:
        return known
    for folder in _folders(Settings().var):
        if alive := [title for title, _ in _left_over(folder)]:
            fail(
                f"no workspace runs here: what started it is gone, but of {folder} there still run: "
                f"{', '.join(alive)}. `touchstone down` stops them, `touchstone up` takes them over"
            )
    fail("no workspace runs here: start one with `touchstone up` (or `touchstone demo`), or set DATABASE_URL")


def found() -> Settings | None:
    """The settings of the workspace that runs here or that the environment names; None where there is none."""
    given = Settings()
    for folder in _folders(given.var):
        told = running(folder)
        if told is not None and given.database_url in ("", told.database_url):
            return given.model_copy(update={
                "var": folder.resolve(), "database_url": told.database_url, "vault_url": told.vault_url,
                "kafka_bootstrap": told.kafka_bootstrap, "gateway_port": told.gateway_port,
                "api_port": told.api_port, "topic_prefix": told.topic_prefix,
                "workspace": Path(told.workspace) if told.workspace else given.workspace,
                "lists": Path(told.lists) if told.lists else given.lists,
            })  # fmt: skip
    return given if given.database_url else None


def workspace() -> Workspace:
    """The workspace a command works on, open."""
    known = settings()
    try:
        return open_workspace(known)
    except ValueError as error:
        fail(str(error))


def fail(sentence: str) -> NoReturn:
    """Say what is wrong and end the command with status 1."""
    console.print(sentence, style="red", markup=False, soft_wrap=True)
    raise typer.Exit(1)


def say_wrong(sentence: str, status: int = 1) -> NoReturn:
    """Say what is wrong and end the program with this status."""
    console.print(sentence, style="red", markup=False, soft_wrap=True)
    raise SystemExit(status)


def stop(var: Path) -> bool:
    """Ask the stack of this folder to end and wait for it; False where nothing runs.

    Servers that outlived a killed `up` are stopped too.
    """
    told = running(var)
    if told is None:
        return _stop_left_over(var)
    process = psutil.Process(told.pid)
    process.send_signal(signal.SIGTERM)
    process.wait(30)
    return True


def _folders(var: Path) -> tuple[Path, ...]:
    return (var,) if "TOUCHSTONE_VAR" in os.environ else USUAL


def _stop_left_over(var: Path) -> bool:
    alive = _left_over(var)
    for _, server in alive:
        server.stop()
    return bool(alive)


def _left_over(var: Path) -> list[tuple[str, LocalPostgres | LocalKafka]]:
    """Servers of a folder that run, with what people call them."""
    servers: list[tuple[str, LocalPostgres | LocalKafka]] = []
    if (var / "postgres").exists():
        servers.append(("PostgreSQL", LocalPostgres(var / "postgres")))
    if (var / "kafka").exists():
        servers.append(("Apache Kafka", LocalKafka(var / "kafka")))
    return [(title, server) for title, server in servers if server.alive()]

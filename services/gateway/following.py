"""Follows the file of a system that calls us: `python -m services.gateway.following NAME FILE`."""

import os
import signal
import sys
import threading
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import structlog

from infra.logs import configure_logging
from infra.matching import Matcher
from infra.process.heart import Heart
from infra.process.readiness import ready
from infra.process.supervisor import end_in_time, end_with_parent
from infra.settings import Settings
from infra.telemetry import serve_metrics
from infra.workspace import Workspace, open_workspace
from models.errors import Unavailable
from services.gateway.connectors.catalogue import BY_LINE
from services.gateway.connectors.connector import Connector, Instance
from services.gateway.connectors.settings import ConnectorProblem, find_instance
from services.gateway.connectors.tail import Follower, Tail
from services.gateway.connectors.telling import DOOR

log = structlog.get_logger()
LOOK_SECONDS = 0.5
"""How long a line waits at most when nothing else was written."""
WAIT_SECONDS = 1.0
MODULE = "services.gateway.following"
USAGE = f"python -m {MODULE} NAME FILE: which of the configured systems writes which file"


def find(settings: Settings, name: str) -> tuple[Connector, Instance]:
    """The instance of this name, of a kind that writes lines. Raises `ConnectorProblem`."""
    connector, instance = find_instance(
        name, settings.connectors, os.environ, region=settings.region, matcher=Matcher(settings.matching)
    )
    if connector.kind not in BY_LINE:
        raise ConnectorProblem(
            f"a {connector.kind} writes no file of lines; to be followed are {', '.join(sorted(BY_LINE))}"
        )
    return connector, instance


def state_of(settings: Settings, name: str, file: Path) -> Path:
    """Where it is kept how far a file was followed."""
    place = sha256(str(file.resolve()).encode()).hexdigest()[:12]
    return settings.var / "following" / f"{name}.{place}.json"


def follow(
    workspace: Workspace, connector: Connector, instance: Instance, file: Path, stop: threading.Event,
    told: Callable[[int], None], heart: Heart | None = None,
) -> None:  # fmt: skip
    """Take in what is written, until told to stop; a database that is away is waited for.

    `told` gets the number of lines of each step that found any.
    """
    heart = heart or Heart()
    state = state_of(workspace.settings, instance.name, file)
    state.parent.mkdir(parents=True, exist_ok=True)
    follower = Follower(workspace, workspace.door(DOOR), connector, instance)
    tail = Tail(file, state, connector)
    try:
        while not stop.is_set():
            try:
                with heart.asking():
                    lines = follower.step(tail)
            except Unavailable as error:
                log.warning("waiting", loop="following", why=str(error))
                stop.wait(WAIT_SECONDS)
                continue
            if lines:
                told(lines)
            else:
                stop.wait(LOOK_SECONDS)
    finally:
        tail.close()


def stopping() -> threading.Event:
    """Set when this process is asked to end; what waits for a database then still ends in time."""
    stop = threading.Event()

    def told(*_: object) -> None:
        stop.set()
        end_in_time()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, told)
    return stop


def main(arguments: list[str]) -> None:
    """Run until stopped."""
    if len(arguments) != 2:
        raise SystemExit(USAGE)
    name, file = arguments[0], Path(arguments[1])
    configure_logging()
    end_with_parent()
    workspace = open_workspace(Settings())
    settings = workspace.settings
    try:
        connector, instance = find(settings, name)
    except ConnectorProblem as problem:
        raise SystemExit(str(problem)) from None
    serve_metrics(settings.metrics_port, ready=ready(workspace), host=settings.host)
    stop = stopping()
    heart = Heart.of_process()
    heart.beat_in_thread()
    log.info("following", connector=name, file=file.name)
    follow(workspace, connector, instance, file, stop, lambda _: None, heart)
    workspace.close()


if __name__ == "__main__":
    main(sys.argv[1:])

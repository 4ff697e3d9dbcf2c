"""Runs one worker: under faust where there is a broker, plain where there is none."""

import asyncio
import sys

from faust import Worker

from infra.logs import configure_logging
from infra.process.collector import keep_what_is_loaded
from infra.process.heart import Heart
from infra.process.readiness import ready
from infra.process.supervisor import end_in_time, end_with_parent
from infra.settings import Settings
from infra.telemetry import serve_metrics
from infra.workspace import Workspace, open_workspace
from services.workers.app import LOOPS, ROLES, create_app

USAGE = f"python -m services.workers {'|'.join(ROLES)}: which worker is to run (intake needs Kafka)"


def main(arguments: list[str]) -> None:
    """Run until stopped."""
    if len(arguments) != 1 or arguments[0] not in ROLES:
        raise SystemExit(USAGE)
    (role,) = arguments
    configure_logging()
    end_with_parent()
    workspace = open_workspace(Settings())
    settings = workspace.settings
    serve_metrics(settings.metrics_port, ready=ready(workspace), host=settings.host)
    heart = Heart.of_process()
    keep_what_is_loaded()
    if settings.kafka_bootstrap:
        app = create_app(workspace, role, heart)
        worker = _Worker(app, loglevel="WARN", quiet=True, redirect_stdouts=False, override_logging=False)
        worker.spinner = None  # it writes to stdout even when told to be quiet, and a log is no terminal
        worker.execute_from_commandline()
    elif role in LOOPS:
        asyncio.run(_plain(workspace, role, heart))
    else:
        raise SystemExit("the intake reads Kafka: set KAFKA_BOOTSTRAP")


class _Worker(Worker):
    """A worker that ends in time: a broker that is away keeps a consumer from leaving its group."""

    async def stop(self) -> None:
        """Stop, or be ended."""
        end_in_time()
        await super().stop()


async def _plain(workspace: Workspace, role: str, heart: Heart) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(heart.beat_for_ever())
        group.create_task(LOOPS[role](workspace, heart))


if __name__ == "__main__":
    main(sys.argv[1:])

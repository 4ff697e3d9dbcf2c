"""Runs one worker: under faust where there is a broker, plain where there is none."""

import asyncio
import logging

from faust import Worker

from infra.settings import Settings
from infra.supervisor import end_with_parent
from infra.telemetry import configure_logging, serve_metrics
from infra.workspace import Workspace, open_workspace
from services.workers import loops
from services.workers.app import create_app


def main() -> None:
    """Run until stopped."""
    configure_logging()
    end_with_parent()
    workspace = open_workspace(Settings())
    serve_metrics(workspace.settings.metrics_port)
    if workspace.settings.kafka_bootstrap:
        logging.getLogger("faust").setLevel(logging.WARNING)
        Worker(create_app(workspace), loglevel="WARN", redirect_stdouts=False).execute_from_commandline()
    else:
        asyncio.run(_plain(workspace))


async def _plain(workspace: Workspace) -> None:
    async with asyncio.TaskGroup() as group:
        for loop in (loops.project, loops.react, loops.sweep):
            group.create_task(loop(workspace))


if __name__ == "__main__":
    main()

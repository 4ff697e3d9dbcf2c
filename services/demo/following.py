"""Waiting until the views have what the journal has."""

import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from sqlalchemy import text

from infra.workspace import Workspace
from models.errors import Unavailable
from services.cli.stack import Stack

PROJECT_SECONDS = 300.0
LOOK_SECONDS = 0.2
"""Between two looks at the ledger."""


def follow(what: str, stack: Stack, workspace: Workspace, console: Console) -> None:
    """Wait; a bar shows how far they are. Raises `Unavailable` where they do not catch up, naming the log."""
    deadline = time.monotonic() + PROJECT_SECONDS
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TextColumn("events"))
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(what)
        while True:
            with workspace.engine.connect() as connection:
                done = connection.execute(text("SELECT count(*) FROM ledger")).scalar_one()
            total = workspace.journal.head()
            progress.update(task, completed=done, total=total)
            if done >= total:
                return
            if time.monotonic() > deadline:
                log = stack.supervisor.log_of("projector")
                raise Unavailable(f"the views fell behind and did not catch up: see {log}")
            time.sleep(LOOK_SECONDS)

"""schedule: what runs by itself, when it comes next, how it went; and running one now."""

import signal
import sys
import threading
from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

import typer
from rich.table import Table

from infra.process.heart import Heart
from infra.schedule.running import Stopped
from infra.schedule.scheduler import Scheduler
from infra.schedule.standings import Standings
from infra.workspace import Workspace
from models.domain.schedule import Job, Standing, next_after
from models.errors import Refused
from services.cli.running import console, fail, workspace
from services.cli.scheduled import check_all

app = typer.Typer()
NEVER = "not yet"
MODULE = "services.cli.job"
"""What runs a job's words."""


@app.callback(invoke_without_command=True)
def show(context: typer.Context) -> None:
    """What runs by itself: each job, its next time on the workspace's clock, its last run and how that ended.

    In the rules (TOUCHSTONE_WORKSPACE), a table `schedule` for each job:

    when = "0 4 * * 1" (minute, hour, day of the month, month, weekday)

    run = "score --issuer telecom" (a command, as it is typed)

    Beside them, definitions of lists in the folder TOUCHSTONE_LISTS that have a `schedule`.

    The process `scheduler` runs them. Status 1 if one failed or can't be read.
    """
    if context.invoked_subcommand is not None:
        return
    held = workspace()
    try:
        check_all(held.settings, held.rules, context)
        wrong = _show(held)
    except ValueError as error:
        fail(str(error))
    finally:
        held.close()
    for sentence in wrong:
        console.print(f"Not well: {sentence}", style="red", markup=False, soft_wrap=True)
    if wrong:
        raise typer.Exit(1)


@app.command()
def run(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The job, as `touchstone schedule` names it.")],
) -> None:
    """Run a job now, once what runs already has ended; it is recorded like any other run."""
    held = workspace()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    program = (sys.executable, "-m", MODULE)
    scheduler = Scheduler(held, program, Heart(), stop)
    log = scheduler.output(name)
    begins = log.stat().st_size if log.is_file() else 0
    try:
        check_all(held.settings, held.rules, context)
        with console.status("Running"):
            state = scheduler.run_now(name, "touchstone schedule run")
    except Refused as error:
        fail(error.detail)
    except ValueError as error:
        fail(str(error))
    except Stopped:
        fail("it was ended, and counts as not run")
    finally:
        held.close()
    with log.open("rb") as said:
        said.seek(begins)
        _, *lines = said.read().decode(errors="replace").splitlines()
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    if state.outcome != "done":
        fail(f"{name} failed; {log} says why")
    console.print(f"{name} is done", markup=False)


def _show(held: Workspace) -> list[str]:
    """Print the jobs; what is wrong with some."""
    zone, now = ZoneInfo(held.settings.zone), held.clock.now()
    plan = Scheduler(held, (), Heart(), threading.Event()).plan()
    standings = Standings(held)
    table = Table("job", "when", f"next ({zone.key})", "last run", "outcome", box=None, header_style="bold")
    wrong = list(plan.problems)
    for job in plan.jobs:
        state = standings.of(job)
        at = next_after(job.when, now, zone)
        table.add_row(
            job.name, job.when, _moment(at, zone), _moment(state.ended_at, zone), state.outcome or NEVER
        )
        wrong += _wrong_with(job, state)
    console.print(table if plan.jobs else "Nothing is scheduled: `touchstone schedule --help` says how.")
    return wrong


def _wrong_with(job: Job, state: Standing) -> list[str]:
    if state.outcome != "failed":
        return []
    return [
        f"{job.name} failed; its log in logs/schedule says why, `touchstone schedule run {job.name}` tries again"
    ]


def _moment(at: datetime | None, zone: ZoneInfo) -> str:
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M}" if at else ""

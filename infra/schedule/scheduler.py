"""Whose turn it is: one process of a workspace at a time looks what is due, and runs it, one job after the other."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

import structlog
from prometheus_client import Counter, Gauge
from sqlalchemy import text

from events.schedule import RunEnded
from infra.database import unavailable
from infra.process.heart import Heart
from infra.schedule.planning import Plan, plan
from infra.schedule.running import Stopped, run
from infra.schedule.standings import Standings
from infra.workspace import Workspace
from models.domain.schedule import Due, Job, Standing, due
from models.errors import Conflict, Refused, Unavailable

log = structlog.get_logger()
AGE = Gauge(
    "touchstone_schedule_success_age_seconds",
    "Since a job last ended well, or came to the schedule",
    ["name"],
)
FAILED = Counter("touchstone_schedule_failed_total", "Scheduled runs that failed", ["name"])
LOOK_SECONDS = 3.0
WAIT_SECONDS = 1.0
NOT_STARTED = 127
"""The status of a command that could not even be started, as a shell has it."""

_TURN = 7_305_000_119
"""An advisory lock of PostgreSQL: whoever looks what is due holds it until that was run."""


class Scheduler:
    """Runs what is due. `program` is what a job's words are put behind; `stop` ends what runs, which then counts as
    not run. A run that was not recorded comes again: each job is run at least once for its moment.
    """

    def __init__(
        self, workspace: Workspace, program: Sequence[str], heart: Heart, stop: threading.Event
    ) -> None:
        self._workspace, self._program, self._heart, self._stop = workspace, tuple(program), heart, stop
        self._standings = Standings(workspace)
        self._zone = ZoneInfo(workspace.settings.zone)
        self._told: tuple[str, ...] = ()
        self._shown: set[str] = set()

    def run(self) -> None:
        """Look every few seconds, until told to stop."""
        while not self._stop.is_set():
            try:
                self.turn()
            except Stopped:
                return
            except (Unavailable, Conflict) as error:
                log.warning("waiting", loop="scheduler", why=str(error))
            self._stop.wait(LOOK_SECONDS)

    def turn(self) -> int:
        """Run what is due, one after the other; how many. None while another process has its turn.

        Raises `Unavailable`, and `Stopped` where it was told to stop meanwhile.
        """
        ran = 0
        with self._alone() as ours:
            if not ours:
                return 0
            while (one := self._next()) is not None:
                self._run(one, "scheduler")
                ran += 1
        return ran

    def run_now(self, name: str, actor: str) -> Standing:
        """Run a job at once, when what runs has ended; where it stands then.

        Raises `Refused` (`schedule.unknown`) where there is no such job, `Unavailable`, `Stopped`.
        """
        jobs = {job.name: job for job in self.plan().jobs}
        job = jobs.get(name)
        if job is None:
            there = ", ".join(jobs) or "none"
            raise Refused("schedule.unknown", f"no job is called {name!r}; there are: {there}")
        while True:
            with self._alone() as ours:
                if ours:
                    self._standings.plan(job)
                    self._run(Due(job=job, due_at=self._workspace.clock.now()), actor)
                    return self._standings.last(name)
            if self._stop.wait(WAIT_SECONDS):
                raise Stopped

    def plan(self) -> Plan:
        """Which jobs there are now: lists may be added and taken away while this runs."""
        return plan(self._workspace.rules, self._workspace.settings)

    def output(self, job: str) -> Path:
        """Where the runs of a job say what they do."""
        return self._workspace.settings.var / "logs" / "schedule" / f"{job}.log"

    def _next(self) -> Due | None:
        if self._stop.is_set():
            raise Stopped
        found = self.plan()
        self._warn(found.problems)
        with self._heart.asking():
            for job in found.jobs:
                self._standings.plan(job)
        standings = {job.name: self._standings.last(job.name) for job in found.jobs}
        self._show(found.jobs)
        waiting = due(found.jobs, standings, self._workspace.clock.now(), self._zone)
        return waiting[0] if waiting else None

    def _run(self, one: Due, actor: str) -> None:
        job, begins = one.job, self._workspace.clock.now()
        try:
            status = run(self._program, job.words, self.output(job.name), begins, self._stop)
        except OSError as error:
            log.error("not started", job=job.name, why=type(error).__name__)
            status = NOT_STARTED
        outcome: Literal["done", "failed"] = "done" if status == 0 else "failed"
        if outcome == "failed":
            FAILED.labels(job.name).inc()
        log.info("run ended", job=job.name, outcome=outcome, status=status)
        event = RunEnded(
            job=job.name, words=job.words, due_at=one.due_at, started_at=begins, outcome=outcome,
            exit_status=status,
        )  # fmt: skip
        self._record(job, event, actor)

    def _record(self, job: Job, event: RunEnded, actor: str) -> None:
        """What was run is not run again for a database that is away for a while."""
        while True:
            try:
                with self._heart.asking():
                    self._standings.ended(job, event, actor)
                return
            except Unavailable as error:
                log.warning("waiting", loop="scheduler", why=str(error))
            if self._stop.wait(WAIT_SECONDS):
                raise Stopped

    @contextmanager
    def _alone(self) -> Iterator[bool]:
        """Whether this is the only one that runs jobs, for as long as the database knows of us."""
        with unavailable():
            with self._heart.asking():
                connection = self._workspace.engine.connect()
            with connection.execution_options(isolation_level="AUTOCOMMIT"):
                with self._heart.asking():
                    query = text("SELECT pg_try_advisory_lock(:lock)")
                    got = bool(connection.execute(query, {"lock": _TURN}).scalar_one())
                try:
                    yield got
                finally:
                    if got:
                        with self._heart.asking():
                            connection.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": _TURN})

    def _warn(self, problems: tuple[str, ...]) -> None:
        """Once for each change: the folder is looked at every few seconds."""
        for problem in set(problems) - set(self._told):
            log.warning("not scheduled", why=problem)
        self._told = problems

    def _show(self, jobs: Sequence[Job]) -> None:
        """The figures of the jobs that there are."""
        names = {job.name for job in jobs}
        for name in self._shown - names:
            AGE.remove(name)
        for name in names - self._shown:
            FAILED.labels(name)
            AGE.labels(name).set_function(partial(self._age, name))
        self._shown = names

    def _age(self, name: str) -> float:
        state, now = self._standings.last(name), self._workspace.clock.now()
        return (now - (state.done_at or state.planned_at or now)).total_seconds()

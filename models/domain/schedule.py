"""What happens by itself: when a job is due on the workspace's clock, and in which order jobs run."""

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

import msgspec
from cronsim import CronSim, CronSimError
from msgspec import Meta, Struct

from events.envelope import Envelope
from events.schedule import JobPlanned, RunEnded

COMMANDS = frozenset({
    "train", "score", "value", "personas", "related", "uplift", "offers", "models check", "list build", "list refresh",
    "export",
})  # fmt: skip
"""The commands that may be scheduled, by their first words: each is harmless when done twice."""
FIELDS = 5
EXAMPLE = (
    'five fields of cron (minute, hour, day of the month, month, weekday), say "0 4 * * 1" for Mondays at 4'
)
_LONG_AGO = datetime(2000, 1, 1)  # noqa: DTZ001  any moment serves to see whether a time ever comes
_LOOKS = tuple(timedelta(hours=1) * 24**power for power in range(4))
"""How far back the last of several missed moments is looked for, the near past first."""


class Scheduled(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry of the rules: `run` is one of `COMMANDS` as it is typed, `when` five fields of cron.

    Without a `name` the job is called after its words.
    """

    when: Annotated[str, Meta(max_length=200)]
    run: Annotated[str, Meta(max_length=1_000)]
    name: Annotated[str, Meta(max_length=100, pattern=r"^([\w.\-]+)?(?!\n)$")] = ""

    def __post_init__(self) -> None:
        check_time(self.when)
        check_command(self.words)

    @property
    def words(self) -> tuple[str, ...]:
        """The command's words. Raises ValueError where a quotation has no end."""
        try:
            return tuple(shlex.split(self.run))
        except ValueError as error:
            raise ValueError(f"run: {self.run!r} can't be read ({error})") from None

    def job(self) -> "Job":
        """What is to be run, and when."""
        return Job(name=self.name or named_after(" ".join(self.words)), when=self.when, words=self.words)


class Job(Struct, frozen=True, kw_only=True):
    """A command of ours that is due at times; the name is unique within a workspace."""

    name: str
    when: str
    words: tuple[str, ...]


class Standing(Struct, frozen=True, kw_only=True):
    """Where a job stands, by its own stream."""

    revision: int = 0
    when: str = ""
    words: tuple[str, ...] = ()
    planned_at: datetime | None = None
    due_at: datetime | None = None
    """The latest moment that it was run for."""
    ended_at: datetime | None = None
    outcome: Literal["done", "failed"] | None = None
    done_at: datetime | None = None
    """When a run last ended well."""


class Due(Struct, frozen=True, kw_only=True):
    """A job, and the moment for which it is to be run."""

    job: Job
    due_at: datetime


def named_after(text: str) -> str:
    """A name out of a command's words or a file's name."""
    return re.sub(r"[^\w.]+", "-", text)[:100].strip("-")


def check_time(when: str) -> None:
    """Return if this is a time that comes. Raises ValueError with what it should be."""
    if len(when.split()) != FIELDS:
        raise ValueError(f"when: {when!r} is no time of a schedule: write {EXAMPLE}")
    try:
        next(CronSim(when, _LONG_AGO))
    except (CronSimError, AssertionError) as error:
        raise ValueError(
            f"when: {when!r} is no time of a schedule ({str(error).lower()}): write {EXAMPLE}"
        ) from None
    except StopIteration:
        raise ValueError(f"when: {when!r} never comes: write {EXAMPLE}") from None


def check_command(words: Sequence[str]) -> None:
    """Return if a command may be scheduled. Raises ValueError with those that may."""
    if " ".join(words[:1]) not in COMMANDS and " ".join(words[:2]) not in COMMANDS:
        allowed = ", ".join(sorted(COMMANDS))
        raise ValueError(f"run: {' '.join(words)!r} can't be scheduled: begin with one of {allowed}")


def named_once(jobs: Iterable[Job]) -> None:
    """Return if each name is one job's. Raises ValueError naming the first that is not."""
    seen: set[str] = set()
    for job in jobs:
        if job.name in seen:
            raise ValueError(f'schedule: two jobs are called {job.name!r}: give one of them a name = "…"')
        seen.add(job.name)


def next_after(when: str, moment: datetime, zone: ZoneInfo) -> datetime | None:
    """The first time after a moment (UTC); None where none comes in 50 years.

    As with Debian's cron, an hour that the clock leaps over is made up for when the leap is done, and one that
    comes twice counts once; a time with a star for its minute or hour follows the real hours.
    """
    for found in CronSim(when, moment.astimezone(zone)):
        at = found.astimezone(UTC)
        if at > moment:  # in the hour that comes twice, a time is answered as of its first coming
            return at
    return None


def last_due(when: str, since: datetime, now: datetime, zone: ZoneInfo) -> datetime | None:
    """The latest time after `since` and up to `now` (UTC); None where nothing was due."""
    first = next_after(when, since, zone)
    if first is None or first > now:
        return None
    for look in _LOOKS:
        latest = _latest(when, max(since, now - look), now, zone)
        if latest is not None:
            return latest
    return _latest(when, since, now, zone)


def evolve(state: Standing, envelope: Envelope) -> Standing:
    """Where a job stands after one more event of its stream."""
    state = msgspec.structs.replace(state, revision=state.revision + 1)
    match envelope.event:
        case JobPlanned(when=when, words=words):
            return msgspec.structs.replace(state, when=when, words=words, planned_at=envelope.occurred_at)
        case RunEnded(due_at=due_at, outcome=outcome):
            at = envelope.occurred_at
            done = at if outcome == "done" else state.done_at
            latest = max(due_at, state.due_at or due_at)
            return msgspec.structs.replace(state, due_at=latest, ended_at=at, outcome=outcome, done_at=done)
        case _:
            return state


def planned(job: Job, state: Standing) -> JobPlanned | None:
    """What is to be recorded when a job is seen for the first time, or with another time or command."""
    if (state.when, state.words) == (job.when, job.words):
        return None
    return JobPlanned(job=job.name, when=job.when, words=job.words)


def due(jobs: Sequence[Job], standings: Mapping[str, Standing], now: datetime, zone: ZoneInfo) -> list[Due]:
    """What is to be run now: the longest overdue first, and of the same moment in the order of `jobs`.

    Of several missed moments of a job only the last counts. A job that was not planned yet is not due.
    """
    found = []
    for job in jobs:
        state = standings.get(job.name, Standing())
        if state.planned_at is None:
            continue
        since = max(state.planned_at, state.due_at or state.planned_at)
        if (at := last_due(job.when, since, now, zone)) is not None:
            found.append(Due(job=job, due_at=at))
    return sorted(found, key=lambda one: one.due_at)


def _latest(when: str, since: datetime, now: datetime, zone: ZoneInfo) -> datetime | None:
    latest, at = None, next_after(when, since, zone)
    while at is not None and at <= now:
        latest, at = at, next_after(when, at, zone)
    return latest

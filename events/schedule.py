"""What the company does by itself at set times, and how that went."""

from typing import Annotated, Literal

from msgspec import Meta

from events.envelope import Event
from events.registry import event
from events.vocabulary import Code, Moment, Name

Word = Annotated[str, Meta(max_length=1_000)]


@event("schedule.job_planned", by="scheduler", category="schedule", key="job")
class JobPlanned(Event):
    """From now on a command runs by itself: `when` is five fields of cron, on the workspace's clock.

    Said when a job is new, and again when its time or its words are others than before.
    """

    job: Code
    when: Name
    words: tuple[Word, ...]


@event("schedule.run_ended", by="scheduler, touchstone schedule run", category="schedule", key="job")
class RunEnded(Event):
    """A scheduled command came to its end: `due_at` is the moment it was run for, `exit_status` what it ended with:
    0 is done; below 0 it was ended by the signal of that number.
    """

    job: Code
    words: tuple[Word, ...]
    due_at: Moment
    started_at: Moment
    outcome: Literal["done", "failed"]
    exit_status: int

"""What was planned and what was run, in the journal: a stream a job."""

from datetime import datetime

from events.schedule import JobPlanned, RunEnded
from infra.workspace import Workspace
from models.domain.schedule import Job, Standing, evolve, planned
from models.errors import Conflict
from models.ports import By, Write
from models.tables.journal import journal

SOURCE = "schedule"


class Standings:
    """Where each job stands, read on from where it was read before. Everything raises `Unavailable`."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._known: dict[str, Standing] = {}

    def of(self, job: Job) -> Standing:
        """Where a job stands now."""
        state = self._known.get(job.name, Standing())
        news = self._workspace.journal.read(
            journal.c.stream == _stream(job), journal.c.revision > state.revision, order=journal.c.revision
        )
        for envelope in news:
            state = evolve(state, envelope)
        self._known[job.name] = state
        return state

    def last(self, job: str) -> Standing:
        """Where it stood when it was read last, without a question to the journal."""
        return self._known.get(job, Standing())

    def plan(self, job: Job) -> None:
        """Record that a job is new or was changed, if it is or was."""
        state = self.of(job)
        said = planned(job, state)
        if said is not None:
            self._record(job, said, f"{job.name}:planned:{state.revision + 1}", "scheduler")

    def ended(self, job: Job, event: RunEnded, actor: str) -> None:
        """Record a run; one for the same moment is recorded once."""
        self._record(job, event, f"{job.name}:{event.due_at.isoformat()}", actor)

    def _record(self, job: Job, event: JobPlanned | RunEnded, id: str, actor: str) -> None:
        by = By(source=SOURCE, source_id=id, actor=actor)
        now: datetime = self._workspace.clock.now()
        while True:
            state = self.of(job)
            write = Write(stream=_stream(job), expected=state.revision, events=[(event, now)])
            try:
                self._workspace.log.record(by, [write])
            except Conflict:  # another scheduler was between; its word is read, and ours comes after it
                continue
            self.of(job)
            return


def _stream(job: Job) -> str:
    return f"{SOURCE}-{job.name}"

"""The log as readers meet it: messages in partitions, handed out again at will, with crashes in between."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

from sqlalchemy import Engine, event, select

from events.envelope import Envelope
from infra.feeds import Batch
from infra.messages import from_row, to_envelope
from infra.workspace import Workspace
from models.tables.journal import WRITTEN, journal


class Lanes:
    """Partitions of a topic, each key always on the same one, filled from the journal beyond a position."""

    def __init__(self, workspace: Workspace, topic: str, partitions: int, first: int = 0) -> None:
        self._engine, self._topic, self._first = workspace.engine, topic, first
        self._place: dict[bytes, int] = {}
        self._seen = workspace.journal.head()
        self.lanes: list[list[Envelope]] = [[] for _ in range(partitions)]

    def __len__(self) -> int:
        return len(self.lanes)

    def catch_up(self) -> None:
        """Send on what was recorded since, as the relay does."""
        query = select(*(journal.c[name] for name in WRITTEN)).order_by(journal.c.position)
        with self._engine.connect() as connection:
            rows = connection.execute(query.where(journal.c.position > self._seen)).all()
        for row in rows:
            message = from_row(row)
            for key in message.keys:
                lane = self._place.setdefault(key, (len(self._place) + self._first) % len(self.lanes))
                self.lanes[lane].append(to_envelope(message.value, message.headers))
            self._seen = message.position

    def batch(self, lane: int, begin: int, end: int) -> Batch:
        """What lies between two offsets of a lane."""
        found = self.lanes[lane][max(begin, 0) : end]
        return Batch(lane, self._topic, found, max(begin, 0) + len(found))


class Crash(Exception):
    """The process ends here."""


@contextmanager
def crashing(engine: Engine, at: int) -> Iterator[None]:
    """Whoever uses the database here dies before the step of this number, if they come so far.

    A step is a statement or a commit.
    """
    steps = count()

    def step(*about: Any) -> None:
        if next(steps) == at:
            raise Crash

    for kind in ("before_cursor_execute", "commit"):
        event.listen(engine, kind, step)
    try:
        yield
    finally:
        for kind in ("before_cursor_execute", "commit"):
            event.remove(engine, kind, step)

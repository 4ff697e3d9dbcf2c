"""The journal: appends of a process share a commit, each item has its own verdict; and reading back."""

import threading
from collections.abc import Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from queue import Empty, SimpleQueue
from typing import Any

import structlog
from sqlalchemy import ColumnElement, Connection, Engine, select, text

from events.envelope import Envelope
from infra.clock import Clock
from infra.database import unavailable
from infra.item import Accepted, Broken, Duplicate, Item, Stale, Verdict
from infra.journal.appending import append
from infra.journal.stored import read
from infra.logs import described
from infra.telemetry import GROUP as GROUP_COMMIT
from models.errors import Conflict, Unavailable
from models.tables.journal import journal, journal_head

log = structlog.get_logger()
GROUP = 5_000
"""Events that share one commit at most."""


class Journal:
    """Appends items and reads them back. One instance a process; appends from its threads are grouped."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self.engine, self._clock = engine, clock
        self._waiting: SimpleQueue[tuple[Sequence[Item], Future[list[Verdict]]] | None] = SimpleQueue()
        self._writer: threading.Thread | None = None
        self._starting = threading.Lock()

    def append(self, items: Sequence[Item]) -> list[Verdict]:
        """A verdict per item, after the commit. Raises `Unavailable`; then nothing was acknowledged."""
        return self.submit(items).result()

    def append_one(self, item: Item) -> Accepted | Duplicate:
        """One item's verdict; a stale revision raises `Conflict`, a broken item what broke it."""
        verdict = self.append([item])[0]
        if isinstance(verdict, Stale):
            raise Conflict(f"{verdict.stream} is at revision {verdict.revision}")
        if isinstance(verdict, Broken):
            raise verdict.error
        return verdict

    def submit(self, items: Sequence[Item]) -> "Future[list[Verdict]]":
        """Like `append`, without waiting: whatever waits at the same time shares one commit."""
        future: Future[list[Verdict]] = Future()
        self._waiting.put((items, future))
        if self._writer is None:
            with self._starting:
                if self._writer is None:
                    self._writer = threading.Thread(target=self._write, name="journal", daemon=True)
                    self._writer.start()
        return future

    def _write(self) -> None:
        """The one writer of this process: drain, append in one transaction, answer everybody."""
        while True:
            head = self._waiting.get()
            if head is None:
                return
            group, size = [head], len(head[0])
            while size < GROUP:
                try:
                    more = self._waiting.get_nowait()
                except Empty:
                    break
                if more is None:
                    self._waiting.put(None)
                    break
                group.append(more)
                size += len(more[0])
            self._answer(group)

    def _answer(self, group: list[tuple[Sequence[Item], "Future[list[Verdict]]"]]) -> None:
        try:
            verdicts = self._commit([item for items, _ in group for item in items])
        except BaseException as error:  # whoever waits must hear of it; the writer itself goes on
            if len(group) > 1 and not isinstance(error, Unavailable):
                for one in group:  # one bad item must not fail its neighbours
                    self._answer([one])
                return
            for items, future in group:
                if isinstance(error, Exception) and not isinstance(error, Unavailable):
                    self._answer_singly(items, future)
                else:
                    future.set_exception(error)
            return
        at = 0
        for items, future in group:
            future.set_result(verdicts[at : at + len(items)])
            at += len(items)

    def _answer_singly(self, items: Sequence[Item], future: "Future[list[Verdict]]") -> None:
        """A call with a bad item in it: a commit an item, so that the others stand."""
        verdicts: list[Verdict] = []
        for item in items:
            try:
                verdicts += self._commit([item])
            except Unavailable as error:
                future.set_exception(error)
                return
            except Exception as error:
                log.error("not recorded", **described(error))
                verdicts.append(Broken(type(error).__name__, error))
        future.set_result(verdicts)

    def _commit(self, items: Sequence[Item]) -> list[Verdict]:
        with unavailable(), self.engine.begin() as connection:
            verdicts = append(connection, items, self._clock)
        GROUP_COMMIT.observe(sum(len(item.drafts) for item in items))
        return verdicts

    def close(self) -> None:
        """Write what waits, then stop the writer."""
        if self._writer is not None:
            self._waiting.put(None)
            self._writer.join()
            self._writer = None

    def head(self) -> int:
        """The last position."""
        with unavailable(), self.engine.connect() as connection:
            return connection.execute(select(journal_head.c.position)).scalar_one()

    def stream(self, name: str) -> list[Envelope]:
        """A stream's events in the order of their revisions."""
        return self.read(journal.c.stream == name, order=journal.c.revision)

    def read(
        self,
        *where: ColumnElement[bool],
        order: ColumnElement[Any] = journal.c.position,
        limit: int | None = None,
    ) -> list[Envelope]:
        """The envelopes that match, in this order."""
        with unavailable(), self.engine.connect() as connection:
            return read(connection, *where, order=order, limit=limit)


def open_journal(connection: Connection) -> None:
    """Make sure the journal has its head row; part of migrating."""
    connection.execute(
        text(
            "INSERT INTO journal_head (id, position, recorded_at) VALUES (1, 0, :at) "
            "ON CONFLICT (id) DO NOTHING"
        ),
        {"at": datetime(1970, 1, 1, tzinfo=UTC)},
    )

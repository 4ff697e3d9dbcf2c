"""Setting an event aside: its bytes and the reason into quarantine, its id where its reader passes it over."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
import structlog
from prometheus_client import Counter
from sqlalchemy import Connection, Engine, Row, delete, select
from sqlalchemy.dialects.postgresql import insert

from events import codec
from infra.clock import Clock
from infra.database import unavailable
from infra.intake import Rejected
from infra.quarantine.store import Quarantine, codes
from models.tables.journal import journal
from models.tables.set_aside import set_aside

log = structlog.get_logger()
SET_ASIDE = Counter("touchstone_set_aside_total", "Events a reader could not take", ["reader", "code"])

PROJECTOR, POLICIES, SWEEP, SEARCH = codes.READERS
READER = "reader:"
"""What the source of such an entry begins with; no sender may call itself so."""


class Aside:
    """Sets events aside for one reader. Raises `Unavailable`; then nothing may be passed over."""

    def __init__(self, engine: Engine, quarantine: Quarantine, clock: Clock, reader: str) -> None:
        self._engine, self._quarantine, self._clock, self.reader = engine, quarantine, clock, reader
        for code in codes.of_reader(reader):
            SET_ASIDE.labels(reader, code)

    def event(self, event_id: str, code: str, detail: str) -> bool:
        """Set an event aside, in quarantine before the reader passes it over; False if the journal has none."""
        row = self._row(event_id)
        if row is None:
            return False
        raw = msgspec.json.encode({
            "event_id": event_id, "position": row.position, "type": row.type, "schema": row.schema,
            "source": row.source, "source_id": row.source_id, "data": bytes(row.data),
        })  # fmt: skip
        self.keep([Rejected(code, "$", detail, raw, source=READER + self.reader, source_id=event_id)])
        with unavailable(), self._engine.begin() as connection:
            connection.execute(
                insert(set_aside).values(reader=self.reader, event_id=event_id).on_conflict_do_nothing()
            )
        log.error("set aside", reader=self.reader, event_id=event_id, code=code)
        return True

    def unreadable(self, event_id: str, code: str, detail: str) -> bool:
        """Set an event aside if this process can't decode the journal's own copy; False if it can, or has none."""
        row = self._row(event_id)
        if row is None:
            return False
        try:
            codec.decode(row.type, row.schema, bytes(row.data))
        except codec.Undecodable:
            return self.event(event_id, code, detail)
        return False

    def keep(self, rejected: Sequence[Rejected]) -> None:
        """Keep what never was an event of the journal: foreign messages."""
        self._quarantine.keep(rejected, self._clock.now())
        for one in rejected:
            SET_ASIDE.labels(self.reader, one.code).inc()

    def _row(self, event_id: str) -> Row[Any] | None:
        if not is_id(event_id):
            return None
        with unavailable(), self._engine.connect() as connection:
            return connection.execute(select(journal).where(journal.c.event_id == event_id)).one_or_none()


def held(connection: Connection, reader: str) -> frozenset[str]:
    """The ids of the events that lie aside for a reader: a handful at most."""
    found = select(set_aside.c.event_id).where(set_aside.c.reader == reader)
    return frozenset(str(event_id) for event_id in connection.execute(found).scalars())


def take_back(connection: Connection, reader: str, event_id: str) -> None:
    """The reader sees the event again."""
    connection.execute(
        delete(set_aside).where(set_aside.c.reader == reader, set_aside.c.event_id == event_id)
    )


def is_id(text: str) -> bool:
    """May this be an event's id? Foreign records call themselves what they like."""
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False

"""Everything that happened between a customer and the company, on every channel, in order."""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from events import codec, registry
from events.envelope import Envelope
from models.projections.projection import Projection

LEFT_OUT = frozenset({"identity", "customer", "lifecycle"})
"""Families that are about records, not about what happened."""


class TimelineEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One event of a customer. `data` is the published form, personal fields sealed."""

    event_id: str
    type: str
    schema: int
    occurred_at: datetime
    known_at: datetime
    recorded_at: datetime
    position: int
    origin: str
    data: msgspec.Raw
    known_assumed: bool = False
    source: str = ""
    stream: str = ""
    actor: str = ""
    cause: str = ""


class Timeline(Projection[TimelineEntry]):
    """One row an event, as an agent scrolls through it."""

    name, generation, row, row_per_event = "timeline", 1, TimelineEntry, True
    matches = frozenset(entry.cls for entry in registry.all_types() if entry.family not in LEFT_OUT)

    def key(self, envelope: Envelope, owner: str) -> str:
        """Each event is its own row."""
        return envelope.event_id

    def apply(self, row: TimelineEntry | None, envelope: Envelope, owner: str) -> TimelineEntry:
        """The entry; an event is never changed by another."""
        return TimelineEntry(
            event_id=envelope.event_id, type=envelope.type, schema=envelope.event.SCHEMA,
            occurred_at=envelope.occurred_at, known_at=envelope.known_at, recorded_at=envelope.recorded_at,
            position=envelope.position, origin=envelope.origin, known_assumed=envelope.known_assumed,
            source=envelope.source, stream=envelope.stream, actor=envelope.actor, cause=envelope.cause,
            data=msgspec.Raw(codec.encode(envelope.event)),
        )  # fmt: skip

    def columns(self, row: TimelineEntry) -> Mapping[str, object]:
        """Scrolled by when it happened."""
        return {"occurred_at": row.occurred_at}

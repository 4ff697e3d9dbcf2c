"""What is known about every event, whatever happened: who, when, why, in which order."""

from datetime import datetime
from typing import Any, ClassVar, dataclass_transform

import msgspec

from events.vocabulary import IdentifierKind, Origin


class EventMeta(msgspec.StructMeta):
    """Every event is frozen, built by keyword and written without its defaults; a class need not say so.

    msgspec lets a subclass inherit `frozen`, but `kw_only` only covers the class that names it.
    """

    def __new__(mcls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **options: Any) -> Any:
        """Build the class with our settings, unless it asks for others."""
        settings = {"frozen": True, "kw_only": True, "omit_defaults": True, **options}
        return super().__new__(mcls, name, bases, namespace, **settings)


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(msgspec.field,))
class Event(msgspec.Struct, metaclass=EventMeta, frozen=True, kw_only=True):
    """A fact of the business, in its own words. Its envelope says when and whose."""

    WIRE: ClassVar[str]
    SCHEMA: ClassVar[int]


class IdentifierRef(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an event knows of a person, without the value: its keyed hash and what rules may use."""

    kind: IdentifierKind
    hash: str
    issuer: str = ""
    facets: dict[str, str] = {}

    @property
    def key(self) -> tuple[str, str, str]:
        """The identifier's identity: kind, issuer, hash."""
        return (self.kind, self.issuer, self.hash)


Order = tuple[datetime, str, int, str, str]


class Envelope(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An event in its place: three times, origin, stream and revision, cause and actor.

    `occurred_at` is business time, `known_at` when the company could know it (`known_assumed` where a
    source did not say), `recorded_at` the journal's own. `position` is the place in the journal,
    `revision` the place in the stream (0 and an empty stream for facts). `customer` is whose it was
    taken to be at recording; whose it is now, identity decides.
    """

    event: Any
    event_id: str
    position: int
    occurred_at: datetime
    known_at: datetime
    recorded_at: datetime
    source: str
    source_id: str
    origin: Origin = "live"
    known_assumed: bool = False
    stream: str = ""
    revision: int = 0
    actor: str = ""
    cause: str = ""
    customer: str = ""
    identifiers: tuple[IdentifierRef, ...] = ()

    @property
    def type(self) -> str:
        """The event's wire name."""
        return str(self.event.WIRE)

    @property
    def order(self) -> Order:
        """Where a fold meets this event: by business time, facts before decisions, then deterministic."""
        return (self.occurred_at, self.stream, self.revision, self.source, self.source_id)

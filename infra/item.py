"""What goes into the journal, and what is said of it: drafts, items, verdicts."""

import re
from dataclasses import dataclass, field
from datetime import datetime

from events.envelope import IdentifierRef
from events.vocabulary import Origin
from models.errors import Refused

EVENT_BYTES = 900_000
"""Of an encoded event. With key and headers it must fit a Kafka message of 1 MB, or the relay stops for ever."""
EVENT_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""What an event's id looks like; a cause or a subject that somebody sent may be anything."""


@dataclass(slots=True)
class IdentifierValues:
    """An identifier on its way in: its reference, its value in the clear, and sealed if it is new."""

    ref: IdentifierRef
    clear: str = field(repr=False)
    key_id: str | None = None
    sealed: bytes | None = None


@dataclass(slots=True)
class Draft:
    """An event ready to be appended: sealed, encoded, hashed. `known_at` None means at recording.

    `customer` is set where the writer knows whose it is; `about` is the event that this one corrects, and
    then it is the customer of that; else its identifiers say it. `trace` is the traceparent it came under,
    `contact` the conversation it is a part of.
    """

    event_id: str
    type: str
    schema: int
    data: bytes
    digest: bytes
    source: str
    source_id: str
    origin: Origin
    occurred_at: datetime
    known_at: datetime | None = None
    known_assumed: bool = False
    actor: str = ""
    cause: str = ""
    stream: str = ""
    customer: str = ""
    about: str = ""
    identifiers: tuple[IdentifierRef, ...] = ()
    values: tuple[IdentifierValues, ...] = ()
    trace: str | None = None
    contact: str | None = None


@dataclass(slots=True)
class Item:
    """What is appended all or nothing: events, and the revision each of their streams must have.

    Raises `Refused` for an event that no Kafka message could carry.
    """

    drafts: tuple[Draft, ...]
    expected: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if any(len(draft.data) > EVENT_BYTES for draft in self.drafts):
            raise Refused("too_large", f"an event may have {EVENT_BYTES:,} bytes")


@dataclass(slots=True)
class Accepted:
    """Recorded, and committed when the caller sees this."""

    event_ids: tuple[str, ...]
    customer: str
    position: int


@dataclass(slots=True)
class Duplicate:
    """Recorded before under this source and source id; `content_differs` says so if it was not the same."""

    event_id: str
    customer: str
    code: str = ""


@dataclass(slots=True)
class Stale:
    """A stream moved on since the decision was made; nothing of the item was written."""

    stream: str
    revision: int


@dataclass(slots=True)
class Broken:
    """The database takes its neighbours, but not this item: a defect of ours; `kind` names the error."""

    kind: str
    error: Exception = field(repr=False, compare=False)


Verdict = Accepted | Duplicate | Stale | Broken

"""What goes into the journal, and what is said of it: drafts, items, verdicts."""

from dataclasses import dataclass, field
from datetime import datetime

from events.envelope import IdentifierRef
from events.vocabulary import Origin


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
    then it is the customer of that; else its identifiers say it.
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


@dataclass(slots=True)
class Item:
    """What is appended all or nothing: events, and the revision each of their streams must have."""

    drafts: tuple[Draft, ...]
    expected: dict[str, int] = field(default_factory=dict)


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

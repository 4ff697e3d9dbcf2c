"""What deciding needs from the outside."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from events.envelope import Envelope, Event
from events.vocabulary import Origin


class By(Struct, frozen=True, kw_only=True):
    """Who records, why, and under which id a repeat is recognised.

    `asked` is what a caller wanted, word by word: under one id it must stay the same, whatever followed from it.
    """

    source: str
    source_id: str
    actor: str
    cause: str = ""
    origin: Origin = "live"
    customer: str = ""
    asked: str = ""


class Write(Struct, frozen=True, kw_only=True):
    """What happened in one stream, which must be at this revision: events with their business time."""

    stream: str
    expected: int
    events: Sequence[tuple[Event, datetime]]


class Log(Protocol):
    """The journal as a decision sees it."""

    def stream(self, name: str) -> list[Envelope]:
        """A stream's events in order."""
        ...

    def record(self, by: By, writes: Sequence[Write]) -> bool:
        """Append all or nothing; False where the source id was recorded before, and nothing was added.

        Raises `Conflict` where a stream has moved on.
        """
        ...

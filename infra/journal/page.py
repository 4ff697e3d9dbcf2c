"""The journal read by position, a page at a time, for whoever does not read Kafka."""

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Row, Text, func, or_, select

from events import registry
from events.codec import Undecodable
from events.topics import events_topic, family_topics
from infra.cloud_event import CloudEvent, from_row
from infra.database import among, unavailable
from models.errors import Refused, Unavailable
from models.tables.journal import WRITTEN, journal, journal_head

LARGEST = 10_000
"""Events on a page at most."""
PAGE_BYTES = 8 * 1024 * 1024
"""A page ends after the event with which it is as large as this."""
CHUNK = 250
"""Rows in one statement: an event may have 256 KB."""
WINDOW = 20_000
"""Positions that one statement looks through; a family may have few events in a long journal."""
SECONDS = 1.0
"""A page ends after so long, wherever it is."""

_COLUMNS = tuple(journal.c[name] for name in WRITTEN)
_FAMILY = func.split_part(journal.c.type, ".", 1, type_=Text)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events a reader asked for: those of the families and of the types; with neither, all of them."""

    families: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()

    def takes(self, wire: str) -> bool:
        """Is an event of this type wanted?"""
        if not self.families and not self.types:
            return True
        return wire in self.types or wire.split(".", 1)[0].replace("_", "-") in self.families

    def where(self) -> list[ColumnElement[bool]]:
        """The same as SQL. It goes by names, so that a type which this release does not know is not left out."""
        if not self.families and not self.types:
            return []
        families = [one.replace("-", "_") for one in sorted(self.families)]
        return [or_(among(_FAMILY, families), among(journal.c.type, sorted(self.types)))]


@dataclass(frozen=True, slots=True)
class Page:
    """Events in the order of their positions; `next` is the cursor after them.

    All that was asked for up to `next` has been handed out. `end`: the journal ended there when it was read.
    """

    events: Sequence[CloudEvent]
    next: int
    end: bool


def wanted(prefix: str, topics: Collection[str], types: Collection[str] = ()) -> Wanted:
    """What topics and types name; a topic's prefix may be left out. Raises `Refused`, with the names there are."""
    families = {name.removeprefix(f"{prefix}."): name for name in family_topics(prefix)}
    everything = events_topic(prefix)
    named = {topic.removeprefix(f"{prefix}.") for topic in topics}
    all_of_them = everything.removeprefix(f"{prefix}.")
    if named - families.keys() - {all_of_them}:
        names = ", ".join([all_of_them, *families])
        raise Refused("topic.invalid", f"there is no such topic: it is one of {names}", "$.topics")
    if any(registry.find(one) is None for one in types):
        raise Refused("type.invalid", "there is no such type: docs/catalogue.md lists them", "$.types")
    if all_of_them in named:
        return Wanted()
    return Wanted(frozenset(named), frozenset(types))


def head(connection: Connection) -> int:
    """The journal's last position."""
    return int(connection.execute(select(journal_head.c.position)).scalar_one())


def read_page(engine: Engine, asked: Wanted, after: int, limit: int, public_url: str = "") -> Page:
    """What comes after a position. It may be empty and yet not the end: then it goes on from `next`.

    Appends take turns and positions have no gaps, so whatever is at or below the head can be seen.
    Raises `Unavailable`, and `Refused` for a position that the journal has not reached.
    """
    with unavailable(), engine.connect() as connection:
        last = head(connection)
        expect(after, last)
        events: list[CloudEvent] = []
        place, size, until = after, 0, time.monotonic() + SECONDS
        while place < last and len(events) < limit and size < PAGE_BYTES:
            end, room = min(place + WINDOW, last), min(limit - len(events), CHUNK)
            rows = _rows(connection, asked, place, end, room)
            found = rendered(rows, public_url)
            place = found[-1].position if len(found) == room else end
            size += sum(len(one.body) for one in found)
            events += found
            if time.monotonic() >= until:
                break
    return Page(events, place, place >= last)


def expect(after: int, last: int) -> None:
    """Raises `Refused` for a cursor beyond the journal: it is another journal's, and would pass over this one's."""
    if after > last:
        raise Refused("cursor.ahead", f"the journal ends at {last}: this cursor is not one of its own")


def rendered(rows: Sequence[Sequence[Any]], public_url: str = "") -> list[CloudEvent]:
    """Rows as events. Raises `Unavailable` where a newer release wrote what this process cannot read yet."""
    try:
        return [from_row(row, public_url) for row in rows]
    except Undecodable:
        raise Unavailable("here is an event that this process cannot read") from None


def newest(engine: Engine, after: int, limit: int, public_url: str = "") -> list[CloudEvent]:
    """All events after a position, a few. Raises `Unavailable`."""
    with unavailable(), engine.connect() as connection:
        return rendered(_rows(connection, Wanted(), after, None, limit), public_url)


def _rows(
    connection: Connection, asked: Wanted, after: int, end: int | None, limit: int
) -> Sequence[Row[Any]]:
    upto = [] if end is None else [journal.c.position <= end]
    return connection.execute(
        select(*_COLUMNS)
        .where(journal.c.position > after, *upto, *asked.where())
        .order_by(journal.c.position)
        .limit(limit)
    ).all()

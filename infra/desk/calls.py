"""Contacts that come to desks, read from the journal: nothing is kept of them anywhere else."""

import re
from collections.abc import Collection
from datetime import datetime

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, Engine, select

from events import codec
from events.codec import Undecodable
from events.envelope import Envelope
from infra import ledger
from infra.cloud_event import CloudEvent
from infra.database import driver, unavailable
from infra.journal.histories import SELECT
from infra.journal.page import expect, head
from infra.journal.stored import envelope
from models.domain.prompt import CALLING, contact_at, desks, starts
from models.errors import Unavailable
from models.tables.journal import journal

WINDOW = 50_000
"""Positions that one statement looks through for a desk."""

NEWER = "here is an event that this process cannot read"
_WIRES = [cls.WIRE for cls in CALLING]
_PARTS = f"{SELECT}(j.contact = ANY(%(contacts)s) OR j.position = ANY(%(positions)s)) ORDER BY j.position"
_NAMING = (
    f"{SELECT}j.position > %(after)s AND j.position <= %(upto)s AND j.type = ANY(%(types)s) "
    "AND j.origin = 'live' AND (position(%(queue)s::bytea IN j.data) > 0 OR position(%(agent)s::bytea IN j.data) > 0)"
    " ORDER BY j.position"
)


class Call(Struct, frozen=True, kw_only=True):
    """A contact that may be coming to a desk, told at a position of the journal."""

    desk: str
    position: int
    contact: str


class Start(Struct, frozen=True, kw_only=True):
    """A contact that came to a desk for the first time: the part that says so, and all parts known by now."""

    call: Call
    part: Envelope
    parts: tuple[Envelope, ...]

    @property
    def whose(self) -> Envelope | None:
        """The part that says whose it is: this one or, where it names nobody, the last that does."""
        if self.part.customer:
            return self.part
        return next((one for one in reversed(self.parts) if one.customer), None)


class Begun(Struct, frozen=True, kw_only=True):
    """First arrivals, and for every desk and contact the position of the first: what comes there later is none."""

    starts: list[Start]
    firsts: dict[tuple[str, str], int]


class _Told(Struct):
    """What a CloudEvent says, as far as it matters here."""

    id: str
    type: str
    dataschema: str
    origin: str
    data: msgspec.Raw


_told = msgspec.json.Decoder(_Told)


def brought(event: CloudEvent) -> list[Call]:
    """The desks to which a live event brings its contact, for the first time or again. Raises `Unavailable`."""
    told = _told.decode(event.body)
    if told.origin != "live":
        return []
    schema = int(re.split("[:/]", told.dataschema)[-1])
    try:
        found = codec.decode(told.type, schema, bytes(told.data))
    except Undecodable:
        raise Unavailable(NEWER) from None
    contact = contact_at(found, told.id)
    return [Call(desk=desk, position=event.position, contact=contact) for desk in desks(found)]


class DeskCalls:
    """Asks the journal. Every method may raise `Unavailable`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def head(self) -> int:
        """The journal's last position."""
        with unavailable(), self._engine.connect() as connection:
            return head(connection)

    def expect(self, position: int) -> None:
        """Raises `Refused` for a position that the journal has not reached: it is another journal's."""
        with unavailable(), self._engine.connect() as connection:
            expect(position, head(connection))

    def reach(self, position: int, moment: datetime) -> int:
        """The position or, where it was recorded before the moment, the last one that was.

        Recording times never go back, so it is found by halves.
        """
        with unavailable(), self._engine.connect() as connection:
            low, high = position, head(connection)
            if low and _recorded_at(connection, low) >= moment:
                return position
            while low < high:
                middle = (low + high + 1) // 2
                if _recorded_at(connection, middle) < moment:
                    low = middle
                else:
                    high = middle - 1
        return low

    def of(self, desk: str, after: int, upto: int) -> list[Call]:
        """What came to a desk between two positions, at most `WINDOW` apart, for the first time or again."""
        name = msgspec.json.encode(desk)
        needles: dict[str, object] = {"queue": b'queue":' + name, "agent": b'agent":' + name}
        with unavailable(), self._engine.connect() as connection:
            found = _read(connection, _NAMING, {**needles, "types": _WIRES, "after": after, "upto": upto})
        return [
            Call(desk=desk, position=one.position, contact=contact_at(one.event, one.event_id))
            for one in found
            if desk in desks(one.event)
        ]

    def starts(self, calls: Collection[Call]) -> Begun:
        """Which of these bring a contact to a desk for the first time: one question for all."""
        named: dict[str, object] = {
            "contacts": sorted({call.contact for call in calls}),
            "positions": sorted({call.position for call in calls}),
        }
        with unavailable(), self._engine.connect() as connection:
            found = _read(connection, _PARTS, named)
        parts: dict[str, list[Envelope]] = {}
        for one in found:
            parts.setdefault(contact_at(one.event, one.event_id), []).append(one)
        begun = {contact: starts(some) for contact, some in parts.items()}
        part = {one.position: one for one in found}
        return Begun(
            starts=[
                Start(call=call, part=part[call.position], parts=tuple(parts[call.contact]))
                for call in calls
                if begun[call.contact].get(call.desk) == call.position
            ],
            firsts={(desk, contact): at for contact, some in begun.items() for desk, at in some.items()},
        )

    def folded(self, positions: Collection[int]) -> set[int]:
        """Which of these the views have in them."""
        with unavailable(), self._engine.connect() as connection:
            return ledger.entered(connection, positions)


def _recorded_at(connection: Connection, position: int) -> datetime:
    query = select(journal.c.recorded_at).where(journal.c.position == position)
    return connection.execute(query).scalar_one()


def _read(connection: Connection, query: str, named: dict[str, object]) -> list[Envelope]:
    """Raises `Unavailable` where a newer release wrote what this process cannot read yet."""
    try:
        with driver(connection).cursor(binary=True) as cursor:
            return [envelope(row) for row in cursor.execute(query, named)]
    except Undecodable:
        raise Unavailable(NEWER) from None

"""Contacts: read from the journal as they stand or stood, and what a person adds to one."""

from datetime import datetime

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, select

from events.contact import ContactCallbackAsked, ContactEnded, ContactHandedOver, ContactWrappedUp
from events.envelope import Envelope, Event
from events.identity import EventAssigned
from events.touch import TouchCorrected, TouchRecorded
from infra.database import among, unavailable
from infra.identity.desk import IdentityDesk
from infra.journal import histories
from infra.journal.stored import read
from infra.workspace import Workspace
from models.domain.contact_part import contact_of
from models.domain.conversation import Conversation, of
from models.domain.history import CHANGING, effective
from models.domain.identity_decision import Assign
from models.errors import Refused
from models.ports import By, Write
from models.tables.identity import given
from models.tables.journal import journal

UNKNOWN = Refused("contact.unknown", "no contact has this id")


class Found(Struct, frozen=True):
    """A contact at a moment, whose it is (empty: nobody's), and its events."""

    contact: Conversation
    customer: str
    events: list[Envelope]


class Contacts:
    """Reads contacts and records what people say of them. Raises `Refused` (`contact.unknown`), `Unavailable`."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def find(
        self, contact_id: str, *, as_of: datetime | None = None, known_at: datetime | None = None
    ) -> Found:
        """A contact now, or as it had gone and was known by a moment."""
        with unavailable(), self._workspace.engine.connect() as connection:
            connection = connection.execution_options(isolation_level="REPEATABLE READ")
            parts, changes = _parts(connection, contact_id)
            history = effective([*parts, *changes], as_of=as_of, known_at=known_at)
            told = of([e for e in history if contact_of(e) == contact_id]).get(contact_id)
            if told is None:
                raise UNKNOWN
            customer = _owner(connection, parts, known_at)
        said = sorted(
            (e for e in history if contact_of(e) == contact_id), key=lambda e: (e.occurred_at, e.position)
        )
        return Found(told, customer, said)

    def add(
        self, contact_id: str, event: ContactWrappedUp | ContactCallbackAsked | ContactHandedOver, by: By
    ) -> bool:
        """Record what a person says of a contact; False for a repeat. It is of whom the contact is."""
        self.find(contact_id)
        return self._record(event, by)

    def correct(self, contact_id: str, correction: dict[str, object], by: By) -> list[str]:
        """Put right what was said of a contact: in the last part that said it. The types of what was recorded."""
        found = self.find(contact_id)
        if self._workspace.log.known(by):
            return []
        part = _saying(found.events, correction)
        if part is None:
            raise Refused("contact.nothing_said", "no part of this contact says that: wrap it up instead")
        recorded = self._record(
            msgspec.convert({"touch_id": part.event_id, **correction}, TouchCorrected),
            msgspec.structs.replace(by, customer=part.customer),
        )
        return [TouchCorrected.WIRE] if recorded else []

    def give_to(self, contact_id: str, customer: str, by: By) -> list[str]:
        """The whole contact is another customer's. The types of what was recorded."""
        self.find(contact_id)
        desk = IdentityDesk(self._workspace)
        given = desk.give(Assign(customer=customer, event_or_stream=f"contact-{contact_id}"), by)
        return [EventAssigned.WIRE for _ in given]

    def _record(self, event: Event, by: By) -> bool:
        write = Write(stream="", expected=0, events=[(event, self._workspace.clock.now())])
        return self._workspace.log.record_once(by, [write])


def _parts(connection: Connection, contact_id: str) -> tuple[list[Envelope], list[Envelope]]:
    """A contact's events, and those that correct or retract some."""
    parts = read(connection, journal.c.contact == contact_id)
    if not parts and len(contact_id) == 36:
        parts = [e for e in read(connection, journal.c.event_id == contact_id) if contact_of(e)]
    whose = {e.customer for e in parts if e.customer}
    changes = read(
        connection, among(journal.c.customer, whose), journal.c.type.in_([cls.WIRE for cls in CHANGING])
    )
    named = {e.event_id for e in parts}
    return parts, [e for e in changes if e.event.touch_id in named]


def _owner(connection: Connection, parts: list[Envelope], known_at: datetime | None) -> str:
    """Whose the contact is: of whom most of its parts are, as identity is known."""
    ids = {e.event_id for e in parts}
    found = connection.execute(select(given.c.customer).where(among(given.c.event_id, ids)))
    whose = {e.customer for e in parts if e.customer} | {str(one) for one in found.scalars()}
    counted: dict[str, int] = {}
    for family in histories.families(connection, whose):
        events = list(histories.histories(connection, family.ids))
        for owner, theirs in histories.of_each(family, events, known_at).items():
            counted[owner] = counted.get(owner, 0) + sum(e.event_id in ids for e in theirs)
    owners = sorted((-count, owner) for owner, count in counted.items() if count)
    return owners[0][1] if owners else ""


def _saying(events: list[Envelope], correction: dict[str, object]) -> Envelope | None:
    """The last part that says what is to be put right."""
    for one in reversed(events):
        if isinstance(one.event, (TouchRecorded, ContactWrappedUp, ContactEnded)) and all(
            hasattr(one.event, name) for name in correction
        ):
            return one
    return None

"""Parts of one conversation that do not say whose they are: they are of whom the other parts say.

A switch names the caller once, and call-backs come in any order. A part that names nobody takes the identifiers
of its contact; one that came before the contact named anybody is given to its customer when that is known.
"""

from collections.abc import Callable, Collection
from typing import Any

import msgspec
from psycopg import Cursor
from sqlalchemy import Connection

from events.envelope import IdentifierRef
from infra.database import copy_rows
from models.tables.identity import given
from models.tables.journal import NO_IDENTIFIERS

_refs = msgspec.json.Decoder(tuple[IdentifierRef, ...])

_NAMED = (
    "SELECT k.contact, j.identifiers, CASE WHEN EXISTS (SELECT FROM erasure e WHERE e.customer = j.customer) "
    "THEN j.customer::text END FROM unnest(%(contacts)s::text[]) AS k(contact) CROSS JOIN LATERAL "
    "(SELECT identifiers, customer FROM journal WHERE contact = k.contact AND customer IS NOT NULL "
    f"AND identifiers <> '{NO_IDENTIFIERS.decode()}'::bytea ORDER BY position DESC LIMIT 1) AS j"
)
_ORPHANS = (
    "SELECT j.contact, j.event_id::text FROM journal j WHERE j.contact = ANY(%(contacts)s) AND j.customer IS NULL "
    "AND NOT EXISTS (SELECT FROM given g WHERE g.event_id = j.event_id) ORDER BY j.position"
)


class ContactParts:
    """What is known of the contacts of one batch, kept current while the batch is recorded."""

    def __init__(self, contacts: Collection[str], ask: Callable[..., Cursor[Any]]) -> None:
        named = {"contacts": sorted(contacts)}
        self._found = (ask(_NAMED, named), ask(_ORPHANS, named)) if contacts else None
        self._identifiers: dict[str, tuple[IdentifierRef, ...]] = {}
        self._erased: dict[str, str] = {}
        self._orphans: dict[str, list[str]] = {}
        self._given: list[tuple[str, str]] = []

    def loaded(self) -> None:
        """Read what was asked for; the questions were put together with others."""
        if self._found is not None:
            named, orphans = self._found
            for contact, refs, erased in named.fetchall():
                if erased is None:
                    self._identifiers[contact] = _refs.decode(bytes(refs))
                else:
                    self._erased[contact] = erased
            for contact, event_id in orphans.fetchall():
                self._orphans.setdefault(contact, []).append(event_id)

    def identifiers(self, contact: str) -> tuple[IdentifierRef, ...]:
        """By what the contact's customer is known, as far as any part has said."""
        return self._identifiers.get(contact, ())

    def erased(self, contact: str) -> str:
        """The customer of a contact who was forgotten since: what comes late is forgotten too. Empty otherwise."""
        return self._erased.get(contact, "")

    def recorded(self, contact: str, event_id: str, customer: str, refs: tuple[IdentifierRef, ...]) -> None:
        """A part was recorded, for this customer or for nobody."""
        if not customer:
            self._orphans.setdefault(contact, []).append(event_id)
        elif refs:
            self._identifiers[contact] = refs

    def adopt(self, contact: str, customer: str) -> list[str]:
        """The parts that were nobody's until now and are this customer's."""
        found = self._orphans.pop(contact, [])
        self._given += [(event_id, customer) for event_id in found]
        return found

    def write(self, connection: Connection) -> None:
        """Note who was given what; a history is read with it."""
        if self._given:
            copy_rows(connection, given, ["event_id", "customer"], self._given)

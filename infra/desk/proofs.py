"""What whoever makes a contact has proved of who they are: asked for many contacts with a few questions."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec
from msgspec import Struct
from sqlalchemy import Connection

from events.envelope import Envelope
from events.identity import CustomersMerged, PersonVerified
from infra.database import among, driver
from infra.identity.families import MERGING
from infra.journal import histories, whose
from infra.journal.histories import SELECT
from infra.journal.stored import envelope, read
from models.domain.identity import Key
from models.domain.ownership import edges
from models.domain.verification import Joins, Verified, verified
from models.tables.journal import journal

_SIDES = (
    "SELECT i.kind, i.issuer, i.hash, i.customer::text FROM unnest(%(kinds)s::text[], %(issuers)s::text[], "
    "%(hashes)s::text[]) AS k(kind, issuer, hash) JOIN identifier i USING (kind, issuer, hash) WHERE NOT i.blocked"
)
_VERIFIED = (
    "SELECT e.* FROM unnest(%(ids)s::uuid[]) AS k(id) CROSS JOIN LATERAL "
    f"({SELECT}j.customer = k.id AND j.type = '{PersonVerified.WIRE}' ORDER BY j.position DESC LIMIT 20) AS e"
)


class Side(Struct, frozen=True, kw_only=True):
    """Who a contact comes from, as far as proofs go: their side of the customer, what was tried, who joined when."""

    side: str = ""
    tried: Sequence[Envelope] = ()
    joins: Joins = {}

    def verified(self, at: datetime) -> Verified:
        """What they have proved at a moment."""
        return verified(self.tried, at, self.side, self.joins)


def sides_of(connection: Connection, parts: Sequence[Envelope], owner: Mapping[str, str]) -> dict[str, Side]:
    """Event id of a contact's part → whose side it comes from, and the last proofs of that customer."""
    owners = sorted({owner[part.event_id] for part in parts if part.event_id in owner})
    if not owners:
        return {}
    members: dict[str, list[str]] = {one: [] for one in owners}
    ids: list[str] = []  # where somebody was parted, what is theirs may be recorded for another of the family
    for family in histories.families(connection, owners):
        for member, survivor in family.survivors.items():
            if survivor in members:
                members[survivor].append(member)
            if survivor in members or family.tangled:
                ids.append(member)
    with driver(connection).cursor(binary=True) as cursor:
        tried = [envelope(row) for row in cursor.execute(_VERIFIED, {"ids": ids})]
    owner = {**owner, **whose.owners(connection, {one.event_id: one.customer for one in tried})}
    several = {one: some for one, some in members.items() if len(some) > 1}
    ours = [one for one in (*parts, *tried) if owner.get(one.event_id) in several]
    linked = _linked(connection, ours)
    joins = _joins(connection, [one for some in several.values() for one in some])

    def side(one: Envelope) -> str:
        """The id that it was shown under; whose it is now where only a person's word says it."""
        theirs = members[owner[one.event_id]]
        named = (linked.get(ref.key, "") for ref in one.identifiers)
        return next(
            (each for each in (*filter(None, named), one.customer) if each in theirs), owner[one.event_id]
        )

    of: dict[str, list[Envelope]] = {}
    for one in tried:
        if owner.get(one.event_id) in members:  # a split may have made it another's
            of.setdefault(owner[one.event_id], []).append(msgspec.structs.replace(one, customer=side(one)))
    return {
        part.event_id: Side(side=side(part), tried=of.get(owner[part.event_id], ()), joins=joins)
        for part in parts
        if part.event_id in owner
    }


def _linked(connection: Connection, shown: Sequence[Envelope]) -> dict[Key, str]:
    """Identifier → whose it is before any merge; only of merged customers is it asked."""
    keys = sorted({ref.key for one in shown for ref in one.identifiers})
    if not keys:
        return {}
    kinds, issuers, hashes = (list(column) for column in zip(*keys, strict=True))
    with driver(connection).cursor(binary=True) as cursor:
        rows = cursor.execute(_SIDES, {"kinds": kinds, "issuers": issuers, "hashes": hashes}).fetchall()
    return {(kind, issuer, digest): side for kind, issuer, digest, side in rows}


def _joins(connection: Connection, ids: Sequence[str]) -> Joins:
    """The merges among these that hold, each with its day."""
    if not ids:
        return {}
    told = read(connection, among(journal.c.customer, ids), journal.c.type.in_(MERGING))
    known = edges(told)
    return {
        one.event.absorbed: (one.event.survivor, one.occurred_at)
        for one in told
        if isinstance(one.event, CustomersMerged) and known.stands(one)
    }

"""Whose events are whose, and the committed history of an owner, read from the journal.

An event is its customer's at recording, followed through merges: through those of today (`groups`,
`owner_now`), or through those known by a moment (`homes`).
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import groupby

from msgspec import Struct
from sqlalchemy import Connection, select

from events.envelope import Envelope
from events.identity import CustomersMerged, CustomersUnmerged
from infra.aside import PROJECTOR
from infra.database import among, driver
from infra.journal import envelope, read
from models.tables.identity import customer
from models.tables.journal import COLUMNS, journal

_READ_AS = {"event_id": "event_id::text", "customer": "customer::text", "digest": "NULL"}
_READ = (
    f"SELECT {', '.join(_READ_AS.get(name, name) for name in COLUMNS)} FROM journal "
    f"WHERE event_id NOT IN (SELECT event_id FROM set_aside WHERE reader = '{PROJECTOR}') AND "
)
MERGING = (CustomersMerged.WIRE, CustomersUnmerged.WIRE)
"""What changes who is whom."""


class Joined(Struct, frozen=True):
    """A customer, and every id that is this customer: its own first, then those it absorbed."""

    customer: str
    members: tuple[str, ...]


def joined(connection: Connection, one: str, known_at: datetime | None = None) -> Joined | None:
    """Who an id is, as identity is known now or was known at a moment; None for an id never given."""
    survivor = connection.execute(select(customer.c.survivor).where(customer.c.id == one)).scalar()
    if survivor is None:
        return None
    now = groups(connection, [str(survivor)])[str(survivor)]
    if known_at is None:
        return _joined(str(survivor), now)
    home = homes([one, *now], merges(connection, now, known_at))
    return _joined(home[one], [member for member in now if home[member] == home[one]])


def groups(connection: Connection, owners: Collection[str]) -> dict[str, list[str]]:
    """Owner → every customer id joined with it now, its own included."""
    ids = [owner for owner in owners if not is_stream(owner)]
    rows = connection.execute(
        select(customer.c.survivor, customer.c.id)
        .where(among(customer.c.survivor, ids))
        .order_by(customer.c.survivor)
    )
    registered = set(connection.execute(select(customer.c.id).where(among(customer.c.id, ids))).scalars())
    found = {one: [one] for one in ids if one not in registered}  # no identifier ever led to it
    for owner, members in groupby(rows, lambda row: row.survivor):
        found[str(owner)] = [str(row.id) for row in members]
    return found


def owner_now(one: Envelope, survivors: Mapping[str, str]) -> str:
    """Whose an event is: its customer at recording, followed through merges; else its own stream."""
    return survivors.get(one.customer, one.customer) if one.customer else one.stream


def owners(joined: Mapping[str, Collection[str]]) -> dict[str, str]:
    """Customer id → the owner it is joined with, out of `groups`."""
    return {member: owner for owner, members in joined.items() for member in members}


def merges(
    connection: Connection, ids: Collection[str], known_at: datetime | None = None
) -> Sequence[Envelope]:
    """The merges and un-merges among these customer ids, all or those known at a moment, as recorded."""
    if not ids:
        return []
    by_then = [journal.c.known_at <= known_at] if known_at is not None else []
    return read(connection, among(journal.c.customer, ids), journal.c.type.in_(MERGING), *by_then)


def homes(ids: Iterable[str], merges: Iterable[Envelope]) -> dict[str, str]:
    """Customer id → whom it is after these merges and un-merges, met in the order they come in."""
    survivor: dict[str, str] = {}
    for one in merges:
        match one.event:
            case CustomersMerged(survivor=survived, absorbed=absorbed):
                survivor[absorbed] = survived
            case CustomersUnmerged(restored=restored):
                survivor.pop(restored, None)
    return {one: _follow(survivor, one) for one in ids}


def histories(
    connection: Connection, ids: Collection[str], streams: Collection[str] = (), most: int | None = None
) -> Iterable[Envelope]:
    """Every event recorded for these customer ids, and every one of these streams that is nobody's.

    Without what the projector set aside: it lies in quarantine until it can be folded. With `most`, no more
    than that and one of either sort: whoever asked for too much sees it, and holds no more in memory.
    """
    limit = "" if most is None else f" LIMIT {most + 1:d}"
    with driver(connection).cursor(binary=True) as cursor:  # in bulk: a batch reads tens of thousands
        cursor.execute(_READ + f"customer = ANY(%s::uuid[]){limit}", [list(ids)])
        yield from map(envelope, cursor.fetchall())
        if streams:
            cursor.execute(_READ + f"stream = ANY(%s) AND customer IS NULL{limit}", [list(streams)])
            yield from map(envelope, cursor.fetchall())


def is_stream(owner: str) -> bool:
    """A stream's name begins with its category; a customer's id is a bare UUID."""
    return _UUID.fullmatch(owner) is None


_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def _follow(survivors: dict[str, str], one: str) -> str:
    while one in survivors:
        one = survivors[one]
    return one


def _joined(home: str, members: Sequence[str]) -> Joined:
    return Joined(home, (home, *sorted(member for member in members if member != home)))

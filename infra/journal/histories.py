"""Whose events are whose, and the committed histories of customers, read from the journal.

Everybody who was ever joined or parted is one family. A family's events are read together, and its identity
events among them say whose each one is (`models.domain.ownership`); a customer of no family has their own.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from msgspec import Struct
from sqlalchemy import Connection, select, text

from events.envelope import Envelope
from infra.database import among, driver
from infra.journal.stored import envelope
from infra.quarantine.aside import PROJECTOR
from models.domain.ownership import Owned, owned
from models.tables.identity import customer
from models.tables.journal import COLUMNS

_READ_AS = {
    "event_id": "j.event_id::text", "digest": "NULL",
    "customer": "coalesce(j.customer, (SELECT g.customer FROM given g WHERE g.event_id = j.event_id))::text",
}  # fmt: skip
SELECT = f"SELECT {', '.join(_READ_AS.get(name, f'j.{name}') for name in COLUMNS)} FROM journal j WHERE "
"""SQL: rows as envelopes are made of, each with the customer it was recorded for, or given to since."""
THEIRS = (
    "(j.customer = ANY(%(ids)s::uuid[]) OR j.event_id = ANY(ARRAY("
    "SELECT g.event_id FROM given g WHERE g.customer = ANY(%(ids)s::uuid[]))))"
)
_READ = f"{SELECT}j.event_id NOT IN (SELECT event_id FROM set_aside WHERE reader = '{PROJECTOR}') AND "
_FAMILIES = text(
    "WITH of AS (SELECT DISTINCT family FROM customer WHERE id = ANY(CAST(:ids AS uuid[]))) "
    "SELECT c.family::text, c.id::text, c.survivor::text, c.tangled FROM of JOIN customer c ON c.id = of.family "
    "UNION ALL SELECT c.family::text, c.id::text, c.survivor::text, c.tangled "
    "FROM of JOIN customer c ON c.family = of.family AND c.family <> c.id"
)


class Moved(Exception):
    """An identity changed between looking and reading: look again."""


class Joined(Struct, frozen=True):
    """A customer, and every id that is this customer: its own first, then those it absorbed."""

    customer: str
    members: tuple[str, ...]


class Family(Struct, frozen=True):
    """Customers whose events are read together. `survivors` says whom each id means now.

    `tangled`: somebody was parted, or an event given away, so that a customer's id alone does not say whose
    an event is.
    """

    name: str
    survivors: dict[str, str]
    tangled: bool = False

    @property
    def ids(self) -> tuple[str, ...]:
        """Every customer id of the family."""
        return tuple(self.survivors)

    @property
    def owners(self) -> tuple[str, ...]:
        """The customers there are in it now."""
        return tuple(dict.fromkeys(self.survivors.values()))


def families(connection: Connection, customers: Collection[str]) -> list[Family]:
    """The families of these customers, each once; an id to which no identifier ever led is its own."""
    ids = [one for one in customers if not is_stream(one)]
    if not ids:
        return []
    survivors: dict[str, dict[str, str]] = defaultdict(dict)
    tangled: set[str] = set()
    for family, one, survivor, is_tangled in connection.execute(_FAMILIES, {"ids": ids}):
        survivors[family][one] = survivor
        if is_tangled:
            tangled.add(family)
    found = [Family(name, members, name in tangled) for name, members in sorted(survivors.items())]
    known = {one for family in found for one in family.survivors}
    return found + [Family(one, {one: one}) for one in dict.fromkeys(ids) if one not in known]


def joined(connection: Connection, one: str, known_at: datetime | None = None) -> Joined | None:
    """Who an id is, as identity is known now or was known at a moment; None for an id never given."""
    family = _family(connection, one)
    if family is None:
        return None
    if known_at is None or len(family.ids) == 1:
        return _joined(family.survivors, one)
    return _joined(homes(family, sorted_out(family, list(histories(connection, family.ids)), known_at)), one)


class Known(Struct, frozen=True):
    """Who an id is at a moment, and that customer's events."""

    who: Joined
    events: list[Envelope]


def known(connection: Connection, one: str, known_at: datetime | None = None) -> Known | None:
    """A customer and their events as identity is known now or was at a moment; None for an id never given."""
    family = _family(connection, one)
    if family is None:
        return None
    events = list(histories(connection, family.ids))
    if len(family.ids) == 1:
        return Known(_joined(family.survivors, one), events)
    found = sorted_out(family, events, known_at)
    who = _joined(homes(family, found), one)
    return Known(who, found.histories.get(who.customer, []))


def _family(connection: Connection, one: str) -> Family | None:
    """Its family; None for an id never given."""
    if connection.execute(select(customer.c.id).where(customer.c.id == one)).scalar() is None:
        return None
    return families(connection, [one])[0]


def _joined(home: Mapping[str, str], one: str) -> Joined:
    others = sorted(other for other, its in home.items() if its == home[one] and other != home[one])
    return Joined(home[one], (home[one], *others))


def sorted_out(family: Family, events: Sequence[Envelope], known_at: datetime | None = None) -> Owned:
    """A family's events by owner, as identity is known now or was known at a moment.

    Raises `Moved` where the family has grown since it was looked up.
    """
    found = owned(events, known_at)
    if not found.edges.into.keys() <= family.survivors.keys():
        raise Moved
    return found


def homes(family: Family, found: Owned) -> dict[str, str]:
    """Customer id → whom it means by these edges."""
    return {one: found.edges.root(one) for one in family.ids}


def of_each(
    family: Family, events: Sequence[Envelope], known_at: datetime | None = None
) -> Mapping[str, list[Envelope]]:
    """Owner → their events. Who was never joined with anybody needs no edges."""
    if len(family.ids) == 1:
        return {family.name: list(events)}
    return sorted_out(family, events, known_at).histories


def members(connection: Connection, owners: Collection[str]) -> dict[str, list[str]]:
    """Owner → every customer id that means this one now, its own included."""
    found: dict[str, list[str]] = {}
    wanted = set(owners)
    for family in families(connection, owners):
        for one, survivor in family.survivors.items():
            if survivor in wanted:
                found.setdefault(survivor, []).append(one)
    return found


def histories(
    connection: Connection, ids: Collection[str], streams: Collection[str] = (), most: int | None = None
) -> Iterable[Envelope]:
    """Every event recorded for these customer ids, and every one of these streams that is nobody's.

    Without what the projector set aside: it lies in quarantine until it can be folded. With `most`, no more
    than that and one of either sort: whoever asked for too much sees it, and holds no more in memory.
    """
    limit = "" if most is None else f" LIMIT {most + 1:d}"
    with driver(connection).cursor(binary=True) as cursor:  # in bulk: a batch reads tens of thousands
        cursor.execute(f"{_READ}{THEIRS}{limit}", {"ids": list(ids)})
        yield from map(envelope, cursor.fetchall())
        if streams:
            cursor.execute(f"{_READ}j.stream = ANY(%s) AND j.customer IS NULL{limit}", [list(streams)])
            yield from map(envelope, cursor.fetchall())


def tangled(connection: Connection, customers: Collection[str]) -> set[str]:
    """Those of these customers whose events have to be asked whose they are."""
    if not customers:
        return set()
    rows = connection.execute(
        select(customer.c.id).where(among(customer.c.id, customers), customer.c.tangled)
    )
    return {str(one) for one in rows.scalars()}


def is_stream(owner: str) -> bool:
    """A stream's name begins with its category; a customer's id is a bare UUID."""
    return _UUID.fullmatch(owner) is None


_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

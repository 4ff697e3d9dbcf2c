"""How customers stood at a moment, as known then: from the views where they can say it, else folded anew."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, select, text

from events.envelope import Envelope, Event
from events.topics import PARTITIONS
from infra.database import among
from infra.feeds import JOURNAL
from infra.journal.histories import Family, families, sorted_out
from infra.journal.stored import read
from infra.quarantine.aside import PROJECTOR, READER
from infra.view_store import ViewStore
from models.domain.calling_window import Place, place_of
from models.domain.history import CHANGING, effective
from models.domain.identity import Key
from models.domain.lifecycle import Lifecycle
from models.domain.ownership import TELLING
from models.domain.permission import Reachable
from models.domain.rules import Rules
from models.projections import reachability
from models.projections.customer_360 import Customer360, Customer360Row, HeldIdentifier
from models.projections.lifecycle import LifecycleView
from models.projections.projection import Projection, play
from models.tables.erasure import suppression
from models.tables.journal import journal

CHUNK = 5_000
"""Customers whose rows are in memory at once."""

_FOLDED = text(
    "SELECT CASE WHEN (bool_or(topic_id = :journal) OR count(*) >= :partitions) "
    "AND NOT EXISTS (SELECT FROM quarantine WHERE source = :kept AND settled_at IS NULL) "
    "THEN min(position) ELSE 0 END FROM reader_position WHERE reader = :reader"
)
"""Up to where the projector has folded all: 0 while it has not begun on a partition, or something lies aside."""

_UNFOLDED = text(
    "WITH open AS MATERIALIZED (SELECT j.position FROM journal j "
    "WHERE j.customer = ANY(CAST(:ids AS uuid[])) AND j.position > :low "
    "AND NOT EXISTS (SELECT FROM ledger l WHERE l.position = j.position)) "
    "SELECT DISTINCT j.customer::text FROM open JOIN journal j USING (position) WHERE j.type = ANY(:types)"
)
"""Answered from the index of customers and positions; only what is not folded is read in the journal."""

_SEVERAL = text(
    "SELECT id::text FROM customer WHERE id = ANY(CAST(:ids AS uuid[])) AND (family <> id OR tangled) "
    "UNION SELECT family::text FROM customer WHERE family = ANY(CAST(:ids AS uuid[])) AND family <> id"
)


class Standing(Struct, frozen=True, kw_only=True):
    """One customer at a moment."""

    customer: str
    view: Customer360Row
    lifecycle: Lifecycle


class Standings:
    """Answers for many customers, within one transaction of the caller's (REPEATABLE READ to be exact)."""

    def __init__(self, connection: Connection, rules: Rules, zone: str) -> None:
        self._connection = connection
        self._view, self._cycle = Customer360(zone), LifecycleView(rules.lifecycle)
        self._stores = [ViewStore(self._view), ViewStore(self._cycle)]
        folded: set[type[Event]] = {*self._view.matches, *self._cycle.matches, *CHANGING}
        folded |= TELLING
        self._types = sorted({event.WIRE for event in folded})

    def now(
        self, moment: datetime, customers: Collection[str], several: Collection[str]
    ) -> dict[str, Customer360Row]:
        """The customers as everything says that is recorded, with what is valid at a moment; the rest are not known.

        The moment is no earlier than the clock of any sender may be (`AHEAD`), so whatever is recorded counts, and
        only what is not folded yet has to be looked for. `several` are those of more than one id (`of_several_ids`).
        """
        alone = set(customers).difference(several)
        anew = self._unfolded(alone) | set(customers).intersection(several)
        found = {
            one: self._view.valid(row, moment)
            for one, row in self._stores[0].load(self._connection, alone - anew).items()
        }
        return found | {one.customer: one.view for part in self.at(moment, anew) for one in part}

    def _unfolded(self, customers: Collection[str]) -> set[str]:
        """Those of whom something is recorded that the views do not say yet.

        What lies below every partition's place is folded, unless the projector has had to pass something over: it is
        not looked for among a customer's whole history.
        """
        low = int(
            self._connection.execute(
                _FOLDED,
                {
                    "reader": PROJECTOR,
                    "kept": READER + PROJECTOR,
                    "journal": JOURNAL,
                    "partitions": PARTITIONS,
                },
            ).scalar_one()
        )
        query = {"ids": list(customers), "low": low, "types": self._types}
        return set(self._connection.execute(_UNFOLDED, query).scalars())

    def at(self, moment: datetime, customers: Collection[str]) -> Iterator[list[Standing]]:
        """Those of the customers who were known by then, some at a time.

        Two who were merged only later stand apart, each under the id of their own time.
        """
        wanted = sorted(customers)
        for start in range(0, len(wanted), CHUNK):
            yield self._some(moment, wanted[start : start + CHUNK])

    def _some(self, moment: datetime, customers: Sequence[str]) -> list[Standing]:
        wanted = set(customers)
        groups = families(self._connection, customers)
        of_id = {one: family for family in groups for one in family.ids}
        anew = {family.name for family in groups if family.tangled}
        anew |= {of_id[one].name for one in self._said_otherwise(moment, list(of_id))}
        stored = {o for f in groups if f.name not in anew for o in f.owners} & wanted
        views, cycles = (store.load(self._connection, stored) for store in self._stores)
        found = {
            one: Standing(customer=one, view=views[one], lifecycle=cycles[one])
            for one in views.keys() & cycles.keys()
        }
        if anew:
            found |= self._refolded(moment, [family for family in groups if family.name in anew], wanted)
        return [self._presented(found[one], moment) for one in sorted(found)]

    def _said_otherwise(self, moment: datetime, ids: list[str]) -> Sequence[str]:
        """Those of whom the views say something else than was so at the moment.

        They do where an event is not folded yet, or is folded and came, or became known, after the moment.
        """
        found = self._connection.execute(
            text(
                "SELECT DISTINCT j.customer::text FROM journal j LEFT JOIN ledger l ON l.position = j.position "
                "WHERE j.customer = ANY(CAST(:ids AS uuid[])) AND j.type = ANY(:types) "
                "AND (l.position IS NULL OR j.occurred_at > :at OR j.known_at > :at)"
            ),
            {"at": moment, "ids": ids, "types": self._types},
        )
        return found.scalars().all()

    def _refolded(
        self, moment: datetime, groups: Sequence[Family], wanted: Collection[str]
    ) -> dict[str, Standing]:
        """Those who were whom by then: whoever is one of the wanted today, under the id of their own time."""
        ids = [one for family in groups for one in family.ids]
        read_ = read(self._connection, among(journal.c.customer, ids), journal.c.type.in_(self._types))
        together: dict[str, list[Envelope]] = defaultdict(list)
        for one in read_:
            together[one.customer].append(one)
        found: dict[str, Standing] = {}
        for family in groups:
            events = [e for one in family.ids for e in together.get(one, ())]
            for owner, history in sorted_out(family, events, moment).histories.items():
                if family.survivors.get(owner, owner) in wanted:
                    found |= self._stood(moment, owner, history)
        return found

    def _stood(self, moment: datetime, owner: str, events: Sequence[Envelope]) -> dict[str, Standing]:
        counted = effective(events, as_of=moment, known_at=moment)
        view, cycle = _played(self._view, counted, owner), _played(self._cycle, counted, owner)
        if view is None or cycle is None:
            return {}
        return {owner: Standing(customer=owner, view=view, lifecycle=cycle)}

    def _presented(self, one: Standing, moment: datetime) -> Standing:
        return Standing(
            customer=one.customer, view=self._view.present(one.view, moment),
            lifecycle=self._cycle.present(one.lifecycle, moment),
        )  # fmt: skip

    def suppressed(self, held: Iterable[HeldIdentifier] | None = None) -> frozenset[Key]:
        """The identifiers of people who asked to be forgotten: all of them, or those among the ones held."""
        query = select(suppression.c.kind, suppression.c.issuer, suppression.c.hash)
        if held is not None:
            query = query.where(among(suppression.c.hash, [one.hash for one in held]))
        rows = self._connection.execute(query)
        return frozenset((kind, issuer, digest) for kind, issuer, digest in rows)


def of_several_ids(connection: Connection, customers: Collection[str]) -> list[Family]:
    """The families of those of these customers who were ever joined with somebody or parted; hardly any is."""
    ids = list(customers)
    return families(connection, list(connection.execute(_SEVERAL, {"ids": ids}).scalars()))


def suppressed_among(connection: Connection, held: Collection[HeldIdentifier], moment: datetime) -> bool:
    """Was any of these, by then, an identifier of a person who asked to be forgotten?"""
    where = among(suppression.c.hash, [one.hash for one in held]) & (suppression.c.since <= moment)
    return connection.execute(select(suppression.c.hash).where(where)).first() is not None


def reachable(one: Standing, suppressed: Collection[Key]) -> Reachable:
    """What decides whether this customer may be contacted."""
    return reachability.reachable(
        one.view, suppressed=any(held.key in suppressed for held in one.view.identifiers)
    )


def place_of_view(view: Customer360Row, home: Place) -> Place:
    """Where a customer is, by what their phone numbers say."""
    phones = (held.facets for held in view.identifiers if held.kind == "phone" and not held.blocked)
    facets = next((said for said in phones if said.get("zone") or said.get("country")), {})
    return place_of(facets.get("country", ""), facets.get("zone", ""), home)


def _played(view: Projection[Any], history: Iterable[Envelope], owner: str) -> Any:
    return play(view, history, owner).get(owner)

"""How customers stood at a moment, as known then: from the views where they can say it, else folded anew."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from msgspec import Struct
from sqlalchemy import Connection, select, text

from events.case import CaseImported, CaseOpened
from events.envelope import Envelope
from events.identity import CustomersMerged
from infra.journal import read
from infra.view_store import ViewStore
from models.domain.history import CHANGING, effective
from models.domain.lifecycle import Lifecycle
from models.domain.permission import Reachable
from models.domain.rules import Rules
from models.projections.customer_360 import Customer360, Customer360Row
from models.projections.lifecycle import LifecycleView
from models.projections.projection import Projection, play
from models.tables.identity import customer
from models.tables.journal import journal

CHUNK = 5_000
"""Customers whose rows are in memory at once."""


class Standing(Struct, frozen=True, kw_only=True):
    """One customer at a moment. `position` is the highest in the journal of what this rests on."""

    customer: str
    view: Customer360Row
    lifecycle: Lifecycle
    position: int


class Standings:
    """Answers for many customers, within one transaction of the caller's (REPEATABLE READ to be exact)."""

    def __init__(self, connection: Connection, rules: Rules, zone: str) -> None:
        self._connection = connection
        self._view, self._cycle = Customer360(zone), LifecycleView(rules.lifecycle)
        self._stores = [ViewStore(self._view), ViewStore(self._cycle)]
        folded = (*self._view.matches, *self._cycle.matches, *CHANGING, CustomersMerged)
        self._types = sorted({event.WIRE for event in folded})

    def at(self, moment: datetime, customers: Collection[str]) -> list[Standing]:
        """Those of the customers who were known by then, by id.

        Two who were merged only later stand apart, each under the id of their own time.
        """
        wanted = sorted(customers)
        found: list[Standing] = []
        for start in range(0, len(wanted), CHUNK):
            found += self._some(moment, wanted[start : start + CHUNK])
        return found

    def _some(self, moment: datetime, customers: Sequence[str]) -> list[Standing]:
        groups = self._groups(customers)
        owner = {member: one for one, members in groups.items() for member in members}
        positions: dict[str, int] = defaultdict(int)
        anew: set[str] = set()
        for member, position, stale in self._evidence(moment, list(owner)):
            positions[owner[member]] = max(positions[owner[member]], position or 0)
            if stale:
                anew.add(owner[member])
        views, cycles = (store.load(self._connection, set(groups) - anew) for store in self._stores)
        found = {
            one: Standing(customer=one, view=views[one], lifecycle=cycles[one], position=positions[one])
            for one in views.keys() & cycles.keys()
        }
        for one in sorted(anew):
            found |= self._refolded(moment, groups[one])
        return [self._presented(found[one], moment) for one in sorted(found)]

    def _groups(self, customers: Sequence[str]) -> dict[str, list[str]]:
        """Customer → every id ever joined with it, its own included."""
        rows = self._connection.execute(
            select(customer.c.survivor, customer.c.id).where(customer.c.survivor.in_(customers))
        )
        groups: dict[str, list[str]] = defaultdict(list)
        for survivor, one in rows:
            groups[str(survivor)].append(str(one))
        return groups

    def _evidence(self, moment: datetime, ids: list[str]) -> Iterable[Sequence]:  # type: ignore[type-arg]
        """Per customer id: the last position that counts, and whether the views say something else.

        They do where an event is not folded yet, or is folded and came, or became known, after the moment.
        """
        return self._connection.execute(
            text(
                "SELECT j.customer::text, "
                "max(j.position) FILTER (WHERE j.occurred_at <= :at AND j.known_at <= :at), "
                "bool_or(l.position IS NULL OR j.occurred_at > :at OR j.known_at > :at) "
                "FROM journal j LEFT JOIN ledger l ON l.position = j.position "
                "WHERE j.customer = ANY(CAST(:ids AS uuid[])) AND j.type = ANY(:types) GROUP BY j.customer"
            ),
            {"at": moment, "ids": ids, "types": self._types},
        ).all()

    def _refolded(self, moment: datetime, ids: Sequence[str]) -> dict[str, Standing]:
        history = read(self._connection, journal.c.customer.in_(ids), journal.c.type.in_(self._types))
        known = [e for e in history if e.occurred_at <= moment and e.known_at <= moment]
        joined = _joined(known)
        of_owner: dict[str, list[Envelope]] = defaultdict(list)
        for one in history:
            of_owner[_root(joined, one.customer)].append(one)
        found = {}
        for owner, events in of_owner.items():
            counted = effective(events, as_of=moment, known_at=moment)
            view, cycle = _played(self._view, counted, owner), _played(self._cycle, counted, owner)
            if view is not None and cycle is not None:
                position = max(e.position for e in known if _root(joined, e.customer) == owner)
                found[owner] = Standing(customer=owner, view=view, lifecycle=cycle, position=position)
        return found

    def _presented(self, one: Standing, moment: datetime) -> Standing:
        return Standing(
            customer=one.customer, position=one.position, view=self._view.present(one.view, moment),
            lifecycle=self._cycle.present(one.lifecycle, moment),
        )  # fmt: skip

    def complaints(self, standings: Iterable[Standing]) -> frozenset[str]:
        """Which of their open cases are complaints."""
        streams = [f"case-{case}" for one in standings for case in one.view.open_cases]
        opened = {event.WIRE for event in (CaseOpened, CaseImported)}
        found: set[str] = set()
        for start in range(0, len(streams), CHUNK):
            part = streams[start : start + CHUNK]
            for one in read(self._connection, journal.c.stream.in_(part), journal.c.type.in_(opened)):
                if one.event.kind == "complaint":
                    found.add(one.event.case_id)
        return frozenset(found)


def reachable(one: Standing, complaints: Collection[str]) -> Reachable:
    """What decides whether this customer may be contacted; a blocked identifier reaches nobody for sure."""
    held = [identifier for identifier in one.view.identifiers if not identifier.blocked]
    kinds = {identifier.kind for identifier in held}
    if any(identifier.facets.get("line") == "mobile" for identifier in held):
        kinds.add("mobile")
    return Reachable(
        kinds=frozenset(kinds), consents=tuple(one.view.consents.values()),
        open_complaint=not one.view.open_cases.keys().isdisjoint(complaints),
    )  # fmt: skip


def _joined(known: Iterable[Envelope]) -> dict[str, str]:
    return {e.event.absorbed: e.event.survivor for e in known if isinstance(e.event, CustomersMerged)}


def _root(joined: dict[str, str], one: str) -> str:
    while one in joined:
        one = joined[one]
    return one


def _played(view: Projection, history: Iterable[Envelope], owner: str):  # type: ignore
    return play(view, history, owner).get(owner)

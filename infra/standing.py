"""How customers stood at a moment, as known then: from the views where they can say it, else folded anew."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, Row, text

from events.case import CaseImported, CaseOpened
from events.envelope import Envelope, Event
from events.identity import CustomersMerged, CustomersUnmerged
from infra.histories import groups, homes, merges, owners
from infra.journal import read
from infra.view_store import ViewStore
from models.domain.history import CHANGING, effective
from models.domain.lifecycle import Lifecycle
from models.domain.permission import Reachable
from models.domain.rules import Rules
from models.projections.customer_360 import Customer360, Customer360Row
from models.projections.lifecycle import LifecycleView
from models.projections.projection import Projection, play
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
        folded: set[type[Event]] = {*self._view.matches, *self._cycle.matches, *CHANGING}
        folded |= {CustomersMerged, CustomersUnmerged}
        self._types = sorted({event.WIRE for event in folded})

    def at(self, moment: datetime, customers: Collection[str]) -> Iterator[list[Standing]]:
        """Those of the customers who were known by then, some at a time.

        Two who were merged only later stand apart, each under the id of their own time.
        """
        wanted = sorted(customers)
        for start in range(0, len(wanted), CHUNK):
            yield self._some(moment, wanted[start : start + CHUNK])

    def _some(self, moment: datetime, customers: Sequence[str]) -> list[Standing]:
        known_as = groups(self._connection, customers)
        owner = owners(known_as)
        positions: dict[str, int] = defaultdict(int)
        anew: set[str] = set()
        for member, position, stale in self._evidence(moment, list(owner)):
            positions[owner[member]] = max(positions[owner[member]], position or 0)
            if stale:
                anew.add(owner[member])
        views, cycles = (store.load(self._connection, set(known_as) - anew) for store in self._stores)
        found = {
            one: Standing(customer=one, view=views[one], lifecycle=cycles[one], position=positions[one])
            for one in views.keys() & cycles.keys()
        }
        if anew:
            found |= self._refolded(moment, {one: known_as[one] for one in anew})
        return [self._presented(found[one], moment) for one in sorted(found)]

    def _evidence(self, moment: datetime, ids: list[str]) -> Sequence[Row[str, int | None, bool]]:
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

    def _refolded(self, moment: datetime, groups: Mapping[str, Sequence[str]]) -> dict[str, Standing]:
        home = self._homes(moment, groups)
        history = read(self._connection, journal.c.customer.in_(list(home)), journal.c.type.in_(self._types))
        of_owner: dict[str, list[Envelope]] = defaultdict(list)
        for one in history:
            if one.known_at <= moment:
                of_owner[home[one.customer]].append(one)
        found = {}
        for owner, events in of_owner.items():
            counted = effective(events, as_of=moment, known_at=moment)
            view, cycle = _played(self._view, counted, owner), _played(self._cycle, counted, owner)
            if view is not None and cycle is not None:
                position = max(one.position for one in events if one.occurred_at <= moment)
                found[owner] = Standing(customer=owner, view=view, lifecycle=cycle, position=position)
        return found

    def _homes(self, moment: datetime, groups: Mapping[str, Sequence[str]]) -> dict[str, str]:
        """Every id → whom it was known to be by then."""
        several = [member for members in groups.values() if len(members) > 1 for member in members]
        known = merges(self._connection, several, moment)
        return homes((member for members in groups.values() for member in members), known)

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


def _played(view: Projection[Any], history: Iterable[Envelope], owner: str) -> Any:
    return play(view, history, owner).get(owner)

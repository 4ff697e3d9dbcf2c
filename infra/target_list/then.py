"""How customers stood at a moment by the journal alone, up to a position in it: no view is asked.

What was recorded later does not count, whatever moment it says it was known at; and who had asked to be forgotten by
then is read from their own events, since the table of suppressed identifiers only says who has by now.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, select, true

from events.customer import CustomerErased
from events.envelope import Envelope, Event
from events.identity import IdentifierLinked
from infra.database import among
from infra.journal.histories import Family, families, sorted_out
from infra.journal.stored import read
from infra.standing import CHUNK, Standing
from models.domain.history import CHANGING, effective
from models.domain.identity import Key
from models.domain.ownership import TELLING, edges
from models.domain.rules import LifecycleRules
from models.projections.customer_360 import Customer360
from models.projections.lifecycle import LifecycleView
from models.projections.projection import play
from models.tables.erasure import erasure
from models.tables.identity import customer
from models.tables.journal import journal

_TOLD = sorted(event.WIRE for event in TELLING)


def everyone(connection: Connection) -> list[str]:
    """Everybody there is, as they are called now. Whom an issuer named then is asked of how they stood then."""
    return sorted(str(one) for one in connection.execute(select(customer.c.survivor).distinct()).scalars())


class Then:
    """Folds everybody anew from the journal up to a position, under rules that need not be today's."""

    def __init__(self, connection: Connection, rules: LifecycleRules, zone: str, position: int) -> None:
        self._connection, self._upto = connection, position
        self._view, self._cycle = Customer360(zone), LifecycleView(rules)
        folded: set[type[Event]] = {*self._view.matches, *self._cycle.matches, *CHANGING, *TELLING}
        self._types = sorted({event.WIRE for event in folded})

    def at(self, moment: datetime, customers: Sequence[str]) -> Iterator[list[Standing]]:
        """Those of the customers who were known by then, some at a time, under the id of their own time."""
        for start in range(0, len(customers), CHUNK):
            wanted = set(customers[start : start + CHUNK])
            found: dict[str, Standing] = {}
            for family, events in self._told(families(self._connection, sorted(wanted))):
                for owner, history in sorted_out(family, events, moment).histories.items():
                    if family.survivors.get(owner, owner) in wanted and (
                        one := self._stood(moment, owner, history)
                    ):
                        found[owner] = one
            yield [found[one] for one in sorted(found)]

    def _told(self, groups: Sequence[Family]) -> Iterator[tuple[Family, list[Envelope]]]:
        ids = [one for family in groups for one in family.ids]
        together: dict[str, list[Envelope]] = defaultdict(list)
        counted = (journal.c.position <= self._upto, journal.c.type.in_(self._types))
        for one in read(self._connection, among(journal.c.customer, ids), *counted):
            together[one.customer].append(one)
        for family in groups:
            yield family, [e for one in family.ids for e in together.get(one, ())]

    def _stood(self, moment: datetime, owner: str, events: Sequence[Envelope]) -> Standing | None:
        counted = effective(events, as_of=moment, known_at=moment)
        view = play(self._view, counted, owner).get(owner)
        cycle = play(self._cycle, counted, owner).get(owner)
        if view is None or cycle is None:
            return None
        return Standing(
            customer=owner,
            view=self._view.present(view, moment),
            lifecycle=self._cycle.present(cycle, moment),
        )


def forgotten(connection: Connection, moment: datetime, position: int | None = None) -> frozenset[Key]:
    """The identifiers of people who had asked to be forgotten by then, by what is recorded up to a position."""
    before = true() if position is None else journal.c.position <= position
    streams = [f"customer-{one}" for one in connection.execute(select(erasure.c.customer)).scalars()]
    asked = read(
        connection, among(journal.c.stream, streams), journal.c.type == CustomerErased.WIRE,
        journal.c.occurred_at <= moment, journal.c.known_at <= moment, before,
    )  # fmt: skip
    found: set[Key] = set()
    for start in range(0, len(asked), CHUNK):
        some = {e.event.customer: e.position for e in asked[start : start + CHUNK]}
        groups = families(connection, sorted(some))
        told = _identity_of(connection, groups, moment, before)
        for family in groups:
            events = [e for one in family.ids for e in told.get(one, ())]
            for one in some.keys() & set(family.ids):
                found |= _theirs(one, some[one], events)
    return frozenset(found)


def _identity_of(
    connection: Connection, groups: Sequence[Family], moment: datetime, before: ColumnElement[bool]
) -> Mapping[str, list[Envelope]]:
    ids = [one for family in groups for one in family.ids]
    found: dict[str, list[Envelope]] = defaultdict(list)
    known = (journal.c.type.in_(_TOLD), journal.c.known_at <= moment, before)
    for e in read(connection, among(journal.c.customer, ids), *known):
        found[e.customer].append(e)
    return found


def _theirs(one: str, erased_at: int, events: Collection[Envelope]) -> set[Key]:
    """What led to them when they asked, and what came late and was linked to them since; a shared one is nobody's."""
    then = edges(e for e in events if e.position <= erased_at)
    sides = {side for side in [one, *then.linked.values(), *then.into] if then.root(side) == then.root(one)}
    late = {
        e.event.identifier.key
        for e in events
        if e.position > erased_at and isinstance(e.event, IdentifierLinked) and e.event.customer in sides
    }
    return ({key for key, side in then.linked.items() if side in sides} | late) - then.blocked

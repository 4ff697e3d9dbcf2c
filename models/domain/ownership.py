"""Whose event it is: edges between identifiers and customers, and one pure function over them.

An event keeps its identifiers for ever. Who is whom is what the identity events known by a moment say; to undo
a merge, or to take identifiers off a customer, is one more of them, and every event finds its owner again.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from events import registry
from events.customer import CustomerErased, ErasureCertified
from events.envelope import Envelope, Event
from events.identity import (
    CustomersMerged,
    CustomerSplit,
    CustomersUnmerged,
    EventAssigned,
    IdentifierBlocked,
    IdentifierLinked,
)
from models.domain.identity import Key

RECKONED = frozenset({"prediction"})
"""Families reckoned from a whole history: made while two were wrongly one, they are about neither."""

STAYING = frozenset({"target-list", "lifecycle", "identity", "customer"})
"""Families that name a customer as they were taken to be: what was said then stays where it was said."""


@dataclass(frozen=True, slots=True)
class Undone:
    """A merge that was taken back: who was restored, out of whom, and between which positions it held."""

    restored: str
    into: frozenset[str]
    since: int
    until: int


@dataclass(slots=True)
class Edges:
    """Who is whom. `linked` leads from an identifier to the customer it belongs to, `into` on to the survivor."""

    linked: dict[Key, str] = field(default_factory=dict)
    into: dict[str, str] = field(default_factory=dict)
    merged_at: dict[str, int] = field(default_factory=dict)
    undone: list[Undone] = field(default_factory=list)
    blocked: set[Key] = field(default_factory=set)
    assigned: dict[str, str] = field(default_factory=dict)

    def root(self, customer: str) -> str:
        """Whom a customer's id means."""
        while customer in self.into:
            customer = self.into[customer]
        return customer

    def above(self, customer: str) -> frozenset[str]:
        """Everybody into whom this one was merged, one after the other."""
        found = set()
        while customer in self.into:
            customer = self.into[customer]
            found.add(customer)
        return frozenset(found)

    def stands(self, merge: Envelope) -> bool:
        """Does this merge hold still?"""
        absorbed = merge.event.absorbed
        return absorbed in self.into and self.merged_at[absorbed] == merge.position


def edges(events: Iterable[Envelope], known_at: datetime | None = None) -> Edges:
    """The edges that these events make, those known by a moment only if one is given; any order will do."""
    found = Edges()
    told = (
        e for e in events if isinstance(e.event, _TELLING) and (known_at is None or e.known_at <= known_at)
    )
    for one in sorted(told, key=lambda e: e.position):
        match one.event:
            case IdentifierLinked(customer=customer, identifier=ref):
                found.linked[ref.key] = customer
            case CustomersMerged(survivor=survivor, absorbed=absorbed):
                found.into[absorbed] = survivor
                found.merged_at[absorbed] = one.position
            case CustomersUnmerged(restored=restored) if restored in found.into:
                since = found.merged_at[restored]
                found.undone.append(Undone(restored, found.above(restored), since, one.position))
                del found.into[restored]
            case CustomerSplit(restored=restored, identifiers=refs):
                found.linked |= {ref.key: restored for ref in refs}
            case IdentifierBlocked(identifier=ref):
                found.blocked.add(ref.key)
            case EventAssigned(event_or_stream=subject, customer=customer):
                found.assigned[subject] = customer
    return found


class Ownership:
    """Says whose an event is. `openings` are the first events of streams, `named` those that others name."""

    def __init__(self, edges: Edges, openings: Mapping[str, Envelope], named: Mapping[str, Envelope]) -> None:
        self.edges, self._openings, self._named = edges, openings, named

    def side(self, e: Envelope, asked: frozenset[str] = frozenset()) -> str | None:
        """The customer id an event was shown under, before any merge; empty: nobody's, None: a person must say.

        `asked` are those on whose behalf this one is asked: senders name what they like, themselves too.
        """
        if e.event_id in asked:
            return self._as_recorded(e)
        asked |= {e.event_id}
        known = self.edges
        for subject in (e.event_id, e.stream, f"contact-{getattr(e.event, 'contact_id', '')}"):
            if subject in known.assigned:
                return known.assigned[subject]
        if isinstance(e.event, (IdentifierLinked, IdentifierBlocked)):
            return known.linked.get(e.event.identifier.key, e.customer)
        if isinstance(e.event, CustomersMerged):
            return e.event.survivor if known.stands(e) else ""
        if isinstance(e.event, (CustomerErased, ErasureCertified)):
            return e.event.customer
        if (about := self._named.get(getattr(e.event, "touch_id", ""))) is not None:
            return self.side(about, asked)
        opening = self._openings.get(e.stream) if e.stream else None
        if opening is not None and opening is not e and opening.customer:
            return self.side(opening, asked)
        for ref in e.identifiers:
            if ref.key in known.linked and ref.key not in known.blocked:
                return known.linked[ref.key]
        if e.stream and (cause := self._named.get(e.cause)) is not None:
            return self.side(cause, asked)
        return self._as_recorded(e)

    def _as_recorded(self, e: Envelope) -> str | None:
        """Its customer at recording, unless two were one then who are two now."""
        if not any(
            e.customer in was.into and was.since < e.position < was.until for was in self.edges.undone
        ):
            return e.customer
        family = registry.of(e.event).family
        if family in STAYING:
            return e.customer
        return "" if family in RECKONED else None

    def placed(self, e: Envelope) -> tuple[str, Envelope] | None:
        """Its owner, and the event as that one's fold meets it: `customer` is the side it was shown under."""
        side = self.side(e)
        if not side:
            return None
        return self.edges.root(side), e if e.customer == side else msgspec.structs.replace(e, customer=side)


@dataclass(slots=True)
class Owned:
    """Events by owner, as recorded; and those of which only a person can say whose they are."""

    edges: Edges
    histories: dict[str, list[Envelope]] = field(default_factory=dict)
    open: list[Envelope] = field(default_factory=list)


def owned(events: Sequence[Envelope], known_at: datetime | None = None) -> Owned:
    """The histories of customers who were ever joined or parted, out of all their events."""
    known = edges(events, known_at)
    openings = {e.stream: e for e in events if e.stream and e.revision == 1}
    naming = {name for e in events for name in names(e)}
    ownership = Ownership(known, openings, {e.event_id: e for e in events if e.event_id in naming})
    found = Owned(known)
    for e in events:
        side = ownership.side(e)
        if side is None:
            found.open.append(e)
        elif side:
            mine = e if e.customer == side else msgspec.structs.replace(e, customer=side)
            found.histories.setdefault(known.root(side), []).append(mine)
    return found


def names(e: Envelope) -> tuple[str, ...]:
    """The events that say whose this one is: the touch it corrects, what a stream was opened for."""
    return (*filter(None, (getattr(e.event, "touch_id", ""), e.cause if e.revision == 1 else "")),)


_TELLING = (
    IdentifierLinked, CustomersMerged, CustomersUnmerged, CustomerSplit, IdentifierBlocked, EventAssigned,
)  # fmt: skip
TELLING: frozenset[type[Event]] = frozenset(_TELLING)
"""The events of which edges are made."""

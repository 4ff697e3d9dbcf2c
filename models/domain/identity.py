"""Whose touch is it: identifiers link, known customers merge, shared identifiers stop welding."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

from events.envelope import Event, IdentifierRef
from events.identity import (
    CustomersMerged,
    CustomersUnmerged,
    IdentifierBlocked,
    IdentifierLinked,
    MergeProposed,
)

Key = tuple[str, str, str]

VETO_KINDS = frozenset({"account", "national_id"})
"""Two different ones of one issuer never are one customer by themselves."""

LIMIT = {"phone": 5, "email": 5, "openid": 5, "device": 10, "cookie": 25, "account": 20, "national_id": 1}
"""How many identifiers of a kind a customer may gather before the one they share is blocked."""

THINGS = frozenset({"device", "cookie"})
"""Kinds that people change often; one too many says nothing of what it came with."""

SHARED_BY = 5
"""How often an identifier may stand between vetoed customers before it says nothing any more."""


@dataclass(slots=True)
class Known:
    """A customer as the register sees it; `since` is the journal position of its first event."""

    customer: str
    since: int
    revision: int = 0
    identifiers: set[Key] = field(default_factory=set)
    members: dict[str, int] = field(default_factory=dict)
    """Every customer id that means this one, with the revision of its identity stream."""


@dataclass(slots=True)
class Recognised:
    """Whose event it is (empty: nobody's), and what was learnt about identities on the way."""

    customer: str
    learnt: list[Event]


class Register:
    """What the identity tables say about one batch, kept current while the batch is recorded.

    Pure apart from its own memory: ids and positions are passed in, nothing is read or written.
    """

    def __init__(self) -> None:
        self.customers: dict[str, Known] = {}
        self.links: dict[Key, str] = {}
        self.sides: dict[Key, str] = {}
        """Whose an identifier would be if every merge were undone."""
        self.vetoes: set[frozenset[str]] = set()
        """Pairs whom only a person may join."""
        self.erased: set[str] = set()
        """Who asked to be forgotten: nobody becomes one with them, or would be forgotten too."""
        self.grounds: list[CustomersMerged] = []
        """The merges that hold, of the customers something may be learnt about."""
        self.blocked: set[Key] = set()
        self.strangers: Counter[Key] = Counter()
        self.absorbed: dict[str, str] = {}
        self.restored: dict[str, set[str]] = {}
        """Who is a customer of their own again, and every id that means them."""

    def recognise(
        self, identifiers: Sequence[IdentifierRef], position: int, new_id: Callable[[], str]
    ) -> Recognised:
        """The customer of an event with these identifiers (strongest first), and the edges it adds."""
        learnt: list[Event] = []
        keys = [ref.key for ref in identifiers]
        led_to = {self.links.get(key, "") for key in keys}
        if len(led_to) == 1 and "" not in led_to and self.blocked.isdisjoint(keys):
            return Recognised(led_to.pop(), learnt)  # nearly always: they are known, and all one customer's
        while True:
            usable = [ref for ref in identifiers if ref.key not in self.blocked]
            if not usable:
                return Recognised("", learnt)
            known = self._known(usable)
            if len(known) > 1:
                self._join(known, usable, learnt)
            home, shared = self._home(usable, position, new_id, learnt)
            if home is not None:
                shared = self._link_unknown(home, usable, position, new_id, learnt)
                if shared is None:
                    return Recognised(home.customer, learnt)
            if shared is not None:
                self._block(shared, "shared_by_many", learnt)  # and look again without it

    def _known(self, refs: Iterable[IdentifierRef]) -> list[Known]:
        """The customers these identifiers lead to, oldest first."""
        found = {self.links[ref.key] for ref in refs if ref.key in self.links}
        return sorted((self.customers[one] for one in found), key=lambda known: (known.since, known.customer))

    def _home(
        self, refs: Sequence[IdentifierRef], position: int, new_id: Callable[[], str], learnt: list[Event]
    ) -> tuple[Known | None, IdentifierRef | None]:
        """The customer of the strongest identifier; or none, and the identifier that too many share."""
        first, near = refs[0], next((ref for ref in refs if ref.key in self.links), None)
        if near is None:
            return self._mint(first, position, new_id, learnt), None
        home = self.customers[self.links[near.key]]
        if near is first:
            return home, None
        why = self._against_link(home, first)
        if not why:
            self._link(home, first, learnt, self.sides[near.key])
            return home, None
        shared = self._to_blame(home, refs, why)
        if shared is not None:
            return None, shared
        return self._apart(home, first, why, position, new_id, learnt), None

    def _link_unknown(
        self, home: Known, refs: Sequence[IdentifierRef], position: int, new_id: Callable[[], str],
        learnt: list[Event],
    ) -> IdentifierRef | None:  # fmt: skip
        """Link what is new to `home`; returns the identifier that too many share, if that shows here."""
        side = next(self.sides[ref.key] for ref in refs if self.links.get(ref.key) == home.customer)
        for ref in refs:
            if ref.key in self.links:
                continue
            why = self._against_link(home, ref)
            if not why:
                self._link(home, ref, learnt, side)
                continue
            if why == "limit" and self._is_one_more_thing(ref, home, refs):
                continue  # one more cookie of somebody well known: it need not lead to them
            shared = self._to_blame(home, refs, why)
            if shared is not None:
                return shared
            self._apart(home, ref, why, position, new_id, learnt)
        return None

    def _against_link(self, home: Known, ref: IdentifierRef) -> str:
        if _vetoes(home.identifiers, {ref.key}):
            return "veto"
        return "limit" if self._counts(home.identifiers)[ref.kind] >= LIMIT[ref.kind] else ""

    def _is_one_more_thing(self, ref: IdentifierRef, home: Known, refs: Sequence[IdentifierRef]) -> bool:
        """A cookie or a device beside something that names the person: it blames nobody."""
        leading = {one.kind for one in refs if self.links.get(one.key) == home.customer}
        return ref.kind in THINGS and bool(leading - THINGS)

    def _to_blame(self, home: Known, refs: Sequence[IdentifierRef], why: str) -> IdentifierRef | None:
        """The identifier that connects strangers too often by now; never one that says who somebody is."""
        leading = [ref for ref in refs if self.links.get(ref.key) == home.customer]
        if any(ref.kind in VETO_KINDS for ref in leading):
            return None
        if why == "limit":
            return leading[-1]
        self.strangers[leading[-1].key] += 1
        return leading[-1] if self.strangers[leading[-1].key] >= SHARED_BY else None

    def _apart(
        self, home: Known, ref: IdentifierRef, why: str, position: int, new_id: Callable[[], str],
        learnt: list[Event],
    ) -> Known:  # fmt: skip
        """A customer of its own for what may not be `home`'s, say a second account on a known phone."""
        other = self._mint(ref, position, new_id, learnt)
        self._propose(other, home.customer, why, learnt)
        return other

    def _mint(
        self, ref: IdentifierRef, position: int, new_id: Callable[[], str], learnt: list[Event]
    ) -> Known:
        known = Known(new_id(), position)
        known.members[known.customer] = 0
        self.customers[known.customer] = known
        self._link(known, ref, learnt, known.customer)
        return known

    def _link(self, known: Known, ref: IdentifierRef, learnt: list[Event], side: str) -> None:
        self.links[ref.key], self.sides[ref.key] = known.customer, side
        known.identifiers.add(ref.key)
        learnt.append(IdentifierLinked(customer=side, identifier=ref))

    def _join(self, known: list[Known], refs: Sequence[IdentifierRef], learnt: list[Event]) -> None:
        """Merge the customers a touch belongs to, oldest surviving; a veto or a limit only proposes."""
        survivor = known[0]
        for other in known[1:]:
            why = self._against(survivor, other)
            if why:
                self._propose(other, survivor.customer, why, learnt)
                continue
            resting = tuple(
                ref for ref in refs if self.links.get(ref.key) in (survivor.customer, other.customer)
            )
            for key in other.identifiers:
                self.links[key] = survivor.customer
            self.absorbed[other.customer] = survivor.customer
            self.restored.pop(other.customer, None)
            survivor.identifiers |= other.identifiers
            survivor.members |= other.members
            merge = CustomersMerged(survivor=survivor.customer, absorbed=other.customer, resting_on=resting)
            self.grounds.append(merge)
            learnt.append(merge)

    def _against(self, one: Known, other: Known) -> str:
        if any(frozenset(pair) in self.vetoes for pair in product(one.members, other.members)):
            return "parted"
        if not self.erased.isdisjoint((*one.members, *other.members)):
            return "erased"
        if _vetoes(one.identifiers, other.identifiers):
            return "veto"
        kinds = self._counts(one.identifiers | other.identifiers)
        return "limit" if any(count > LIMIT[kind] for kind, count in kinds.items()) else ""

    def _counts(self, keys: Iterable[Key]) -> Counter[str]:
        """How many there are of each kind; a blocked one says nothing, and so counts for nothing."""
        return Counter(key[0] for key in keys if key not in self.blocked)

    def _propose(self, known: Known, other: str, why: str, learnt: list[Event]) -> None:
        """Ask a person, unless one has spoken already."""
        if why not in ("parted", "erased"):
            learnt.append(MergeProposed(customer=known.customer, other=other, why=why))

    def _block(self, ref: IdentifierRef, why: str, learnt: list[Event]) -> None:
        self.blocked.add(ref.key)
        learnt.append(IdentifierBlocked(key=ref.hash, identifier=ref, why=why))
        for merge in fallen(self.grounds, self.sides, self.blocked):
            self._restore(merge)
            learnt.append(dissolved(merge))

    def _restore(self, merge: CustomersMerged) -> None:
        """A merge whose ground fell away: what was the absorbed one's is theirs again."""
        self.grounds.remove(merge)
        survivor = self.customers[self._root(merge.survivor)]
        members = below(self.grounds, merge.absorbed)
        self.restored[merge.absorbed] = members
        restored = Known(merge.absorbed, survivor.since)
        restored.identifiers = {key for key in survivor.identifiers if self.sides[key] in members}
        survivor.identifiers -= restored.identifiers
        for one in members:
            restored.members[one] = survivor.members.pop(one)
        self.customers[restored.customer] = restored
        self.absorbed.pop(restored.customer, None)
        self.links |= dict.fromkeys(restored.identifiers, restored.customer)

    def _root(self, customer: str) -> str:
        into = {merge.absorbed: merge.survivor for merge in self.grounds}
        while customer in into:
            customer = into[customer]
        return customer


def below(merges: Collection[CustomersMerged], customer: str) -> set[str]:
    """A customer, and everybody who was merged into them by these merges."""
    found = {customer}
    while more := {merge.absorbed for merge in merges if merge.survivor in found} - found:
        found |= more
    return found


def fallen(
    merges: Collection[CustomersMerged], sides: Mapping[Key, str], blocked: Collection[Key]
) -> list[CustomersMerged]:
    """The merges that rest on blocked identifiers alone: what is left of their ground shows one side only.

    A merge by a person rests on nothing but their word.
    """
    found = []
    for merge in merges:
        absorbed = below(merges, merge.absorbed)
        ground = {sides.get(ref.key) in absorbed for ref in merge.resting_on if ref.key not in blocked}
        if merge.resting_on and len(ground) < 2:
            found.append(merge)
    return found


def dissolved(merge: CustomersMerged) -> CustomersUnmerged:
    """What is recorded when a merge has lost its ground."""
    return CustomersUnmerged(
        survivor=merge.survivor, restored=merge.absorbed, why="identifier_blocked", veto=False
    )


def _vetoes(one: set[Key], other: set[Key]) -> bool:
    """Do these hold two different identifiers of one vetoing kind and issuer?"""
    held = {(kind, issuer): value for kind, issuer, value in one if kind in VETO_KINDS}
    return any(held.get((kind, issuer), value) != value for kind, issuer, value in other)

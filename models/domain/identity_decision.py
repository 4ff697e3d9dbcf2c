"""What a person may decide about who is who, and what follows: pure, from edges and a command."""

from collections.abc import Callable, Collection, Mapping

import msgspec
from msgspec import Struct

from events.envelope import Event, IdentifierRef
from events.identity import (
    CustomersMerged,
    CustomerSplit,
    CustomersUnmerged,
    EventAssigned,
    IdentifierBlocked,
    MergeDeclined,
)
from models.domain.identity import Key, dissolved, fallen
from models.domain.ownership import Edges
from models.domain.weld import groups
from models.errors import Refused


class Merge(Struct, frozen=True, kw_only=True):
    """These two are one person. A person's word lifts every veto between them."""

    customer: str
    other: str


class Unmerge(Struct, frozen=True, kw_only=True):
    """The merge of `restored` into this customer was wrong; with nobody named, the only one there was."""

    customer: str
    restored: str = ""
    why: str


class Split(Struct, frozen=True, kw_only=True):
    """These identifiers are another person's: a new customer, `restored`, takes them and what they showed."""

    customer: str
    restored: str
    identifiers: tuple[IdentifierRef, ...]
    why: str


class Assign(Struct, frozen=True, kw_only=True):
    """An event, or a whole stream, is this customer's."""

    customer: str
    event_or_stream: str


class Block(Struct, frozen=True, kw_only=True):
    """An identifier says nothing of who somebody is: a switchboard's number, a shared device."""

    customer: str
    identifier: IdentifierRef
    why: str
    new_id: Callable[[], str]
    """For those who turn out to be customers of their own."""


class Decline(Struct, frozen=True, kw_only=True):
    """These two are two people, whatever they share."""

    customer: str
    other: str
    why: str


Command = Merge | Unmerge | Split | Assign | Block | Decline


ERASED = Refused(
    "customer.erased",
    "this customer asked to be forgotten: they are joined with nobody, and nothing is given to them or taken from them",
)


class Identities(Struct, frozen=True):
    """What a decision rests on: the edges, which identifiers are whose, the age of the customers (smaller is older)."""

    edges: Edges
    since: Mapping[str, int]
    merges: Collection[CustomersMerged] = ()
    shown: Collection[Collection[Key]] = ()
    """The identifiers that each event showed together, in the order of the journal."""
    erased: Collection[str] = ()
    """Who asked to be forgotten."""
    forgotten: Collection[str] = ()
    """Of whom it is done."""
    had: Collection[str] = ()
    """Whose the event or stream was taken to be that is to be given to somebody."""

    def is_among(self, customer: str, some: Collection[str]) -> bool:
        """Is this customer one of these, or one with one of them?"""
        root = self.edges.root(customer)
        return any(self.edges.root(one) == root for one in some)


def decide(state: Identities, command: Command) -> list[Event]:
    """The events that follow; none where it is so already. Raises `Refused` by rule."""
    match command:
        case Merge():
            return _merge(state, command)
        case Unmerge():
            return _unmerge(state, command)
        case Split():
            return _split(state, command)
        case Assign(customer=customer, event_or_stream=subject):
            if any(state.is_among(one, state.forgotten) for one in (customer, *state.had)):
                raise ERASED
            if state.edges.assigned.get(subject) == customer:
                return []
            return [EventAssigned(event_or_stream=subject, customer=customer)]
        case Block():
            return _block(state, command)
        case Decline(customer=one, other=other, why=why):
            if state.edges.root(one) == state.edges.root(other):
                raise Refused("identity.is_merged", "these two are one customer: un-merge them")
            if state.is_among(one, state.erased) or state.is_among(other, state.erased):
                raise ERASED
            return [MergeDeclined(customer=one, other=other, why=why)]


def subject(event: Event) -> str:
    """Whose identity stream an event of these is in; empty for those with a stream of their own."""
    match event:
        case CustomersMerged(survivor=customer) | CustomersUnmerged(survivor=customer):
            return customer
        case CustomerSplit(customer=customer) | MergeDeclined(customer=customer):
            return customer
    return ""


def _merge(state: Identities, command: Merge) -> list[Event]:
    one, other = (state.edges.root(each) for each in (command.customer, command.other))
    if one == other:
        return []
    if state.is_among(one, state.erased) or state.is_among(other, state.erased):
        raise ERASED
    survivor, absorbed = sorted((one, other), key=lambda each: (state.since[each], each))
    return [CustomersMerged(survivor=survivor, absorbed=absorbed)]


def _unmerge(state: Identities, command: Unmerge) -> list[Event]:
    edges, root = state.edges, state.edges.root(command.customer)
    absorbed = sorted(one for one in edges.into if edges.root(one) == root)
    restored = command.restored or (absorbed[0] if len(absorbed) == 1 else "")
    if not restored and absorbed:
        raise Refused(
            "identity.which", f"{len(absorbed)} customers were merged into this one: name one in `restored`"
        )
    if restored not in absorbed:
        if any(was.restored == restored for was in edges.undone):
            return []
        raise Refused("identity.not_merged", "no such customer was merged into this one")
    return [CustomersUnmerged(survivor=edges.into[restored], restored=restored, why=command.why)]


def _split(state: Identities, command: Split) -> list[Event]:
    root = state.edges.root(command.customer)
    if state.is_among(root, state.erased):
        raise ERASED
    held = {key for key, side in state.edges.linked.items() if state.edges.root(side) == root}
    taken = {ref.key for ref in command.identifiers}
    if all(state.edges.linked.get(key) == command.restored for key in taken):
        return []
    if not taken or not taken <= held:
        raise Refused("identity.not_theirs", "name identifiers that this customer has")
    if taken == held:
        raise Refused(
            "identity.nothing_left", "these are all the identifiers the customer has: nothing is split"
        )
    return [
        CustomerSplit(
            customer=root, restored=command.restored, identifiers=command.identifiers, why=command.why
        )
    ]


def _block(state: Identities, command: Block) -> list[Event]:
    """The merges that rest on it alone fall with it, and so does whatever else it alone held together."""
    ref, edges = command.identifier, state.edges
    blocked = edges.blocked | {ref.key}
    lost = fallen(list(state.merges), edges.linked, blocked)
    told: list[Event] = []
    if ref.key not in edges.blocked:
        if state.is_among(command.customer, state.erased):
            raise ERASED
        told.append(IdentifierBlocked(key=ref.hash, identifier=ref, why=command.why))
    return (
        told + list(map(dissolved, lost)) + _parted(state, {one.absorbed for one in lost}, blocked, command)
    )


def _parted(
    state: Identities, fallen: Collection[str], blocked: Collection[Key], command: Block
) -> list[Event]:
    """Of whoever had the identifier: those whom no event showed beside whom was there first."""
    edges, ref = state.edges, command.identifier
    whose = edges.root(edges.linked.get(ref.key, command.customer))
    into = {one: survivor for one, survivor in edges.into.items() if one not in fallen}
    theirs = {key: side for key, side in edges.linked.items() if edges.root(side) == whose}
    now: dict[str, list[Key]] = {}
    for key, side in theirs.items():
        now.setdefault(_root(into, side), []).append(key)
    joined = [[key for key, side in theirs.items() if side in pair] for pair in into.items()]
    return [
        CustomerSplit(
            customer=customer, restored=command.new_id(), why="identifier_blocked", veto=False,
            identifiers=tuple(map(_ref, some)),
        )
        for customer, held in sorted(now.items())
        for some in groups(held, state.shown, joined, blocked)[1:]
    ]  # fmt: skip


def _ref(key: Key) -> IdentifierRef:
    kind, issuer, digest = key
    return msgspec.convert({"kind": kind, "issuer": issuer, "hash": digest}, IdentifierRef)


def _root(into: Mapping[str, str], customer: str) -> str:
    while customer in into:
        customer = into[customer]
    return customer

"""Senders who are late, repeat and contradict themselves, and plain sums of what must come of it.

The reckoning knows nothing of the code under test. It keeps dictionaries, and the rules that a reader is
told: who shares an identifier is one customer, the older one survives, a touch on these channels is a contact.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count, product
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from events.envelope import IdentifierRef
from infra.intake import InboundIdentifier
from infra.workspace import Workspace
from tests.support.sending import item

_runs = count(1)
Name = str
"""What somebody is known by, like `phone1`: a kind and a number."""

KINDS = ("phone", "email", "account")
POOL = [f"{kind}{number}" for kind in KINDS for number in range(3)]
"""Few enough that no limit of shared identifiers is met, even where all of them are one customer's."""

WIRES = {
    "touch": "touch.recorded", "purchase": "purchase.recorded", "return": "purchase.returned",
    "usage": "usage.recorded", "lead": "opportunity.imported",
}  # fmt: skip
CHANNELS = st.sampled_from(["voice", "chat", "email", "web"])
DIRECTIONS = st.sampled_from(["inbound", "outbound"])
_SAID: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "touch": st.fixed_dictionaries({"channel": CHANNELS, "direction": DIRECTIONS}),
    "purchase": st.fixed_dictionaries(
        {"amount": st.sampled_from(["100", "250.50", None]), "currency": st.sampled_from(["EUR", "USD"])}
    ),
    "return": st.just({"amount": "1", "currency": "EUR"}),
    "usage": st.just({"service": "calls", "quantity": 1, "unit": "minute"}),
    "lead": st.fixed_dictionaries({"subject": st.just("loan"), "closed": st.sampled_from([None, "won"])}),
}
_KINDS = st.sampled_from(["touch", "touch", "touch", "purchase", "purchase", "return", "usage", "lead"])
_HOW_MANY = st.sampled_from([1, 1, 2, 1, 2, 3, 0])


def strongest_first(name: Name) -> int:
    """Sort key: what says most of who somebody is comes first, and of one kind what was told first."""
    return ["account", "phone", "email"].index(name[:-1])


LATE = st.one_of(
    st.just(timedelta()),
    st.integers(0, 24 * 60).map(lambda minutes: timedelta(minutes=minutes)),
    st.integers(1, 400).map(lambda days: timedelta(days=days)),
)
"""How long ago it was when a sender tells it: it just happened, or up to a day ago, or days."""


PUT_RIGHT = st.fixed_dictionaries(
    {}, optional={"channel": CHANNELS, "direction": DIRECTIONS, "occurred_at": LATE}
)
"""What a touch should have said; with nothing in it, it should not have been told at all."""

WHICH = st.integers(0, 99)
"""One of those there are by then."""


@dataclass(frozen=True, slots=True)
class Told:
    """Something that happened, as a sender tells it; under no name it is nobody's."""

    kind: str
    ago: timedelta
    names: tuple[Name, ...]
    said: dict[str, Any]


@st.composite
def happenings(draw: st.DrawFn, pool: Sequence[Name], ago: st.SearchStrategy[timedelta] = LATE) -> Told:
    """One happening. Two names or three are what links and merges."""
    kind = draw(_KINDS)
    names = draw(st.permutations(pool))[: draw(_HOW_MANY)]
    said = {name: value for name, value in draw(_SAID[kind]).items() if value is not None}
    return Told(kind, draw(ago), tuple(names), said)


class Sender:
    """Writes items. Each has people and ids of its own, so that many can share a workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace, self.run = workspace, next(_runs)
        self.name = f"sender-{self.run:06}"

    def item(self, source_id: str, one: Told, at: datetime) -> dict[str, Any]:
        """What is told, as it is sent. A lead is imported: nothing else opens a stream from outside."""
        said = dict(one.said)
        if one.kind == "lead":
            said["opportunity_id"] = self.lead(source_id)
        return item(
            source_id, *map(self.ref, one.names), type=WIRES[one.kind], at=at, source=self.name,
            origin="import" if one.kind == "lead" else "live", **said,
        )  # fmt: skip

    def change(self, source_id: str, touch: str, at: datetime, said: dict[str, Any]) -> dict[str, Any]:
        """A touch put right; with nothing said, taken back."""
        wire = "touch.corrected" if said else "touch.retracted"
        said = {name: value.isoformat() if name == "occurred_at" else value for name, value in said.items()}
        return item(
            source_id, type=wire, at=at, source=self.name, touch_id=touch, **(said or {"why": "wrong"})
        )

    def lead(self, source_id: str) -> str:
        """The opportunity that an item opens."""
        return f"{self.name}-{source_id}"

    def ref(self, name: Name) -> dict[str, str]:
        """The identifier of a name. Each account is of another issuer, and so stands against no merge."""
        kind, number = name[:-1], int(name[-1])
        if kind == "phone":
            return {"kind": kind, "value": f"+1415{2_000_000 + 10 * self.run + number}"}
        if kind == "email":
            return {"kind": kind, "value": f"{self.name}.{number}@example.com"}
        return {"kind": kind, "value": f"{self.name}-{number}", "issuer": f"{self.name}-{number}"}

    def refs(self, pool: Iterable[Name]) -> dict[Name, IdentifierRef]:
        """What stands for each name in the journal."""
        intake = self._workspace.intake
        return {name: intake.identify([InboundIdentifier(**self.ref(name))])[0].ref for name in pool}


@dataclass(slots=True)
class Value:
    """What was bought in one currency."""

    purchases: int = 0
    unpriced: int = 0
    returns: int = 0
    amount: Decimal = Decimal(0)


@dataclass(slots=True)
class Seen:
    """What the views say of a customer, or must say."""

    names: set[Name] = field(default_factory=set)
    events: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None
    contacts: int = 0
    today: int = 0
    last_contact: datetime | None = None
    value: dict[str, Value] = field(default_factory=dict)
    bought_at: datetime | None = None
    active_at: datetime | None = None
    leads: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Fact:
    source_id: str
    kind: str
    at: datetime
    said: dict[str, Any]
    names: tuple[Name, ...]


@dataclass(slots=True)
class _Change:
    touch: str
    order: tuple[datetime, str]
    said: dict[str, Any]


class Reckoning:
    """Sums over what was told, each thing once. Customers are numbers, 0 is nobody, the older the smaller.

    Whose something is, the strongest name says under which it was told.
    """

    def __init__(self) -> None:
        self.facts: dict[str, _Fact] = {}
        self.into: dict[int, int] = {}
        self._links: dict[Name, int] = {}
        self._changes: list[_Change] = []
        self._apart: set[frozenset[int]] = set()
        self._customers = 0

    def tell(self, source_id: str, one: Told, at: datetime) -> int:
        """One more happening; its customer."""
        names = tuple(sorted(one.names, key=strongest_first))
        self.facts[source_id] = _Fact(source_id, one.kind, at, one.said, names)
        return self._recognise(names)

    def change(self, source_id: str, touch: str, at: datetime, said: dict[str, Any]) -> None:
        """A touch put right; with nothing said, taken back."""
        self._changes.append(_Change(touch, (at, source_id), said))

    def head(self, customer: int) -> int:
        """Whom a customer is now."""
        while customer in self.into:
            customer = self.into[customer]
        return customer

    def heads(self) -> list[int]:
        """Everybody there is now."""
        return sorted({self.head(one) for one in self._links.values()})

    def join(self, one: int, other: int) -> None:
        """A person says that these two are one, whatever kept them apart."""
        older, younger = sorted((one, other))
        both = self._members(older), self._members(younger)
        self._apart -= {frozenset(pair) for pair in product(*both)}
        self.into[younger] = older

    def part(self, customer: int) -> None:
        """Undo a customer's merge: what was shown as theirs is theirs again, and nothing joins the two by itself."""
        self._apart.add(frozenset((customer, self.into.pop(customer))))

    def splittable(self) -> list[Name]:
        """The names that may be taken off whoever has them: some name is left."""
        having = Counter(self.head(one) for one in self._links.values())
        return [name for name, one in sorted(self._links.items()) if having[self.head(one)] > 1]

    def split(self, name: Name) -> int:
        """A name is another person's after all; the number of that one."""
        self._customers += 1
        self._apart.add(frozenset((self.head(self._links[name]), self._customers)))
        self._links[name] = self._customers
        return self._customers

    def holder(self, name: Name) -> int:
        """Whom a name leads to now."""
        return self.head(self._links[name])

    def _members(self, customer: int) -> list[int]:
        return [one for one in range(1, self._customers + 1) if self.head(one) == customer]

    def _owner(self, fact: _Fact) -> int:
        return self.head(self._links[fact.names[0]]) if fact.names else 0

    def customers(self, now: datetime) -> dict[int, Seen]:
        """What must be seen of each customer at a moment."""
        found: dict[int, Seen] = defaultdict(Seen)
        for name, customer in self._links.items():
            found[self.head(customer)].names.add(name)
        for fact in self.facts.values():
            if (owner := self._owner(fact)) and (counted := self._as_changed(fact)) is not None:
                _add(found[owner], counted, now)
        return dict(found)

    def _recognise(self, names: Sequence[Name]) -> int:
        if not names:
            return 0
        linked = [self._links[name] for name in names if name in self._links]
        if not linked:
            self._customers += 1
            linked = [self._customers]
        known = sorted({self.head(one) for one in linked})
        for other in known[1:]:
            pairs = product(self._members(known[0]), self._members(other))
            if self._apart.isdisjoint(map(frozenset, pairs)):
                self.into[other] = known[0]
        for name in names:
            self._links.setdefault(name, linked[0])
        return self.head(linked[0])

    def _as_changed(self, fact: _Fact) -> _Fact | None:
        said, at = dict(fact.said), fact.at
        for made in sorted(
            (one for one in self._changes if one.touch == fact.source_id), key=lambda one: one.order
        ):
            if not made.said:
                return None
            said |= {name: value for name, value in made.said.items() if name != "occurred_at"}
            at = made.said.get("occurred_at", at)
        return _Fact(fact.source_id, fact.kind, at, said, fact.names)


def _add(seen: Seen, fact: _Fact, now: datetime) -> None:
    at, said = fact.at, fact.said
    seen.events += 1
    if fact.kind != "usage":  # what the view of a customer is not told of
        seen.first_at = min(seen.first_at or at, at)
        seen.last_at = max(seen.last_at or at, at)
    if fact.kind in ("purchase", "usage"):
        seen.active_at = max(seen.active_at or at, at)
    if fact.kind in ("purchase", "return"):
        value, price = seen.value.setdefault(said["currency"], Value()), Decimal(said.get("amount", 0))
        if fact.kind == "purchase":
            seen.bought_at = min(seen.bought_at or at, at)
            value.purchases, value.amount = value.purchases + 1, value.amount + price
            value.unpriced += "amount" not in said
        else:
            value.returns, value.amount = value.returns + 1, value.amount - price
    if fact.kind == "lead" and "closed" not in said:
        seen.leads.add(fact.source_id)
    if fact.kind == "touch" and _is_contact(said):
        seen.contacts += 1
        seen.last_contact = max(seen.last_contact or at, at)
        zone = ZoneInfo("America/Los_Angeles" if any("phone" in name for name in seen.names) else "UTC")
        seen.today += at <= now and at.astimezone(zone).date() == now.astimezone(zone).date()


def _is_contact(said: dict[str, Any]) -> bool:
    """A call or a chat is one, a mail only if it came in, a page view never."""
    return said["channel"] in ("voice", "chat") or (
        said["channel"] == "email" and said["direction"] == "inbound"
    )

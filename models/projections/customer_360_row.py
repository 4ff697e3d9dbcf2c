"""What the view of a customer holds, part by part."""

from datetime import datetime
from decimal import Decimal

from msgspec import Struct

from events.prediction import RelatedProduct, ScoreReason
from events.vocabulary import Channel, IdentifierKind
from models.domain.verification import Proof


class HeldIdentifier(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An identifier of the customer, without its value."""

    kind: IdentifierKind
    hash: str
    since: datetime
    issuer: str = ""
    blocked: bool = False
    facets: dict[str, str] = {}
    side: str = ""
    """The customer whose it would be after every un-merge."""

    @property
    def key(self) -> tuple[str, str, str]:
        """Which identifier it is."""
        return (self.kind, self.issuer, self.hash)


class Unreachable(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An identifier to which something did not arrive on a channel; `permanent`: nothing ever will."""

    kind: IdentifierKind
    hash: str
    channel: Channel
    why: str
    since: datetime
    event_id: str
    issuer: str = ""
    permanent: bool = False

    @property
    def key(self) -> tuple[str, str, str]:
        """Which identifier it is."""
        return (self.kind, self.issuer, self.hash)


class Value(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the customer bought in one currency, less what they brought back."""

    purchases: int = 0
    returns: int = 0
    amount: Decimal = Decimal(0)
    unpriced: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None


class Holding(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A product the customer has now."""

    holding_id: str
    product: str
    since: datetime
    price: Decimal | None = None
    currency: str = ""
    ends_at: datetime | None = None


class ConsentState(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The last word on one channel (empty: every one) for one purpose (empty: any), and where it was said."""

    channel: str
    purpose: str
    granted: bool
    basis: str
    since: datetime
    event_id: str
    proof: str = ""
    scope: str = ""
    expires_at: datetime | None = None
    side: str = ""
    """The customer who said it; that one may have become this one only later."""
    others: tuple[str, ...] = ()
    """Who had become that customer when it was said: they spoke with one voice."""

    def reaches(self, side: str) -> bool:
        """Did whoever said this speak for the identifiers of that side too?"""
        return side == self.side or side in self.others


class Contact(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One conversation, as far as the prompt needs it."""

    contact_id: str
    at: datetime
    channel: str
    reason: str = ""
    outcome: str = "unknown"
    confirmed: bool | None = None

    @property
    def open_reason(self) -> str:
        """Its reason, while it is not solved; whether it is, the customer's own word says before ours."""
        solved = self.outcome == "resolved" if self.confirmed is None else self.confirmed
        return "" if solved else self.reason


class Complaint(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A complaint of the customer's: about what, and when it was settled; None while it is open."""

    case_id: str
    reason: str
    since: datetime
    event_id: str
    settled_at: datetime | None = None


class Foretold(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The last churn score."""

    event_id: str
    as_of: datetime
    horizon_days: int
    probability: float
    rank: int
    of: int
    artifact: str
    reasons: tuple[ScoreReason, ...] = ()


class ExpectedValue(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The money last foretold of the customer; of a contract, what it brings a month and the chance that it runs on."""

    event_id: str
    as_of: datetime
    horizon_days: int
    amount: Decimal
    model: str
    currency: str = ""
    purchases: float | None = None
    monthly: Decimal | None = None
    staying: float | None = None


class AssignedPersona(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The persona they were put into last, since when, and by which freeze; `place` is 1 for the highest spend."""

    event_id: str
    as_of: datetime
    persona: str
    place: int
    of: int
    freeze: int


class RelatedProducts(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What others have beside what the customer has, the nearest first, and since when that is the answer."""

    event_id: str
    as_of: datetime
    items: tuple[RelatedProduct, ...]


class Customer360Row(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an agent needs before the first word. `contacts` are recent ones, oldest first."""

    first_at: datetime | None = None
    last_at: datetime | None = None
    identifiers: tuple[HeldIdentifier, ...] = ()
    unreachable: tuple[Unreachable, ...] = ()
    value: dict[str, Value] = {}
    holdings: dict[str, Holding] = {}
    consents: dict[str, ConsentState] = {}
    joined: dict[str, str] = {}
    """Who has become this customer so far: absorbed → survivor."""
    contacts: tuple[Contact, ...] = ()
    contacts_ever: int = 0
    contacts_today: int = 0
    open_cases: dict[str, str] = {}
    complaints: tuple[Complaint, ...] = ()
    """Every one they made, in the order in which they did."""
    open_opportunities: dict[str, str] = {}
    churn: Foretold | None = None
    value_foretold: ExpectedValue | None = None
    persona: AssignedPersona | None = None
    related: RelatedProducts | None = None
    proofs: tuple[Proof, ...] = ()
    """Who they proved to be, in the order in which they did; some may have run out."""
    erased_at: datetime | None = None

    @property
    def has_open_complaint(self) -> bool:
        """Is there a complaint that nobody has settled yet?"""
        return any(one.settled_at is None for one in self.complaints)

    @property
    def settled_complaint(self) -> Complaint | None:
        """The complaint that was settled last."""
        settled = [
            (one.settled_at, one.case_id, one) for one in self.complaints if one.settled_at is not None
        ]
        return max(settled)[2] if settled else None

    def survivor(self, side: str) -> str:
        """Whom a customer's id has become by now, as far as the fold has come."""
        while side in self.joined:
            side = self.joined[side]
        return side

    def one_with(self, side: str) -> tuple[str, ...]:
        """Every other id that means the same customer by now."""
        if not self.joined:
            return ()
        survivor = self.survivor(side)
        everybody = {survivor, *(one for one in self.joined if self.survivor(one) == survivor)}
        return tuple(sorted(everybody - {side}))

    @property
    def sides(self) -> frozenset[str]:
        """Everybody who is this customer, as far as merges and identifiers show by now."""
        return frozenset((*self.joined, *self.joined.values(), *(one.side for one in self.identifiers)))


def zone_of(row: Customer360Row, default: str) -> str:
    """The customer's zone, from what their phone number shows; else the company's."""
    return next(
        (one.facets["zone"] for one in row.identifiers if "zone" in one.facets and not one.blocked), default
    )

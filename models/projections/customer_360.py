"""The customer at a glance: identity, value, holdings, consent, contacts, what is open, what is foretold."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TypeVar
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct

from events.case import CaseClosed, CaseImported, CaseOpened, CaseReopened, CaseResolved
from events.consent import ConsentGranted, ConsentWithdrawn
from events.contact import ContactEnded, ContactStarted, ContactWrappedUp
from events.envelope import Envelope, Event
from events.holding import HoldingChanged, HoldingEnded, HoldingStarted, PurchaseRecorded, PurchaseReturned
from events.identity import IdentifierBlocked, IdentifierLinked
from events.opportunity import (
    OpportunityCaptured,
    OpportunityImported,
    OpportunityLost,
    OpportunityReopened,
    OpportunityStaged,
    OpportunityWon,
)
from events.prediction import ChurnScored, ScoreReason
from events.touch import TouchRecorded
from models.domain.contact import converses, is_contact
from models.projections.projection import Projection

T = TypeVar("T")
KEPT = timedelta(hours=50)
"""Contacts are kept this long before the newest: a day in any zone, and the hours around it."""


class HeldIdentifier(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An identifier of the customer, without its value."""

    kind: str
    hash: str
    since: datetime
    issuer: str = ""
    blocked: bool = False
    facets: dict[str, str] = {}


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
        """Its reason, while it is neither resolved nor confirmed as solved."""
        return "" if self.outcome == "resolved" or self.confirmed else self.reason


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


class Customer360Row(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an agent needs before the first word. `contacts` are recent ones, oldest first."""

    first_at: datetime | None = None
    last_at: datetime | None = None
    identifiers: tuple[HeldIdentifier, ...] = ()
    value: dict[str, Value] = {}
    holdings: dict[str, Holding] = {}
    consents: dict[str, ConsentState] = {}
    contacts: tuple[Contact, ...] = ()
    contacts_ever: int = 0
    contacts_today: int = 0
    open_cases: dict[str, str] = {}
    open_opportunities: dict[str, str] = {}
    churn: Foretold | None = None


def zone_of(row: Customer360Row, default: str) -> str:
    """The customer's zone, from what their phone number shows; else the company's."""
    return next((one.facets["zone"] for one in row.identifiers if "zone" in one.facets), default)


class Customer360(Projection[Customer360Row]):
    """One row a customer."""

    name, generation, row = "customer_360", 1, Customer360Row

    def __init__(self, zone: str = "UTC") -> None:
        self._zone = zone

    def apply(self, row: Customer360Row | None, envelope: Envelope, owner: str) -> Customer360Row:
        """The customer after one more event."""
        row = row or Customer360Row()
        if not isinstance(envelope.event, _ABOUT_RECORDS):
            at = envelope.occurred_at
            row = msgspec.structs.replace(row, first_at=row.first_at or at, last_at=at)
        return _STEPS[type(envelope.event)](row, envelope)

    def present(self, row: Customer360Row, at: datetime) -> Customer360Row:
        """Today is the customer's own day; a consent that has run out is none."""
        zone = ZoneInfo(zone_of(row, self._zone))
        today = at.astimezone(zone).date()
        count = sum(
            contact.at.astimezone(zone).date() == today for contact in row.contacts if contact.at <= at
        )
        consents = {
            key: consent for key, consent in row.consents.items()
            if consent.expires_at is None or consent.expires_at > at
        }  # fmt: skip
        return msgspec.structs.replace(row, contacts_today=count, consents=consents)


def _linked(row: Customer360Row, envelope: Envelope) -> Customer360Row:
    ref = envelope.event.identifier
    if any((one.kind, one.issuer, one.hash) == ref.key for one in row.identifiers):
        return row
    held = HeldIdentifier(
        kind=ref.kind, issuer=ref.issuer, hash=ref.hash, facets=ref.facets, since=envelope.occurred_at
    )
    return msgspec.structs.replace(row, identifiers=(*row.identifiers, held))


def _blocked(row: Customer360Row, envelope: Envelope) -> Customer360Row:
    ref = envelope.event.identifier
    return msgspec.structs.replace(
        row,
        identifiers=tuple(
            msgspec.structs.replace(one, blocked=True) if (one.kind, one.issuer, one.hash) == ref.key else one
            for one in row.identifiers
        ),
    )


def _bought(row: Customer360Row, envelope: Envelope) -> Customer360Row:
    event, at = envelope.event, envelope.occurred_at
    was = row.value.get(event.currency, Value())
    now = msgspec.structs.replace(
        was, purchases=was.purchases + 1, amount=was.amount + (event.amount or 0),
        unpriced=was.unpriced + (event.amount is None), first_at=was.first_at or at, last_at=at,
    )  # fmt: skip
    return msgspec.structs.replace(row, value={**row.value, event.currency: now})


def _returned(row: Customer360Row, envelope: Envelope) -> Customer360Row:
    event = envelope.event
    was = row.value.get(event.currency, Value())
    now = msgspec.structs.replace(was, returns=was.returns + 1, amount=was.amount - (event.amount or 0))
    return msgspec.structs.replace(row, value={**row.value, event.currency: now})


def _holding_started(row: Customer360Row, envelope: Envelope) -> Customer360Row:
    event = envelope.event
    held = Holding(
        holding_id=event.holding_id, product=event.product, since=envelope.occurred_at, price=event.price,
        currency=event.currency, ends_at=event.ends_at,
    )  # fmt: skip
    return msgspec.structs.replace(row, holdings={**row.holdings, event.holding_id: held})


def _holding_changed(row: Customer360Row, envelope: Envelope) -> Customer360Row:
    event = envelope.event
    held = row.holdings.get(event.holding_id)
    if held is None:
        return row
    said = {
        name: value
        for name in ("product", "price", "currency", "ends_at")
        if (value := getattr(event, name)) not in (None, "")
    }
    changed = msgspec.structs.replace(held, **said)
    return msgspec.structs.replace(row, holdings={**row.holdings, event.holding_id: changed})


def _holding_ended(row: Customer360Row, envelope: Envelope) -> Customer360Row:
    return msgspec.structs.replace(row, holdings=_without(row.holdings, envelope.event.holding_id))


def _granted(row: Customer360Row, envelope: Envelope) -> Customer360Row:
    event = envelope.event
    consent = ConsentState(
        channel=event.channel, purpose=event.purpose, granted=True, basis=event.basis, proof=event.proof,
        since=envelope.occurred_at, event_id=envelope.event_id, scope=event.scope or "",
        expires_at=event.expires_at,
    )  # fmt: skip
    return _with_consent(row, consent)


def _withdrawn(row: Customer360Row, envelope: Envelope) -> Customer360Row:
    event = envelope.event
    consent = ConsentState(
        channel=event.channel or "", purpose=event.purpose or "", granted=False, basis=event.basis or "",
        since=envelope.occurred_at, event_id=envelope.event_id, scope=event.scope or "",
    )  # fmt: skip
    return _with_consent(row, consent)


def _with_consent(row: Customer360Row, consent: ConsentState) -> Customer360Row:
    key = f"{consent.channel or '*'}/{consent.purpose or '*'}" + (
        f"/{consent.scope}" if consent.scope else ""
    )
    return msgspec.structs.replace(row, consents={**row.consents, key: consent})


def _touched(row: Customer360Row, envelope: Envelope) -> Customer360Row:
    touch = envelope.event
    if not is_contact(touch):
        return row
    contact = Contact(
        contact_id=touch.contact_id or envelope.event_id, at=envelope.occurred_at, channel=touch.channel,
        reason=touch.reason or "", outcome=touch.outcome, confirmed=touch.confirmed,
    )  # fmt: skip
    return _with_contact(row, contact)


def _contact_started(row: Customer360Row, envelope: Envelope) -> Customer360Row:
    event = envelope.event
    if event.outside is not None or not converses(event.channel, event.direction):
        return row
    return _with_contact(
        row, Contact(contact_id=event.contact_id, at=envelope.occurred_at, channel=event.channel)
    )


def _with_contact(row: Customer360Row, contact: Contact) -> Customer360Row:
    """A contact of a known id is told again by a later part; any other is one more."""
    known = any(one.contact_id == contact.contact_id for one in row.contacts)
    if known:
        contacts = tuple(
            msgspec.structs.replace(contact, at=one.at) if one.contact_id == contact.contact_id else one
            for one in row.contacts
        )
    else:
        contacts = (*(one for one in row.contacts if one.at >= contact.at - KEPT), contact)
    return msgspec.structs.replace(row, contacts=contacts, contacts_ever=row.contacts_ever + (not known))


def _contact_told(row: Customer360Row, envelope: Envelope) -> Customer360Row:
    event = envelope.event
    said = {
        name: value for name in ("reason", "outcome", "confirmed")
        if (value := getattr(event, name, None)) not in (None, "unknown")
    }  # fmt: skip
    contacts = tuple(
        msgspec.structs.replace(one, **said) if one.contact_id == event.contact_id else one
        for one in row.contacts
    )
    return msgspec.structs.replace(row, contacts=contacts)


def _case_open(row: Customer360Row, envelope: Envelope) -> Customer360Row:
    event = envelope.event
    if getattr(event, "status", "open") in ("resolved", "closed"):
        return row
    reason = getattr(event, "reason", None) or row.open_cases.get(event.case_id, "")
    return msgspec.structs.replace(row, open_cases={**row.open_cases, event.case_id: reason})


def _case_over(row: Customer360Row, envelope: Envelope) -> Customer360Row:
    return msgspec.structs.replace(row, open_cases=_without(row.open_cases, envelope.event.case_id))


def _opportunity_open(row: Customer360Row, envelope: Envelope) -> Customer360Row:
    event = envelope.event
    if getattr(event, "closed", None):
        return row
    stage = getattr(event, "stage", None) or "captured"
    return msgspec.structs.replace(
        row, open_opportunities={**row.open_opportunities, event.opportunity_id: stage}
    )


def _opportunity_over(row: Customer360Row, envelope: Envelope) -> Customer360Row:
    left = _without(row.open_opportunities, envelope.event.opportunity_id)
    return msgspec.structs.replace(row, open_opportunities=left)


def _scored(row: Customer360Row, envelope: Envelope) -> Customer360Row:
    event = envelope.event
    foretold = Foretold(
        event_id=envelope.event_id, as_of=event.as_of, horizon_days=event.horizon_days,
        probability=event.probability, rank=event.rank, of=event.of, artifact=event.artifact,
        reasons=event.reasons,
    )  # fmt: skip
    return msgspec.structs.replace(row, churn=foretold)


def _without(mapping: dict[str, T], key: str) -> dict[str, T]:
    return {one: value for one, value in mapping.items() if one != key}


_ABOUT_RECORDS = (IdentifierLinked, IdentifierBlocked, ChurnScored)
_STEPS: dict[type[Event], Callable[[Customer360Row, Envelope], Customer360Row]] = {
    IdentifierLinked: _linked,
    IdentifierBlocked: _blocked,
    PurchaseRecorded: _bought,
    PurchaseReturned: _returned,
    HoldingStarted: _holding_started,
    HoldingChanged: _holding_changed,
    HoldingEnded: _holding_ended,
    ConsentGranted: _granted,
    ConsentWithdrawn: _withdrawn,
    TouchRecorded: _touched,
    ContactStarted: _contact_started,
    ContactEnded: _contact_told,
    ContactWrappedUp: _contact_told,
    CaseOpened: _case_open,
    CaseImported: _case_open,
    CaseReopened: _case_open,
    CaseResolved: _case_over,
    CaseClosed: _case_over,
    OpportunityCaptured: _opportunity_open,
    OpportunityImported: _opportunity_open,
    OpportunityStaged: _opportunity_open,
    OpportunityReopened: _opportunity_open,
    OpportunityWon: _opportunity_over,
    OpportunityLost: _opportunity_over,
    ChurnScored: _scored,
}
Customer360.matches = frozenset(_STEPS)

"""The customer at a glance: identity, value, holdings, consent, contacts, what is open, what is foretold."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo

import msgspec

from events.case import CaseClosed, CaseImported, CaseOpened, CaseReopened, CaseResolved
from events.consent import ConsentGranted, ConsentWithdrawn
from events.contact import ContactEnded, ContactStarted, ContactWrappedUp
from events.customer import CustomerErased
from events.envelope import Envelope, Event
from events.holding import HoldingChanged, HoldingEnded, HoldingStarted, PurchaseRecorded, PurchaseReturned
from events.identity import (
    CustomersMerged,
    IdentifierBlocked,
    IdentifierLinked,
    IdentifierUnreachable,
    PersonVerified,
)
from events.opportunity import (
    OpportunityCaptured,
    OpportunityImported,
    OpportunityLost,
    OpportunityReopened,
    OpportunityStaged,
    OpportunityWon,
)
from events.prediction import ChurnScored, PersonaAssigned, ProductsRelated, ValueForetold
from events.touch import TouchRecorded
from models.domain.contact import converses, is_contact
from models.projections import case, consent, foretold, proving, reachability
from models.projections.customer_360_row import (
    AssignedPersona,
    Complaint,
    ConsentState,
    Contact,
    Customer360Row,
    ExpectedValue,
    Foretold,
    HeldIdentifier,
    Holding,
    RelatedProducts,
    Value,
    zone_of,
)
from models.projections.projection import Projection

__all__ = ["AssignedPersona", "Complaint", "ConsentState", "Contact", "Customer360", "Customer360Row", "ExpectedValue",
           "Foretold", "HeldIdentifier", "Holding", "RelatedProducts", "Value", "zone_of"]  # fmt: skip

T = TypeVar("T")
KEPT = timedelta(hours=50)
"""Contacts are kept this long before the newest: a day in any zone, and the hours around it."""


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

    def valid(self, row: Customer360Row, at: datetime) -> Customer360Row:
        """A consent or a proof that has run out is none."""
        consents = {
            key: consent for key, consent in row.consents.items()
            if consent.expires_at is None or consent.expires_at > at
        }  # fmt: skip
        proofs = tuple(proof for proof in row.proofs if proof.expires_at > at)
        if len(consents) == len(row.consents) and len(proofs) == len(row.proofs):
            return row
        return msgspec.structs.replace(row, consents=consents, proofs=proofs)

    def present(self, row: Customer360Row, at: datetime) -> Customer360Row:
        """What is valid, and how many contacts there were today: the customer's own day."""
        zone = ZoneInfo(zone_of(row, self._zone))
        today = at.astimezone(zone).date()
        count = sum(
            contact.at.astimezone(zone).date() == today for contact in row.contacts if contact.at <= at
        )
        return msgspec.structs.replace(self.valid(row, at), contacts_today=count)


def _linked(row: Customer360Row, envelope: Envelope) -> Customer360Row:
    """`customer` is the side it belongs to: a split may have moved it since the event was recorded."""
    return _with_identifier(row, envelope, blocked=False)


def _blocked(row: Customer360Row, envelope: Envelope) -> Customer360Row:
    """Of the same instant as its link, it may come before that: the mark stays."""
    return _with_identifier(row, envelope, blocked=True)


def _with_identifier(row: Customer360Row, envelope: Envelope, *, blocked: bool) -> Customer360Row:
    if row.erased_at is not None and envelope.occurred_at <= row.erased_at:
        return row  # of the same instant: what was linked before somebody was forgotten is forgotten too
    ref = envelope.event.identifier
    held = {one.key: one for one in row.identifiers}
    was = held.get(ref.key) or HeldIdentifier(
        kind=ref.kind, issuer=ref.issuer, hash=ref.hash, facets=ref.facets, since=envelope.occurred_at,
        side=envelope.customer,
    )  # fmt: skip
    held[ref.key] = msgspec.structs.replace(was, blocked=was.blocked or blocked)
    return msgspec.structs.replace(row, identifiers=tuple(held.values()))


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


def _erased(row: Customer360Row, envelope: Envelope) -> Customer360Row:
    """Nothing leads to them any more; what happened stays, as somebody's."""
    at = row.erased_at or envelope.occurred_at
    return msgspec.structs.replace(row, identifiers=(), unreachable=(), proofs=(), erased_at=at)


def _touched(row: Customer360Row, envelope: Envelope) -> Customer360Row:
    touch = envelope.event
    row = reachability.touched(row, envelope)
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
            _told_again(one, contact) if one.contact_id == contact.contact_id else one for one in row.contacts
        )
    else:
        contacts = (*(one for one in row.contacts if one.at >= contact.at - KEPT), contact)
    return msgspec.structs.replace(row, contacts=contacts, contacts_ever=row.contacts_ever + (not known))


def _told_again(one: Contact, part: Contact) -> Contact:
    """What a later part does not say stays as an earlier one said it."""
    return msgspec.structs.replace(
        one, channel=one.channel if part.channel == "unknown" else part.channel,
        reason=part.reason or one.reason, outcome=one.outcome if part.outcome == "unknown" else part.outcome,
        confirmed=one.confirmed if part.confirmed is None else part.confirmed,
    )  # fmt: skip


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


def _without(mapping: dict[str, T], key: str) -> dict[str, T]:
    return {one: value for one, value in mapping.items() if one != key}


_ABOUT_RECORDS = (
    IdentifierLinked,
    IdentifierBlocked,
    IdentifierUnreachable,
    PersonVerified,
    CustomersMerged,
    CustomerErased,
    ChurnScored,
    ValueForetold,
    PersonaAssigned,
    ProductsRelated,
)
_STEPS: dict[type[Event], Callable[[Customer360Row, Envelope], Customer360Row]] = {
    IdentifierLinked: _linked,
    IdentifierBlocked: _blocked,
    IdentifierUnreachable: reachability.failed,
    PersonVerified: proving.tried,
    CustomersMerged: consent.merged,
    CustomerErased: _erased,
    PurchaseRecorded: _bought,
    PurchaseReturned: _returned,
    HoldingStarted: _holding_started,
    HoldingChanged: _holding_changed,
    HoldingEnded: _holding_ended,
    ConsentGranted: consent.granted,
    ConsentWithdrawn: consent.withdrawn,
    TouchRecorded: _touched,
    ContactStarted: _contact_started,
    ContactEnded: _contact_told,
    ContactWrappedUp: _contact_told,
    CaseOpened: case.opened,
    CaseImported: case.opened,
    CaseReopened: case.reopened,
    CaseResolved: case.over,
    CaseClosed: case.over,
    OpportunityCaptured: _opportunity_open,
    OpportunityImported: _opportunity_open,
    OpportunityStaged: _opportunity_open,
    OpportunityReopened: _opportunity_open,
    OpportunityWon: _opportunity_over,
    OpportunityLost: _opportunity_over,
    ChurnScored: foretold.scored,
    ValueForetold: foretold.valued,
    PersonaAssigned: foretold.assigned,
    ProductsRelated: foretold.related,
}
Customer360.matches = frozenset(_STEPS)

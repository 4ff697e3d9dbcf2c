"""The 360-view as it is answered, part by part."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from pydantic import ConfigDict, Field

from services.api.prediction_parts import Part, PredictionsPart

NO_CONSENT = "no consent recorded: that is not consent"

EXAMPLE: Any = {
    "customer": "01997a3e-0000-7000-8000-000000000002",
    "at": "2026-03-02T15:30:00Z", "as_of": None, "known_at": None,
    "identity": {
        "first_at": "2025-11-20T10:00:00Z", "last_at": "2026-03-02T14:02:11Z", "absorbed": [],
        "identifiers": [{"kind": "phone", "issuer": "", "value": "+14155552671", "blocked": False,
                         "since": "2025-11-20T10:00:00Z", "facets": {"country": "US", "line": "fixed"}}],
        "unreachable": [],
        "verified": {"method": "voiceprint", "level": 2, "channel": "voice", "at": "2026-03-02T14:02:40Z",
                     "expires_at": "2026-03-02T18:02:40Z", "event_id": "01997a3e-0000-7000-8000-000000000003"},
        "erased_at": None,
    },
    "lifecycle": {
        "stage": "developing", "since": "2026-01-11T00:00:00Z", "rule": "first_days",
        "because": ["01997a3e-0000-7000-8000-000000000001"],
        "log": [{"stage": "acquired", "since": "2026-01-10T09:12:00Z", "rule": "first_purchase_or_holding",
                 "because": ["01997a3e-0000-7000-8000-000000000001"]}],
    },
    "value": [{"currency": "USD", "purchases": 1, "returns": 0, "amount": "49.00", "unpriced": 0,
               "first_at": "2026-01-10T09:12:00Z", "last_at": "2026-01-10T09:12:00Z"}],
    "holdings": [], "consent": {"recorded": [], "note": NO_CONSENT},
    "contacts": {
        "today": 3, "ever": 5, "zone": "America/Los_Angeles",
        "last": {"contact_id": "call-88213", "at": "2026-03-02T14:02:11Z", "channel": "voice",
                 "reason": "billing.dispute", "outcome": "unresolved", "confirmed": None,
                 "open_reason": "billing.dispute"},
        "says": "3rd contact today; the last was at 06:02 by voice about billing.dispute, unresolved",
    },
    "cases": [], "opportunities": [], "predictions": {
        "churn": None,
        "value": {"event_id": "01997a3e-0000-7000-8000-000000000004", "as_of": "2026-03-01T00:00:00Z",
                  "horizon_days": 365, "amount": "412.75", "currency": "USD", "model": "contract", "purchases": None,
                  "monthly": "39.90", "staying": 0.8125},
        "persona": {"event_id": "01997a3e-0000-7000-8000-000000000005", "as_of": "2026-02-01T00:00:00Z",
                    "persona": "recent, frequent, high spend", "place": 1, "of": 4, "freeze": 2},
        "related": {"event_id": "01997a3e-0000-7000-8000-000000000006", "as_of": "2026-03-01T00:00:00Z",
                    "items": [{"item": "fibre-500", "score": 1.75, "because": ["mobile-l"]}]},
    },
}  # fmt: skip


class IdentifierPart(Part):
    """What the customer is known by. `value` is null where it was never kept, `[erased]` where it is gone."""

    kind: str
    issuer: str
    value: str | None = None
    since: datetime
    blocked: bool = Field(description="Shared by too many: it no longer says who somebody is.")
    facets: dict[str, str]


class UnreachablePart(Part):
    """What was sent to an identifier on a channel did not arrive."""

    kind: str
    issuer: str
    value: str | None = None
    channel: str
    why: str
    since: datetime
    permanent: bool = Field(description="It never will, until something comes from there or gets through.")
    event_id: str


class ProofPart(Part):
    """The strongest proof of who this is that holds at the moment, on whichever channel it was given."""

    method: str
    level: int
    channel: str
    at: datetime
    expires_at: datetime
    event_id: str


class IdentityPart(Part):
    """Who the customer is, and how long we have known them."""

    first_at: datetime | None
    last_at: datetime | None
    absorbed: tuple[str, ...] = Field(description="Ids of customers who turned out to be this one.")
    identifiers: list[IdentifierPart]
    unreachable: list[UnreachablePart]
    verified: ProofPart | None = Field(
        description="What whoever of them makes contact has proved; null where a merge brought somebody in since."
    )
    erased_at: datetime | None = Field(
        description="When they asked to be forgotten; null where they did not."
    )


class StagePart(Part):
    """A stage of the life cycle, since when, by which rule, because of which events."""

    stage: str
    since: datetime
    rule: str
    because: list[str]


class LifecyclePart(StagePart):
    """The stage now, and every stage before it."""

    log: list[StagePart]


class ValuePart(Part):
    """What was bought in one currency (null: not stated), less what was brought back."""

    currency: str | None
    purchases: int
    returns: int
    amount: Decimal | None = Field(description="Null where no price is known.")
    unpriced: int = Field(description="Purchases whose price is not known.")
    first_at: datetime | None
    last_at: datetime | None


class HoldingPart(Part):
    """A product the customer has."""

    holding_id: str
    product: str
    since: datetime
    price: Decimal | None
    currency: str
    ends_at: datetime | None


class ConsentPart(Part):
    """The last word on a channel (empty: all) for a purpose (empty: any)."""

    channel: str
    purpose: str
    scope: str
    granted: bool
    basis: str
    proof: str
    since: datetime
    expires_at: datetime | None
    event_id: str


class ConsentsPart(Part):
    """What is allowed and what is forbidden; `note` says it when nothing was ever recorded."""

    recorded: list[ConsentPart]
    note: str | None


class ContactPart(Part):
    """One conversation; `open_reason` while it is neither resolved nor confirmed as solved."""

    contact_id: str
    at: datetime
    channel: str
    reason: str
    outcome: str
    confirmed: bool | None
    open_reason: str


class ContactsPart(Part):
    """How often the customer has been in contact, today counted in their own zone."""

    today: int
    ever: int
    zone: str
    last: ContactPart | None
    says: str


class CasePart(Part):
    """A case that is still open."""

    case_id: str
    reason: str


class OpportunityPart(Part):
    """An opportunity that is still open."""

    opportunity_id: str
    subject: str
    stage: str
    department: str
    owner: str
    value: Decimal | None
    currency: str
    due_at: datetime | None
    overdue: bool


class CustomerAnswer(Part):
    """A customer at a moment. Null and an empty list mean "no data", never zero."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    customer: str
    at: datetime = Field(description="The moment for which this is presented.")
    as_of: datetime | None
    known_at: datetime | None
    identity: IdentityPart
    lifecycle: LifecyclePart | None
    value: list[ValuePart] | None
    holdings: list[HoldingPart]
    consent: ConsentsPart
    contacts: ContactsPart
    cases: list[CasePart]
    opportunities: list[OpportunityPart]
    predictions: PredictionsPart

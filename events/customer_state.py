"""What the compacted topic says of each customer: where they stand, without a personal value."""

from typing import Annotated

from msgspec import Meta, Struct

from events.vocabulary import Count, Currency, Moment, Money, Name, Share, Stage

SCHEMA = 1
NAME = "customer-state"
FILE = f"{NAME}.{SCHEMA}.published.json"
DATASCHEMA = f"urn:touchstone:{NAME}:{SCHEMA}"
"""In the header `ce_dataschema`, and the `$id` of the schema."""
WIRE = "customer.state"
"""In the header `ce_type`; no event of the journal has this name."""

Text = Annotated[str, Meta(max_length=200)]
Position = Annotated[
    int, Meta(ge=0, description="The journal position up to which the customer's events are in it.")
]


class StageState(Struct, frozen=True, kw_only=True):
    """The stage of the life cycle, since when, by which rule, and the event behind it ("" for time alone)."""

    stage: Stage
    since: Moment
    rule: Text
    because: Text = ""


class ValueState(Struct, frozen=True, kw_only=True):
    """What was bought in one currency, less what was brought back. `unpriced` purchases told no amount."""

    currency: Currency
    purchases: Count
    returns: Count
    amount: Money
    unpriced: Count
    first_at: Moment | None = None
    last_at: Moment | None = None


class HoldingState(Struct, frozen=True, kw_only=True):
    """A product that the customer has now."""

    holding_id: Name
    product: Text
    since: Moment
    price: Money | None = None
    currency: Currency = ""
    ends_at: Moment | None = None


class CaseState(Struct, frozen=True, kw_only=True):
    """A case that is open; the reason is "" where none was told."""

    case_id: Name
    reason: Text


class OpportunityState(Struct, frozen=True, kw_only=True):
    """An opportunity that is open, and its stage."""

    opportunity_id: Name
    stage: Text


class ConsentPart(Struct, frozen=True, kw_only=True):
    """A last word: on one channel ("": every one) for one purpose ("": any). Of two that differ, no counts."""

    channel: Text
    purpose: Text
    granted: bool
    basis: Text
    since: Moment
    event_id: Name
    scope: Text = ""
    expires_at: Moment | None = None


class ChurnState(Struct, frozen=True, kw_only=True):
    """The last prediction: how likely the customer is lost within so many days after `as_of`."""

    probability: Share
    horizon_days: Count
    as_of: Moment
    artifact: Name


class CustomerState(Struct, frozen=True, kw_only=True):
    """Where one customer stands. `absorbed` are the ids that mean this customer too, by merges that hold."""

    customer: Name
    position: Position
    at: Annotated[Moment, Meta(description="The moment that it speaks of: when it was written.")]
    absorbed: tuple[Name, ...]
    first_at: Moment | None
    last_at: Moment | None
    stage: StageState | None
    value: tuple[ValueState, ...]
    holdings: tuple[HoldingState, ...]
    open_cases: tuple[CaseState, ...]
    open_opportunities: tuple[OpportunityState, ...]
    contacts_ever: Count
    consents: tuple[ConsentPart, ...]
    churn: ChurnState | None

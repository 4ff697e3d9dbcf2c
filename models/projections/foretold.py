"""What was foretold of a customer, the last word of each kind."""

import msgspec

from events.envelope import Envelope
from models.projections.customer_360_row import (
    AssignedPersona,
    Customer360Row,
    ExpectedValue,
    Foretold,
    RelatedProducts,
)


def scored(row: Customer360Row, envelope: Envelope) -> Customer360Row:
    """How likely they leave."""
    event = envelope.event
    churn = Foretold(
        event_id=envelope.event_id, as_of=event.as_of, horizon_days=event.horizon_days,
        probability=event.probability, rank=event.rank, of=event.of, artifact=event.artifact,
        reasons=event.reasons,
    )  # fmt: skip
    return msgspec.structs.replace(row, churn=churn)


def valued(row: Customer360Row, envelope: Envelope) -> Customer360Row:
    """What they will bring."""
    event = envelope.event
    expected = ExpectedValue(
        event_id=envelope.event_id, as_of=event.as_of, horizon_days=event.horizon_days, amount=event.amount,
        model=event.model, currency=event.currency, purchases=event.purchases, monthly=event.monthly,
        staying=event.staying,
    )  # fmt: skip
    return msgspec.structs.replace(row, value_foretold=expected)


def assigned(row: Customer360Row, envelope: Envelope) -> Customer360Row:
    """In which group they are."""
    event = envelope.event
    persona = AssignedPersona(
        event_id=envelope.event_id, as_of=event.as_of, persona=event.persona, place=event.place, of=event.of,
        freeze=event.freeze,
    )  # fmt: skip
    return msgspec.structs.replace(row, persona=persona)


def related(row: Customer360Row, envelope: Envelope) -> Customer360Row:
    """What else they may want."""
    event = envelope.event
    products = RelatedProducts(event_id=envelope.event_id, as_of=event.as_of, items=event.items)
    return msgspec.structs.replace(row, related=products)

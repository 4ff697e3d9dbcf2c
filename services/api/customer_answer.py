"""From the views' rows to the 360-view as it is answered."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from infra.views import CustomerView
from models.domain.board import overdue
from models.domain.identity import Key
from models.domain.lifecycle import Lifecycle
from models.domain.verification import carried
from models.projections.customer_360 import Contact, Customer360Row, Value, zone_of
from models.projections.pipeline import PipelineRow
from services.api.customer_parts import (
    NO_CONSENT,
    CasePart,
    ConsentPart,
    ConsentsPart,
    ContactPart,
    ContactsPart,
    CustomerAnswer,
    HoldingPart,
    IdentifierPart,
    IdentityPart,
    LifecyclePart,
    OpportunityPart,
    ProofPart,
    StagePart,
    UnreachablePart,
    ValuePart,
)
from services.api.prediction_parts import (
    ChurnPart,
    ExpectedValuePart,
    PersonaPart,
    PredictionsPart,
    RelatedPart,
)


def row_of(view: CustomerView) -> Customer360Row:
    """The one row of the 360-view; an empty one for a customer of whom nothing is folded yet."""
    found: Customer360Row = view.rows["customer_360"].get(view.customer, Customer360Row())
    return found


def answer(
    view: CustomerView, values: Mapping[Key, str], *, at: datetime, as_of: datetime | None,
    known_at: datetime | None, zone: str, during: str | None,
) -> CustomerAnswer:  # fmt: skip
    """The whole answer. `values` are the opened identifiers, `during` the contact that is being served."""
    row = row_of(view)
    proof = carried(row.proofs, row.sides, at)
    return CustomerAnswer(
        customer=view.customer, at=at, as_of=as_of, known_at=known_at,
        identity=IdentityPart(
            first_at=row.first_at, last_at=row.last_at, absorbed=view.absorbed,
            identifiers=[
                IdentifierPart.model_validate(one).model_copy(update={"value": values.get(one.key)})
                for one in row.identifiers
            ],
            unreachable=[
                UnreachablePart.model_validate(one).model_copy(update={"value": values.get(one.key)})
                for one in row.unreachable
            ],
            verified=ProofPart.model_validate(proof) if proof else None, erased_at=row.erased_at,
        ),
        lifecycle=_lifecycle(view.rows["lifecycle"].get(view.customer)),
        value=[_value(currency, row.value[currency]) for currency in sorted(row.value)] or None,
        holdings=[HoldingPart.model_validate(one) for one in row.holdings.values()],
        consent=ConsentsPart(
            recorded=[ConsentPart.model_validate(one) for one in row.consents.values()],
            note=None if row.consents else NO_CONSENT,
        ),
        contacts=_contacts(row, at, zone_of(row, zone), during),
        cases=[CasePart(case_id=case, reason=reason) for case, reason in row.open_cases.items()],
        opportunities=[
            _opportunity(one, at) for one in view.rows["pipeline"].values() if one.is_open
        ],
        predictions=_predictions(row),
    )  # fmt: skip


def _lifecycle(row: Lifecycle | None) -> LifecyclePart | None:
    if row is None or row.now is None:
        return None
    log = [
        StagePart(
            stage=one.stage, since=one.since, rule=one.rule, because=[one.because] if one.because else []
        )
        for one in row.log
    ]
    return LifecyclePart(**log[-1].model_dump(), log=log)


def _value(currency: str, value: Value) -> ValuePart:
    priced = value.purchases > value.unpriced or value.amount
    return ValuePart(
        currency=currency or None, purchases=value.purchases, returns=value.returns,
        amount=value.amount if priced else None, unpriced=value.unpriced, first_at=value.first_at,
        last_at=value.last_at,
    )  # fmt: skip


def _contacts(row: Customer360Row, at: datetime, zone: str, during: str | None) -> ContactsPart:
    past = [one for one in row.contacts if one.at <= at and one.contact_id != during]
    last = max(past, key=lambda one: one.at, default=None)
    return ContactsPart(
        today=row.contacts_today, ever=row.contacts_ever, zone=zone,
        last=ContactPart.model_validate(last) if last else None,
        says=_says(row.contacts_today, last, at.astimezone(ZoneInfo(zone))),
    )  # fmt: skip


def _says(today: int, last: Contact | None, now: datetime) -> str:
    """The sentence an agent sees before the first word."""
    count = f"{_ordinal(today)} contact today" if today else "no contact today"
    if last is None:
        return count
    at = last.at.astimezone(now.tzinfo)
    when = f"{at:%H:%M}" if at.date() == now.date() else f"{at:%Y-%m-%d %H:%M}"
    about = f" about {last.reason}" if last.reason else ""
    return f"{count}; the last was at {when} by {last.channel}{about}, {last.outcome}"


def _ordinal(number: int) -> str:
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _opportunity(row: PipelineRow, at: datetime) -> OpportunityPart:
    named = ("opportunity_id", "subject", "stage", "department", "owner", "value", "currency", "due_at")
    return OpportunityPart(**{name: getattr(row, name) for name in named}, overdue=overdue(row, at))


def _predictions(row: Customer360Row) -> PredictionsPart:
    return PredictionsPart(
        churn=ChurnPart.model_validate(row.churn) if row.churn else None,
        value=ExpectedValuePart.model_validate(row.value_foretold) if row.value_foretold else None,
        persona=PersonaPart.model_validate(row.persona) if row.persona else None,
        related=RelatedPart.model_validate(row.related) if row.related else None,
    )


def keys_of(row: Customer360Row) -> Sequence[Key]:
    """The identifiers whose values a reader is about to see; the limits of a customer keep them to a page."""
    return [one.key for one in row.identifiers] + [one.key for one in row.unreachable]

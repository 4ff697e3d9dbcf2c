"""What is asked of an opportunity and what is answered. The events' own schemas have the last word."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from models.domain.board import overdue
from models.domain.opportunity import Opportunity
from services.api.event import EventAnswer
from services.api.parameters import CODE, CURRENCY, NO_NUL, Moment

Code = Annotated[str, Field(min_length=1, max_length=200, pattern=CODE)]
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=NO_NUL)]
Money = Annotated[Decimal, Field(ge=0, max_digits=36, decimal_places=18)]
Currency = Annotated[str, Field(pattern=CURRENCY, description="ISO 4217, empty where not stated.")]


class Asked(BaseModel):
    """A body; a field that isn't known is refused."""

    model_config = ConfigDict(extra="forbid")


class IdentifierBody(Asked):
    """What is known of the person."""

    kind: Name
    value: Annotated[str, Field(max_length=320)]
    issuer: Annotated[str, Field(max_length=200, pattern=NO_NUL)] = ""


class CaptureBody(Asked):
    """An opportunity somebody heard of: about a known customer, out of a touch, or of whoever is so known."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"subject": "leased_line", "value": "12000", "currency": "EUR", "captured_by": "a-17",
                 "note": "Two sites, wants an offer this week.",
                 "touch_id": "01997a3e-0000-7000-8000-000000000001"}
            ]
        }
    )  # fmt: skip

    subject: Code
    value: Money | None = None
    currency: Currency = ""
    note: Annotated[str, Field(min_length=1, max_length=20_000)] | None = None
    captured_by: Name | None = None
    customer: Name | None = None
    touch_id: Name | None = None
    identifiers: Annotated[list[IdentifierBody], Field(max_length=20)] = []

    @model_validator(mode="after")
    def _about_somebody_once(self) -> "CaptureBody":
        if sum(map(bool, (self.customer, self.touch_id, self.identifiers))) > 1:
            raise ValueError("name one of customer, touch_id, identifiers")
        return self


class RouteBody(Asked):
    """To this department; without one, to the one that the rules name."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"department": "corporate"}]})
    department: Code | None = None


class AcceptBody(Asked):
    """Who takes it on."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"owner": "a-17"}]})
    owner: Name


class FollowUpBody(Asked):
    """The customer was called back; perhaps a next date was agreed."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"next_due_at": "2026-03-05T10:00:00+01:00"}]})
    next_due_at: Moment | None = None


class StageBody(Asked):
    """Into this stage."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"stage": "proposal"}]})
    stage: Code


class ValueBody(Asked):
    """What it may bring, and how likely, where the owner knows better than history."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"value": "15000", "currency": "EUR"}]})
    value: Money
    currency: Currency = ""
    probability: Annotated[float, Field(ge=0, le=1)] | None = None


class WonBody(Asked):
    """The customer bought; without a value, for what was expected."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"value": "14000", "currency": "EUR"}]})
    value: Money | None = None
    currency: Currency = ""


class LostBody(Asked):
    """The customer did not buy, and why."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"why": "price"}]})
    why: Code


class ReopenBody(Asked):
    """It lives again, in this stage; without one, in the first."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"stage": "qualified"}]})
    stage: Code | None = None


class IntervalAnswer(BaseModel):
    """A stage, and from when until when it held."""

    model_config = ConfigDict(from_attributes=True)

    stage: str
    since: datetime
    until: datetime | None


class OpportunityAnswer(BaseModel):
    """An opportunity as it stands, out of its own stream: what was just recorded is in it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"opportunity_id": "desk-7", "customer": "01997a3e-0000-7000-8000-000000000002",
                 "subject": "leased_line", "stage": "captured", "department": "corporate", "owner": "",
                 "value": "12000", "currency": "EUR", "probability": None,
                 "due_at": "2026-03-02T13:00:00Z", "overdue": False, "missed": 0, "why": "", "revision": 2,
                 "stages": [{"stage": "captured", "since": "2026-03-02T09:00:00Z", "until": None}]}
            ]
        }
    )  # fmt: skip

    opportunity_id: str
    customer: str | None = Field(description="Whose it is; null where nobody knows.")
    subject: str
    stage: str
    department: str
    owner: str
    value: Decimal | None
    currency: str
    probability: float | None
    due_at: datetime | None
    overdue: bool
    missed: int = Field(description="Follow-ups whose miss is recorded.")
    why: str
    revision: int
    stages: list[IntervalAnswer]


class OpportunityHistory(OpportunityAnswer):
    """The opportunity with everything that happened to it."""

    history: list[EventAnswer]


class Recorded(BaseModel):
    """An event that a command recorded."""

    event_id: str
    type: str


class CommandAnswer(OpportunityAnswer):
    """The opportunity after a command. A repeat of the same Idempotency-Key answers with the same events."""

    recorded: list[Recorded]


def stands(state: Opportunity, customer: str | None, revision: int, now: datetime) -> dict[str, Any]:
    """The fields of an `OpportunityAnswer`."""
    taken = ("opportunity_id", "subject", "stage", "department", "owner", "value", "currency", "probability",
             "due_at", "missed", "why")  # fmt: skip
    return {
        **{name: getattr(state, name) for name in taken},
        "customer": customer, "revision": revision, "overdue": overdue(state, now),
        "stages": [IntervalAnswer.model_validate(one) for one in state.intervals],
    }  # fmt: skip

"""What was foretold of a customer, as it is answered, part by part."""

from datetime import datetime
from decimal import Decimal

from pydantic import BaseModel, ConfigDict, Field


class Part(BaseModel):
    """A part of an answer, filled from an object's attributes."""

    model_config = ConfigDict(from_attributes=True)


class ReasonPart(Part):
    """One feature's part in a score: its value in words, its push on the log odds."""

    feature: str
    says: str
    contribution: float


class ChurnPart(Part):
    """The last churn score, 1 being the likeliest to leave of all scored in one run."""

    event_id: str
    as_of: datetime
    horizon_days: int
    probability: float
    rank: int
    of: int
    artifact: str
    reasons: list[ReasonPart]


class ExpectedValuePart(Part):
    """The money last foretold, as turnover: of a contract, or of purchases."""

    event_id: str
    as_of: datetime
    horizon_days: int
    amount: Decimal
    currency: str
    model: str
    purchases: float | None = Field(description="To expect within the horizon; null under a contract.")
    monthly: Decimal | None = Field(description="What the contract brings a month.")
    staying: float | None = Field(description="The chance that the contract still runs at the end.")


class PersonaPart(Part):
    """The persona they were put into last, by which freeze of the groups; 1 is the one with the highest spend."""

    event_id: str
    as_of: datetime
    persona: str
    place: int
    of: int
    freeze: int


class RelatedProductPart(Part):
    """A product they never had; `because` are those of theirs that speak for it: none where most customers have it."""

    item: str
    score: float
    because: list[str]


class RelatedPart(Part):
    """What others have beside what they have, the nearest first."""

    event_id: str
    as_of: datetime
    items: list[RelatedProductPart]


class PredictionsPart(Part):
    """What was foretold; null where nothing was."""

    churn: ChurnPart | None
    value: ExpectedValuePart | None
    persona: PersonaPart | None
    related: RelatedPart | None

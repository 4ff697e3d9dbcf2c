"""What is asked and answered about who is who."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from services.api.opportunity_body import Asked, IdentifierBody, Name
from services.api.parameters import CODE, NO_NUL

ONE, OTHER = "01997a3e-0000-7000-8000-000000000002", "01997a3e-0000-7000-8000-000000000009"
EXAMPLE: dict[str, Any] = {
    "events": ["identity.unmerged"], "customers": [ONE], "would_be": [ONE, OTHER],
    "touches": [{"what": "touch.recorded", "id": "01997a3e-0000-7000-8000-000000000001", "owner": ONE,
                 "becomes": OTHER}],
    "about": [{"what": "customer.described", "id": "01997a3e-0000-7000-8000-000000000003", "owner": ONE,
               "becomes": OTHER}],
    "cases": [], "opportunities": [], "consents": [], "lists": [], "open": [],
    "contacts": [{"customer": ONE, "ever": 5, "today": 1, "would_be_ever": 3, "would_be_today": 1},
                 {"customer": OTHER, "ever": 0, "today": 0, "would_be_ever": 2, "would_be_today": 0}],
}  # fmt: skip

CustomerName = Annotated[str, Field(min_length=1, max_length=200, pattern=NO_NUL)]
Why = Annotated[str, Field(min_length=1, max_length=200, pattern=NO_NUL)]


class MergeBody(Asked):
    """The other customer who is this one."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"other": OTHER, "by": "s-4"}]})
    other: CustomerName
    by: Name | None = None


class UnmergeBody(Asked):
    """Who is another person after all; may be left out where only one was merged into this customer."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"restored": OTHER, "why": "two brothers", "by": "s-4"}]}
    )
    restored: CustomerName | None = None
    why: Why
    by: Name | None = None


class SplitBody(Asked):
    """The identifiers that are another person's."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"identifiers": [{"kind": "phone", "value": "+14155552671"}], "why": "the brother's phone",
                 "by": "s-4"}
            ]
        }
    )  # fmt: skip
    identifiers: Annotated[list[IdentifierBody], Field(min_length=1, max_length=20)]
    why: Why
    by: Name | None = None


class AssignBody(Asked):
    """An event, or a stream like `case-17` with all its events, that is this customer's."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"event_or_stream": "case-17", "by": "s-4"}]})
    event_or_stream: Name
    by: Name | None = None


class BlockBody(Asked):
    """An identifier of this customer that many people share."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"identifier": {"kind": "phone", "value": "+14155552671"}, "why": "switchboard"}]
        }
    )
    identifier: IdentifierBody
    why: Annotated[str, Field(min_length=1, max_length=200, pattern=CODE)]
    by: Name | None = None


class DeclineBody(Asked):
    """The other customer who is not this one."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"other": OTHER, "why": "twins", "by": "s-4"}]})
    other: CustomerName
    why: Why
    by: Name | None = None


class Part(BaseModel):
    """A part of an answer, filled from an object's attributes."""

    model_config = ConfigDict(from_attributes=True)


class MovingPart(Part):
    """What would be another's: an event's or a stream's id, whose it is, whose it would be (empty: nobody's)."""

    what: str
    id: str
    owner: str
    becomes: str


class WordPart(Part):
    """Yes (true) and no (false) on one channel for one purpose, now and then; the stricter holds."""

    customer: str
    channel: str
    purpose: str
    scope: str
    said: tuple[bool, ...]
    would_say: tuple[bool, ...]


class CountedPart(Part):
    """Contacts that count for a customer, now and then."""

    customer: str
    ever: int
    today: int
    would_be_ever: int
    would_be_today: int


class ListedPart(Part):
    """A target list with a member who would be somebody else."""

    list_id: str
    customer: str
    becomes: str


class ConsequencesAnswer(Part):
    """What a decision would change, for whom. Nothing was recorded."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [EXAMPLE]})

    events: tuple[str, ...] = Field(description="The types of the events that would be recorded.")
    customers: tuple[str, ...] = Field(description="Who there is now.")
    would_be: tuple[str, ...] = Field(description="Who there would be.")
    touches: tuple[MovingPart, ...]
    about: tuple[MovingPart, ...] = Field(
        description="What tells of the person: descriptions (search finds them by), verifications, dead addresses."
    )
    cases: tuple[MovingPart, ...]
    opportunities: tuple[MovingPart, ...]
    consents: tuple[WordPart, ...]
    contacts: tuple[CountedPart, ...]
    lists: tuple[ListedPart, ...]
    open: tuple[str, ...] = Field(description="Events and streams that would wait for a person to say whose.")


class DecidedAnswer(BaseModel):
    """What was recorded; nothing where it was so already."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"recorded": ["identity.unmerged"], "customers": {ONE: ONE, OTHER: OTHER}}]
        }
    )

    recorded: list[str]
    customers: dict[str, str] = Field(description="Whom each customer id concerned means now.")


class ProposalPart(Part):
    """Two customers who may be one, and the rule that stood against joining them."""

    one: str
    other: str
    why: str
    event_id: str
    occurred_at: datetime


class UnassignedPart(Part):
    """An event or a stream of which an un-merge left open whose it is."""

    subject: str
    type: str
    event_id: str
    occurred_at: datetime
    between: list[str] = Field(description="The customers it may belong to.")


class WorkAnswer(BaseModel):
    """What waits for a person, oldest first."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"proposals": [], "unassigned": []}]})

    proposals: list[ProposalPart]
    unassigned: list[UnassignedPart]

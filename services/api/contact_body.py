"""What is asked and answered about contacts."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from events.vocabulary import Channel, Direction, Outcome
from services.api.event import EventAnswer
from services.api.opportunity_body import Asked, Code, Name
from services.api.parameters import Moment

CUSTOMER = "01997a3e-0000-7000-8000-000000000002"
Note = Annotated[str, Field(min_length=1, max_length=20_000)]


class WrapUpBody(Asked):
    """What the contact was about and how it ended; `confirmed` is the customer's own word that it is solved."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"reason": "billing.dispute", "outcome": "resolved", "confirmed": True, "seconds": 25,
                          "by": "a-17"}]
        }
    )  # fmt: skip
    reason: Code | None = None
    outcome: Outcome = "unknown"
    confirmed: bool | None = None
    seconds: Annotated[float, Field(ge=0, le=86_400)] | None = None
    by: Name | None = None


class CorrectBody(Asked):
    """What should have been said; or whose contact it was. What is left out stays."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"reason": "roaming.price", "by": "a-17"}, {"customer": CUSTOMER}]}
    )
    reason: Code | None = None
    outcome: Outcome | None = None
    confirmed: bool | None = None
    channel: Channel | None = None
    direction: Direction | None = None
    customer: Name | None = None
    by: Name | None = None


class CallbackBody(Asked):
    """The customer asked to be called back; without `at` as soon as possible."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"at": "2026-03-03T09:00:00+08:00", "queue": "billing", "by": "a-17"}]
        }
    )
    at: Moment | None = None
    queue: Name | None = None
    agent: Name | None = None
    note: Note | None = None
    by: Name | None = None


class HandoverBody(Asked):
    """Where the conversation goes on; `to_contact_id` continues the thread."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"to_channel": "voice", "to_queue": "experts", "by": "bot-1",
                                         "note": "Wants the March bill explained."}]}
    )  # fmt: skip
    to_channel: Channel = "unknown"
    to_contact_id: Name | None = None
    to_queue: Name | None = None
    to_agent: Name | None = None
    note: Note | None = None
    by: Name | None = None


class LegPart(BaseModel):
    """One stretch with one queue and, once answered, one agent or bot; times in seconds."""

    model_config = ConfigDict(from_attributes=True)

    began_at: datetime
    queue: str
    agent: str
    team: str
    bot: bool
    answered_at: datetime | None
    ended_at: datetime | None
    ended: str = Field(description="hung_up, abandoned, transferred, timeout …; empty while it lasts.")
    wait: float
    ring: float
    talk: float
    hold: float
    wrap_up: float


class Seconds(BaseModel):
    """Sums over the legs."""

    wait: float
    ring: float
    talk: float
    hold: float
    wrap_up: float


EXAMPLE: dict[str, Any] = {
    "contact_id": "twilio-1:CA88213", "customer": CUSTOMER, "channel": "voice", "direction": "inbound",
    "started_at": "2026-03-02T14:02:11Z", "ended_at": "2026-03-02T14:07:30Z", "reason": "billing.dispute",
    "outcome": "unresolved", "confirmed": False, "outside": "", "messages": 0, "callback_asked": False,
    "callback_at": None, "handed_to": "", "seconds": {"wait": 34, "ring": 6, "talk": 260, "hold": 20, "wrap_up": 25},
    "legs": [{"began_at": "2026-03-02T14:02:20Z", "queue": "billing", "agent": "a-17", "team": "north", "bot": False,
              "answered_at": "2026-03-02T14:02:54Z", "ended_at": "2026-03-02T14:07:30Z", "ended": "hung_up",
              "wait": 34, "ring": 6, "talk": 260, "hold": 20, "wrap_up": 25}],
    "thread": [],
}  # fmt: skip


class ContactAnswer(BaseModel):
    """A contact at a moment, and the events it is told from."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [EXAMPLE]})

    contact_id: str
    customer: str = Field(description="Whose it is; empty where nobody knows.")
    channel: str
    direction: str
    started_at: datetime
    ended_at: datetime | None
    reason: str
    outcome: str
    confirmed: bool | None
    outside: str
    messages: int
    callback_asked: bool
    callback_at: datetime | None
    handed_to: str
    seconds: Seconds
    legs: list[LegPart]
    thread: list[EventAnswer]


class SaidAnswer(BaseModel):
    """What was recorded; nothing for a repeat."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"recorded": ["contact.wrapped_up"]}]})

    recorded: list[str]

"""What whoever answers is told when a contact starts, part by part."""

from datetime import datetime
from typing import Any

from pydantic import ConfigDict, Field

from services.api.customer_parts import (
    CasePart,
    ConsentsPart,
    ContactPart,
    OpportunityPart,
    Part,
    ProofPart,
    StagePart,
    ValuePart,
)

EXAMPLE: Any = {
    "desk": "billing", "because": "contact.queued", "at": "2026-03-02T16:30:04Z",
    "contact": {"contact_id": "switch-1:88220", "at": "2026-03-02T16:30:02Z", "channel": "voice",
                "direction": "inbound"},
    "customer": "01997a3e-0000-7000-8000-000000000002",
    "says": "3rd contact today; the last was at 14:02 by voice about billing.dispute, unresolved",
    "recognised": {
        "by": "phone", "issuer": "", "since": "2025-11-20T10:00:00Z",
        "verified": {"method": "voiceprint", "level": 2, "channel": "voice", "at": "2026-03-02T14:02:40Z",
                     "expires_at": "2026-03-02T18:02:40Z", "event_id": "01997a3e-0000-7000-8000-000000000009"},
        "failed": [],
    },
    "nth_today": 3, "zone": "Europe/Berlin",
    "last": {"contact_id": "switch-1:88213", "at": "2026-03-02T13:02:11Z", "channel": "voice",
             "reason": "billing.dispute", "outcome": "unresolved", "confirmed": None,
             "open_reason": "billing.dispute"},
    "said": [{"at": "2026-03-02T09:00:12Z", "channel": "chat", "direction": "inbound",
              "text": "I was charged twice for March",
              "event_id": "01997a3e-0000-7000-8000-000000000001"}],
    "cases": [{"case_id": "c-7", "reason": "billing.dispute"}], "opportunities": [],
    "stage": {"stage": "retained", "since": "2026-01-11T00:00:00Z", "rule": "active",
              "because": ["01997a3e-0000-7000-8000-000000000004"]},
    "value": None, "consent": {"recorded": [], "note": "no consent recorded: that is not consent"},
    "next_best": None,
}  # fmt: skip


class StartedPart(Part):
    """The contact that starts. Channel and direction are `unknown` while no part has said them."""

    contact_id: str
    at: datetime
    channel: str
    direction: str


class FailurePart(Part):
    """An attempt of the last day to prove who this is, that failed."""

    method: str
    level: int
    channel: str
    at: datetime
    event_id: str


class RecognisedPart(Part):
    """How sure it is who this is: the strongest identifier of the contact, and what was proved."""

    by: str | None = Field(description="The identifier's kind; null where the contact was assigned to them.")
    issuer: str
    since: datetime | None = Field(description="Since when the identifier is known to be theirs.")
    verified: ProofPart | None
    failed: list[FailurePart]


class SaidPart(Part):
    """What was said. `text` is null for a key without personal data, `[erased]` where it is gone."""

    at: datetime
    channel: str
    direction: str
    text: str | None
    event_id: str


class PromptAnswer(Part):
    """Who is there, told when a contact starts. Where nobody is known, `customer` and what hangs on it are null."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    desk: str
    because: str = Field(description="The type of the event that brought the contact to this desk.")
    at: datetime = Field(description="The moment for which this is told.")
    contact: StartedPart
    customer: str | None
    says: str
    recognised: RecognisedPart | None
    nth_today: int | None = Field(description="This contact's number in the customer's own day.")
    zone: str | None
    last: ContactPart | None
    said: list[SaidPart]
    cases: list[CasePart]
    opportunities: list[OpportunityPart]
    stage: StagePart | None
    value: list[ValuePart] | None
    consent: ConsentsPart | None
    next_best: None = Field(None, description="The best next action; nothing suggests one yet.")

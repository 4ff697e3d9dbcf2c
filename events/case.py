"""Something to be put right: taken on, acknowledged, owned, escalated, resolved, confirmed, closed."""

from typing import Literal

from msgspec import field

from events.envelope import Event
from events.personal import Personal
from events.registry import event
from events.vocabulary import Channel, Code, Moment, Name, Severity

CaseKind = Literal["complaint", "fault", "request"]
CaseClock = Literal["acknowledge", "resolve", "confirm"]
CaseStatus = Literal["open", "resolved", "closed"]


@event("case.opened", by="an agent in a touch, or policy complaint", category="case", key="case_id")
class CaseOpened(Event):
    """A customer's problem was taken on, with the times by which we promised to answer and to solve it."""

    case_id: Name
    kind: CaseKind
    reason: Code
    severity: Severity = "normal"
    note: Personal | None = None
    acknowledge_due_at: Moment | None = None
    due_at: Moment | None = None
    opened_by: Name | None = None


@event("case.imported", door="facts", by="import", category="case", key="case_id")
class CaseImported(Event):
    """A case of the past, as another system left it; `timely` is that system's word on the promise."""

    case_id: Name
    kind: CaseKind
    reason: Code
    severity: Severity = "normal"
    status: CaseStatus = "closed"
    channel: Channel = "unknown"
    text: Personal | None = None
    signals: tuple[Code, ...] = ()
    outcome: Code | None = None
    timely: bool | None = None
    due_at: Moment | None = None
    resolved_at: Moment | None = None
    product: Name | None = None
    attributes: dict[str, str] = field(default_factory=dict)


@event("case.acknowledged", by="an agent, or policy complaint", category="case", key="case_id")
class CaseAcknowledged(Event):
    """The customer was told that we have it and by when it will be solved."""

    case_id: Name
    channel: Channel = "unknown"


@event("case.assigned", by="policy complaint, or a person", category="case", key="case_id")
class CaseAssigned(Event):
    """A team, and in it perhaps a person, now owns the case."""

    case_id: Name
    team: Name
    owner: Name | None = None
    rule: Code | None = None


@event("case.escalated", by="policy escalation, or a person", category="case", key="case_id")
class CaseEscalated(Event):
    """The case went up to where more can be done, perhaps with a new promise."""

    case_id: Name
    to_team: Name
    why: Code
    severity: Severity | None = None
    due_at: Moment | None = None


@event("case.clock_missed", by="whoever settles the clock first", category="case", key="case_id")
class CaseClockMissed(Event):
    """A promised time went by without the act; occurred at the moment it was due."""

    case_id: Name
    clock: CaseClock
    due_at: Moment


@event("case.resolved", by="the owner", category="case", key="case_id")
class CaseResolved(Event):
    """The problem was solved in our view; `advice` is how the customer avoids its cause."""

    case_id: Name
    outcome: Code
    advice: Personal | None = None
    confirm_due_at: Moment | None = None


@event("case.confirmed", by="an agent, or the customer through a channel", category="case", key="case_id")
class CaseConfirmed(Event):
    """The customer said whether it really is solved."""

    case_id: Name
    solved: bool


@event("case.closed", by="the owner, or policy complaint", category="case", key="case_id")
class CaseClosed(Event):
    """Nothing more is owed on the case."""

    case_id: Name
    why: Code | None = None


@event("case.reopened", by="an agent, or policy complaint", category="case", key="case_id")
class CaseReopened(Event):
    """The problem came back, or was never solved: the case is open again, under a new promise."""

    case_id: Name
    why: Code
    due_at: Moment | None = None

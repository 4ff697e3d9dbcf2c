"""Something the customer may buy: captured, routed, accepted, followed up, staged, won or lost."""

from typing import Literal

from events.envelope import Event
from events.personal import Personal
from events.registry import event
from events.vocabulary import Code, Currency, Moment, Money, Name, Share

Closed = Literal["won", "lost"]


@event(
    "opportunity.captured",
    by="an agent in a touch, or a person alone",
    category="opportunity",
    key="opportunity_id",
)
class OpportunityCaptured(Event):
    """Somebody heard that the customer may buy something."""

    opportunity_id: Name
    subject: Code
    value: Money | None = None
    currency: Currency = ""
    note: Personal | None = None
    captured_by: Name | None = None


@event("opportunity.imported", door="facts", by="import", category="opportunity", key="opportunity_id")
class OpportunityImported(Event):
    """An opportunity of the past, as another system left it: open in a stage, or closed."""

    opportunity_id: Name
    subject: Code
    stage: Code | None = None
    closed: Closed | None = None
    why: Code | None = None
    value: Money | None = None
    currency: Currency = ""
    department: Code | None = None
    campaign: Name | None = None


@event(
    "opportunity.routed", by="policy opportunity, or a person", category="opportunity", key="opportunity_id"
)
class OpportunityRouted(Event):
    """The department that can close it has it now, and must follow up by `follow_up_due_at`."""

    opportunity_id: Name
    department: Code
    rule: Code
    follow_up_due_at: Moment | None = None


@event("opportunity.accepted", by="the department", category="opportunity", key="opportunity_id")
class OpportunityAccepted(Event):
    """A person of the department took it on as its owner."""

    opportunity_id: Name
    owner: Name


@event("opportunity.followed_up", by="the owner", category="opportunity", key="opportunity_id")
class OpportunityFollowedUp(Event):
    """The customer was called back; the follow-up clock stops, or runs to the next date."""

    opportunity_id: Name
    next_due_at: Moment | None = None


@event(
    "opportunity.follow_up_missed",
    by="whoever settles the clock first",
    category="opportunity",
    key="opportunity_id",
)
class FollowUpMissed(Event):
    """The follow-up clock ran out; occurred at the moment it was due."""

    opportunity_id: Name
    due_at: Moment


@event("opportunity.staged", by="the owner", category="opportunity", key="opportunity_id")
class OpportunityStaged(Event):
    """The opportunity moved to another stage of the pipeline."""

    opportunity_id: Name
    stage: Code


@event("opportunity.valued", by="the owner", category="opportunity", key="opportunity_id")
class OpportunityValued(Event):
    """The owner said what it may bring, and how likely, where they know better than history."""

    opportunity_id: Name
    value: Money
    currency: Currency = ""
    probability: Share | None = None


@event("opportunity.won", by="the owner", category="opportunity", key="opportunity_id")
class OpportunityWon(Event):
    """The customer bought."""

    opportunity_id: Name
    value: Money | None = None
    currency: Currency = ""


@event("opportunity.lost", by="the owner", category="opportunity", key="opportunity_id")
class OpportunityLost(Event):
    """The customer did not buy, and why."""

    opportunity_id: Name
    why: Code


@event("opportunity.reopened", by="the owner", category="opportunity", key="opportunity_id")
class OpportunityReopened(Event):
    """A closed opportunity lives again, in this stage."""

    opportunity_id: Name
    stage: Code

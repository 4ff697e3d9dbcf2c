"""An offer carried to a list over channels in steps, and how far each customer came."""

from typing import Literal

from msgspec import Struct

from events.envelope import Event
from events.registry import event
from events.vocabulary import Channel, Code, Count, Moment, Name, Purpose, Share

AttemptOutcome = Literal[
    "reached", "no_answer", "busy", "voicemail", "wrong_party", "refused", "bounced", "delivered", "failed"
]
EnrolmentEnd = Literal["responded", "refused", "exhausted", "suppressed", "stopped"]


class CampaignStep(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One channel's turn; it takes those still silent after `wait_hours` of the step before."""

    step: Name
    channel: Channel
    offer: Name | None = None
    wait_hours: Count = 0


@event("campaign.planned", by="marketing", category="campaign", key="campaign")
class CampaignPlanned(Event):
    """A campaign was laid out: for what, to which list, by which steps. Nobody is contacted yet."""

    campaign: Name
    purpose: Purpose
    steps: tuple[CampaignStep, ...]
    list_id: Name | None = None
    starts_at: Moment | None = None
    ends_at: Moment | None = None


@event("campaign.activated", by="marketing", category="campaign", key="campaign")
class CampaignActivated(Event):
    """The campaign may contact customers from now on."""

    campaign: Name
    approved_by: Name | None = None


@event("campaign.stopped", by="a person, or the limit of complaints", category="campaign", key="campaign")
class CampaignStopped(Event):
    """No further customer is contacted for this campaign, and why."""

    campaign: Name
    why: Code


@event("campaign.assigned", door="facts", by="marketing, a campaign tool")
class CampaignAssigned(Event):
    """Chance put the customer into a campaign's treatment, or into its hold-out.

    `propensity` is the probability with which it was the treatment. What the campaign brought is the difference between
    all who were assigned and all who were held out, contacted or not, up to `until`.
    """

    campaign: Name
    purpose: Purpose
    treatment: Code
    held_out: bool
    propensity: Share
    until: Moment | None = None


@event("enrolment.started", by="outreach", category="enrolment", key="enrolment_id")
class EnrolmentStarted(Event):
    """A customer entered a campaign's steps."""

    enrolment_id: Name
    campaign: Name
    list_id: Name | None = None
    holdout: bool = False


@event("enrolment.ended", by="outreach", category="enrolment", key="enrolment_id")
class EnrolmentEnded(Event):
    """A customer left the campaign on every channel at once; a response ends it at whichever step."""

    enrolment_id: Name
    why: EnrolmentEnd
    step: Name | None = None


@event("attempt.made", door="facts", by="dialler, SMS centre, mail server, shop")
class AttemptMade(Event):
    """One try to reach the customer went out on one channel."""

    attempt_id: Name
    channel: Channel
    campaign: Name | None = None
    step: Name | None = None
    enrolment_id: Name | None = None
    offer: Name | None = None
    agent: Name | None = None


@event("attempt.answered", door="facts", by="dialler, SMS centre, mail server, shop")
class AttemptAnswered(Event):
    """What came of a try: the customer was reached, did not answer, refused, or it bounced."""

    attempt_id: Name
    outcome: AttemptOutcome
    why: Code | None = None
    contact_id: Name | None = None
    agent: Name | None = None

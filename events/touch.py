"""Touches: one act between a customer and the company, on one channel, in either direction."""

from msgspec import field

from events.envelope import Event
from events.personal import Personal
from events.registry import event
from events.vocabulary import Channel, Code, Direction, Moment, Name, Outcome, Outside, Seconds


@event("touch.recorded", door="touches", by="any channel")
class TouchRecorded(Event):
    """Customer and company met once on one channel; told whole, with how it went.

    Durations are seconds; None means the source does not say. `outside` keeps a test or phantom call
    out of all figures. `contact_id` names the conversation it is part of, where the channel has one.
    """

    channel: Channel = "unknown"
    direction: Direction = "unknown"
    contact_id: Name | None = None
    reason: Code | None = None
    text: Personal | None = None
    signals: tuple[Code, ...] = ()
    ivr_seconds: Seconds | None = None
    wait_seconds: Seconds | None = None
    ring_seconds: Seconds | None = None
    talk_seconds: Seconds | None = None
    hold_seconds: Seconds | None = None
    wrap_up_seconds: Seconds | None = None
    outcome: Outcome = "unknown"
    confirmed: bool | None = None
    personalised: bool = False
    outside: Outside | None = None
    agent: Name | None = None
    bot: bool = False
    team: Name | None = None
    queue: Name | None = None
    site: Name | None = None
    priority: Name | None = None
    campaign: Name | None = None
    step: Name | None = None
    language: Name | None = None
    recordings: tuple[Name, ...] = ()
    attributes: dict[str, str] = field(default_factory=dict)


@event("touch.corrected", door="touches", by="a person, after a wrong wrap-up")
class TouchCorrected(Event):
    """A recorded touch said something wrong; these fields are what it should have said.

    None leaves a field as it was.
    """

    touch_id: Name
    reason: Code | None = None
    outcome: Outcome | None = None
    confirmed: bool | None = None
    channel: Channel | None = None
    direction: Direction | None = None
    occurred_at: Moment | None = None


@event("touch.retracted", door="touches", by="a person, after a wrong record")
class TouchRetracted(Event):
    """A recorded touch never happened, or was nobody's; no view counts it."""

    touch_id: Name
    why: Name


@event("touch.signalled", by="a text rule's later release")
class TouchSignalled(Event):
    """A later, better text rule read an earlier touch again and found these signals."""

    touch_id: Name
    signals: tuple[Code, ...]
    rule_release: Name

"""The raw parts of one conversation, as a switch or a chat server reports them."""

from typing import Literal

from events.envelope import Event
from events.personal import Personal
from events.registry import event
from events.vocabulary import Channel, Code, Direction, Moment, Name, Outcome, Outside, Seconds

LeftQueue = Literal["timeout", "key", "full", "callback", "voicemail", "unknown"]
"""How a contact left a queue with neither an answer nor a hang-up."""


@event("contact.started", door="touches", by="switch, chat server")
class ContactStarted(Event):
    """A conversation, or an attempt at one, reached us or left us."""

    contact_id: Name
    channel: Channel
    direction: Direction = "unknown"
    outside: Outside | None = None


@event("contact.rang", door="touches", by="switch")
class ContactRang(Event):
    """A person's phone rang for this contact; `seconds` until it was picked up or given up.

    Without seconds it begins to ring, or, where it was `given_up`, it stops, unanswered.
    """

    contact_id: Name
    agent: Name | None = None
    seconds: Seconds | None = None
    given_up: bool = False


@event("contact.queued", door="touches", by="switch, chat server")
class ContactQueued(Event):
    """The contact entered a queue; from here the wait counts."""

    contact_id: Name
    queue: Name
    priority: Name | None = None


@event("contact.left_queue", door="touches", by="switch")
class ContactLeftQueue(Event):
    """The contact left a queue unanswered and went on elsewhere: another queue, a voicemail, a call-back."""

    contact_id: Name
    queue: Name | None = None
    how: LeftQueue = "unknown"
    wait_seconds: Seconds | None = None


@event("contact.answered", door="touches", by="switch, chat server")
class ContactAnswered(Event):
    """A person or a bot answered; a leg begins."""

    contact_id: Name
    agent: Name | None = None
    bot: bool = False
    team: Name | None = None
    wait_seconds: Seconds | None = None


@event("contact.held", door="touches", by="switch")
class ContactHeld(Event):
    """The customer was put on hold, and for how long."""

    contact_id: Name
    seconds: Seconds


@event("contact.transferred", door="touches", by="switch, chat server")
class ContactTransferred(Event):
    """The contact went on to another agent, team or queue: a new leg of the same contact."""

    contact_id: Name
    to_queue: Name | None = None
    to_agent: Name | None = None
    to_team: Name | None = None


@event("contact.ended", door="touches", by="switch, chat server")
class ContactEnded(Event):
    """The conversation ended, or was abandoned before a person answered.

    The seconds are the whole contact's, where the source counts them itself.
    """

    contact_id: Name
    outcome: Outcome = "unknown"
    wait_seconds: Seconds | None = None
    talk_seconds: Seconds | None = None


@event("contact.wrapped_up", door="touches", by="agent desktop")
class ContactWrappedUp(Event):
    """The agent finished the work after the talk and said what it was about.

    Without an agent it is the one who talked last. `talk_seconds` are that agent's, where the source counts them.
    """

    contact_id: Name
    agent: Name | None = None
    talk_seconds: Seconds | None = None
    reason: Code | None = None
    outcome: Outcome = "unknown"
    confirmed: bool | None = None
    seconds: Seconds | None = None


@event("contact.callback_asked", door="touches", by="agent desktop, IVR")
class ContactCallbackAsked(Event):
    """The customer asked to be called back; `at` is when it suits them, none means as soon as possible."""

    contact_id: Name
    at: Moment | None = None
    queue: Name | None = None
    agent: Name | None = None
    note: Personal | None = None


@event("contact.handed_over", door="touches", by="agent desktop, bot")
class ContactHandedOver(Event):
    """The conversation goes on elsewhere, and what was said goes with it: `to_contact_id` continues the thread."""

    contact_id: Name
    to_channel: Channel = "unknown"
    to_contact_id: Name | None = None
    to_queue: Name | None = None
    to_agent: Name | None = None
    note: Personal | None = None

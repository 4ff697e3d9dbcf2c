"""What single events say of the contact they are part of."""

from datetime import datetime
from typing import Literal, get_args

import msgspec
from msgspec import Struct

from events.contact import (
    ContactAnswered,
    ContactCallbackAsked,
    ContactEnded,
    ContactHandedOver,
    ContactHeld,
    ContactLeftQueue,
    ContactQueued,
    ContactRang,
    ContactStarted,
    ContactTransferred,
    ContactWrappedUp,
)
from events.envelope import Envelope, Event
from events.touch import TouchRecorded
from events.vocabulary import Channel, Direction
from models.domain.contact import is_contact

Kind = Literal[
    "started", "queued", "rang", "answered", "touch", "held", "transferred", "left_queue", "ended", "wrapped_up",
    "callback_asked", "handed_over",
]  # fmt: skip
RANK: dict[str, int] = {kind: rank for rank, kind in enumerate(get_args(Kind))}


class Part(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one event says of a contact. Seconds as in the event; None is not said."""

    at: datetime
    kind: Kind
    event_id: str
    channel: Channel = "unknown"
    direction: Direction = "unknown"
    queue: str = ""
    agent: str = ""
    team: str = ""
    bot: bool = False
    how: str = ""
    reason: str = ""
    outcome: str = "unknown"
    confirmed: bool | None = None
    outside: str = ""
    wait: float | None = None
    ring: float | None = None
    talk: float | None = None
    hold: float | None = None
    wrap_up: float | None = None
    said: bool = False
    due_at: datetime | None = None
    to: str = ""


def contact_of(envelope: Envelope) -> str:
    """The contact an event is a part of; empty where it is of none. A touch that names none is one by itself."""
    event = envelope.event
    if isinstance(event, TouchRecorded) and event.contact_id is None:
        return envelope.event_id if is_contact(event) else ""
    return getattr(event, "contact_id", None) or "" if isinstance(event, FOLDED) else ""


def same(one: Part, other: Part) -> bool:
    """Told twice under different ids, say by a record and by an event of one contact."""
    if one.event_id == other.event_id:
        return True
    if one.kind in ("touch", "wrapped_up"):
        return False
    return msgspec.structs.replace(one, event_id="") == msgspec.structs.replace(other, event_id="")


def part_of(envelope: Envelope) -> Part:
    """What this event says of its contact. Raises TypeError for one that is no part of any."""
    event, at = envelope.event, envelope.occurred_at
    said = {name: value for name, value in _said(event).items() if value is not None}
    part = Part(at=at, kind=_KINDS[type(event)], event_id=envelope.event_id)
    return msgspec.structs.replace(part, **said)


def _said(event: Event) -> dict[str, object]:
    match event:
        case ContactStarted(channel=channel, direction=direction, outside=outside):
            return {"channel": channel, "direction": direction, "outside": outside}
        case ContactRang(agent=agent, seconds=seconds, given_up=given_up):
            return {"agent": agent, "ring": seconds, "how": "given_up" if given_up else ""}
        case ContactQueued(queue=queue):
            return {"queue": queue}
        case ContactLeftQueue(queue=queue, how=how, wait_seconds=wait):
            return {"queue": queue, "how": how, "wait": wait}
        case ContactAnswered(agent=agent, bot=bot, team=team, wait_seconds=wait):
            return {"agent": agent, "bot": bot, "team": team, "wait": wait}
        case ContactHeld(seconds=seconds):
            return {"hold": seconds}
        case ContactTransferred(to_queue=queue, to_agent=agent, to_team=team):
            return {"queue": queue, "agent": agent, "team": team}
        case ContactEnded(outcome=outcome, wait_seconds=wait, talk_seconds=talk):
            return {"outcome": outcome, "wait": wait, "talk": talk}
        case ContactWrappedUp() as done:
            return {
                "agent": done.agent, "reason": done.reason, "outcome": done.outcome,
                "confirmed": done.confirmed, "wrap_up": done.seconds, "talk": done.talk_seconds,
            }  # fmt: skip
        case ContactCallbackAsked(at=at, queue=queue, agent=agent):
            return {"due_at": at, "queue": queue, "agent": agent}
        case ContactHandedOver(to_contact_id=to, to_channel=channel):
            return {"to": to or channel}
        case TouchRecorded() as touch:
            return {
                "channel": touch.channel, "direction": touch.direction, "queue": touch.queue, "agent": touch.agent,
                "team": touch.team, "bot": touch.bot, "reason": touch.reason, "outcome": touch.outcome,
                "confirmed": touch.confirmed, "outside": touch.outside, "wait": touch.wait_seconds,
                "ring": touch.ring_seconds, "talk": touch.talk_seconds, "hold": touch.hold_seconds,
                "wrap_up": touch.wrap_up_seconds, "said": touch.text is not None,
            }  # fmt: skip
    raise TypeError(f"{type(event).__name__} is no part of a contact")


_KINDS: dict[type[Event], Kind] = {
    ContactStarted: "started", ContactRang: "rang", ContactQueued: "queued", ContactLeftQueue: "left_queue",
    ContactAnswered: "answered", ContactHeld: "held", ContactTransferred: "transferred", ContactEnded: "ended",
    ContactWrappedUp: "wrapped_up", ContactCallbackAsked: "callback_asked", ContactHandedOver: "handed_over",
    TouchRecorded: "touch",
}  # fmt: skip
FOLDED = tuple(_KINDS)
"""The events that are parts of contacts."""

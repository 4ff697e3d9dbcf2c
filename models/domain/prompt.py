"""When a contact starts for a desk: the moment in which whoever answers there is told who it is."""

from collections.abc import Iterable
from datetime import timedelta

from events.contact import ContactAnswered, ContactQueued, ContactRang, ContactStarted, ContactTransferred
from events.envelope import Envelope, Event
from events.touch import TouchRecorded
from models.domain.contact import is_contact

FRESH = timedelta(minutes=15)
"""What is told later than this after it happened prompts nobody any more."""

CALLING: tuple[type[Event], ...] = (
    ContactQueued, ContactRang, ContactAnswered, ContactTransferred, TouchRecorded,
)  # fmt: skip
"""The events by which a contact comes to a desk."""


def desks(event: Event) -> tuple[str, ...]:
    """The desks, queues and agents, to which an event brings its contact; each once."""
    named: tuple[str | None, ...] = ()
    match event:
        case ContactQueued(queue=queue):
            named = (queue,)
        case ContactRang(given_up=True):
            pass
        case ContactRang(agent=agent) | ContactAnswered(agent=agent):
            named = (agent,)
        case ContactTransferred(to_queue=queue, to_agent=agent):
            named = (queue, agent)
        case TouchRecorded(queue=queue, agent=agent) if is_contact(event):
            named = (queue, agent)
    return tuple(dict.fromkeys(name for name in named if name))


def contact_at(event: Event, event_id: str) -> str:
    """The contact that comes to the desk; a touch that names none is one by itself."""
    return getattr(event, "contact_id", None) or event_id


def is_live(envelope: Envelope) -> bool:
    """Is it going on now? What was imported, replayed or told long afterwards is not."""
    return envelope.origin == "live" and envelope.recorded_at - envelope.occurred_at <= FRESH


def starts(parts: Iterable[Envelope]) -> dict[str, int]:
    """Desk → the position at which a contact first came to it, given all parts of that one contact.

    A later part never changes an earlier answer, so that whoever asks again, in another process too, is told
    the same. A test call comes to nobody.
    """
    found: dict[str, int] = {}
    for part in sorted(parts, key=lambda part: part.position):
        if isinstance(part.event, ContactStarted) and part.event.outside is not None:
            break
        if is_live(part):
            for desk in desks(part.event):
                found.setdefault(desk, part.position)
    return found

"""What counts as a contact: a conversation or an attempt at one, not a page view or a one-way message."""

from events.touch import TouchRecorded
from events.vocabulary import Channel, Direction

CONVERSING: frozenset[Channel] = frozenset({"voice", "ivr", "chat", "im", "social", "video", "store"})
WRITTEN: frozenset[Channel] = frozenset({"email", "sms", "fax", "post"})


def is_contact(touch: TouchRecorded) -> bool:
    """Does this touch count as a contact? Test and phantom ones never do."""
    return touch.outside is None and converses(touch.channel, touch.direction)


def converses(channel: Channel, direction: Direction) -> bool:
    """Does a touch on this channel, in this direction, ask for or give an answer?"""
    return channel in CONVERSING or (channel in WRITTEN and direction == "inbound")

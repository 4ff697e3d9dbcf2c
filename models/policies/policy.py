"""What every policy is: a reaction to live events, as commands."""

from typing import ClassVar

from msgspec import Struct

from events.envelope import Envelope, Event
from models.domain.opportunity import Command


class Reaction(Struct, frozen=True, kw_only=True):
    """A command for a stream, caused by an event."""

    stream: str
    command: Command


class Policy:
    """Reacts to events of its kinds. It sees live events only; its repeats are recognised by their cause."""

    name: ClassVar[str]
    matches: ClassVar[frozenset[type[Event]]]

    def react(self, envelope: Envelope) -> list[Reaction]:
        """The commands that follow from an event, none if none do."""
        raise NotImplementedError

"""A customer's events as they count: known and happened by a moment, corrected, in fold order."""

from collections.abc import Iterable
from datetime import datetime

import msgspec

from events import registry
from events.envelope import Envelope
from events.touch import TouchCorrected, TouchRetracted

CHANGING = (TouchCorrected, TouchRetracted)
"""Events that change what an earlier one said: after them, a fold starts anew."""


def effective(
    history: Iterable[Envelope], *, as_of: datetime | None = None, known_at: datetime | None = None
) -> list[Envelope]:
    """The events a fold meets, in order, with corrections and retractions applied.

    `as_of` keeps what had happened by then, `known_at` what could be known by then. A correction
    that was not known yet does not apply; one that was, does, whenever its touch lies.
    """
    known = [e for e in history if known_at is None or e.known_at <= known_at]
    changes = Changes(known)
    found = [e for one in known if (e := changes.applied(one)) is not None]
    if as_of is not None:
        found = [e for e in found if e.occurred_at <= as_of]
    return sorted(found, key=lambda envelope: envelope.order)


class Changes:
    """What the corrections and retractions among some events say about the others."""

    def __init__(self, events: Iterable[Envelope]) -> None:
        self._corrections: dict[str, list[TouchCorrected]] = {}
        self._retracted: set[str] = set()
        for change in sorted((e for e in events if isinstance(e.event, CHANGING)), key=lambda e: e.order):
            match change.event:
                case TouchCorrected(touch_id=touch):
                    self._corrections.setdefault(touch, []).append(change.event)
                case TouchRetracted(touch_id=touch):
                    self._retracted.add(touch)

    def applied(self, envelope: Envelope) -> Envelope | None:
        """The event as it should have been recorded; None for one that does not count, or is itself a change."""
        if isinstance(envelope.event, CHANGING):
            return None
        if envelope.event_id in self._retracted and _is_touch(envelope):
            return None
        for correction in self._corrections.get(envelope.event_id, ()):
            envelope = corrected(envelope, correction)
        return envelope

    @property
    def moved(self) -> frozenset[str]:
        """The ids of the events that are said to have happened at another time."""
        return frozenset(
            touch for touch, said in self._corrections.items() if any(one.occurred_at for one in said)
        )


def _is_touch(envelope: Envelope) -> bool:
    """Only what was reported may be taken back so; a decision or a consent has its own way."""
    return registry.of(envelope.event).family in ("touch", "contact")


def corrected(envelope: Envelope, correction: TouchCorrected) -> Envelope:
    """The touch, or the part of a contact, as it should have been recorded."""
    if not _is_touch(envelope):
        return envelope
    said = {
        name: value
        for name in ("reason", "outcome", "confirmed", "channel", "direction")
        if (value := getattr(correction, name)) is not None and hasattr(envelope.event, name)
    }
    event = msgspec.structs.replace(envelope.event, **said)
    at = correction.occurred_at or envelope.occurred_at
    return msgspec.structs.replace(envelope, event=event, occurred_at=at)

"""A customer's events as they count: known and happened by a moment, corrected, in fold order."""

from collections.abc import Iterable
from datetime import datetime

import msgspec

from events import registry
from events.envelope import Envelope
from events.touch import TouchCorrected, TouchRecorded, TouchRetracted

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
    changes = sorted((e for e in known if isinstance(e.event, CHANGING)), key=lambda e: e.order)
    corrections: dict[str, list[TouchCorrected]] = {}
    retracted = set()
    for change in changes:
        match change.event:
            case TouchCorrected(touch_id=touch):
                corrections.setdefault(touch, []).append(change.event)
            case TouchRetracted(touch_id=touch):
                retracted.add(touch)
    found = []
    for envelope in known:
        if isinstance(envelope.event, CHANGING) or (envelope.event_id in retracted and _is_touch(envelope)):
            continue
        for correction in corrections.get(envelope.event_id, ()):
            envelope = corrected(envelope, correction)
        if as_of is None or envelope.occurred_at <= as_of:
            found.append(envelope)
    return sorted(found, key=lambda envelope: envelope.order)


def _is_touch(envelope: Envelope) -> bool:
    """Only what was reported may be taken back so; a decision or a consent has its own way."""
    return registry.of(envelope.event).family in ("touch", "contact")


def corrected(envelope: Envelope, correction: TouchCorrected) -> Envelope:
    """The touch as it should have been recorded."""
    if not isinstance(envelope.event, TouchRecorded):
        return envelope
    said = {
        name: value
        for name in ("reason", "outcome", "confirmed", "channel", "direction")
        if (value := getattr(correction, name)) is not None
    }
    event = msgspec.structs.replace(envelope.event, **said)
    at = correction.occurred_at or envelope.occurred_at
    return msgspec.structs.replace(envelope, event=event, occurred_at=at)

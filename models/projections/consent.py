"""What a customer allowed and forbade, as the view of a customer holds it: the last word of everyone who is them."""

import msgspec

from events.envelope import Envelope
from models.projections.customer_360_row import ConsentState, Customer360Row


def granted(row: Customer360Row, envelope: Envelope) -> Customer360Row:
    """The customer allowed something."""
    event = envelope.event
    consent = ConsentState(
        channel=event.channel, purpose=event.purpose, granted=True, basis=event.basis, proof=event.proof,
        since=envelope.occurred_at, event_id=envelope.event_id, scope=event.scope or "",
        expires_at=event.expires_at,
    )  # fmt: skip
    return _with_consent(row, envelope, consent)


def withdrawn(row: Customer360Row, envelope: Envelope) -> Customer360Row:
    """The customer forbade something."""
    event = envelope.event
    consent = ConsentState(
        channel=event.channel or "", purpose=event.purpose or "", granted=False, basis=event.basis or "",
        proof=event.proof or "", since=envelope.occurred_at, event_id=envelope.event_id, scope=event.scope or "",
    )  # fmt: skip
    return _with_consent(row, envelope, consent)


def _with_consent(row: Customer360Row, envelope: Envelope, consent: ConsentState) -> Customer360Row:
    """The last word of whoever said it.

    Two who became one keep both their words, and so the stricter holds, until the one says something new.
    """
    said = "/".join((consent.channel or "*", consent.purpose or "*", *filter(None, [consent.scope])))
    speaker = _now(row, envelope.customer)
    kept = {
        key: one
        for key, one in row.consents.items()
        if key.partition("@")[0] != said or _now(row, one.side) != speaker
    }
    kept[f"{said}@{speaker}"] = msgspec.structs.replace(consent, side=speaker)
    return msgspec.structs.replace(row, consents=kept)


def _now(row: Customer360Row, side: str) -> str:
    """Whom this id has become by now, as far as the fold has come."""
    while side in row.joined:
        side = row.joined[side]
    return side


def merged(row: Customer360Row, envelope: Envelope) -> Customer360Row:
    """Another has become this customer: from now on they speak with one voice."""
    event = envelope.event
    return msgspec.structs.replace(row, joined={**row.joined, event.absorbed: event.survivor})

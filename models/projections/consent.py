"""What a customer allowed and forbade, as the view of a customer holds it: the last word of everyone who is them.

A word is kept with whoever said it and everybody who was one with them by then. So a yes reaches what was
theirs then or is shown to be theirs later, and never what a merge brings in from somebody who did not say it;
a no holds for all that the customer has. What the one customer says after a merge is said by both.
"""

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
    speaker = row.survivor(envelope.customer)
    kept = {
        key: one
        for key, one in row.consents.items()
        if key.partition("@")[0] != said or row.survivor(one.side) != speaker
    }
    word = msgspec.structs.replace(consent, side=speaker, others=row.one_with(speaker))
    return msgspec.structs.replace(row, consents={**kept, f"{said}@{speaker}": word})


def merged(row: Customer360Row, envelope: Envelope) -> Customer360Row:
    """Another has become this customer: from now on they speak with one voice.

    Where a word itself showed that two are one, it is said by both; a fold meets it before the merge.
    """
    event = envelope.event
    row = msgspec.structs.replace(row, joined={**row.joined, event.absorbed: event.survivor})
    consents = {
        key: msgspec.structs.replace(one, others=row.one_with(one.side))
        if one.event_id == envelope.cause else one
        for key, one in row.consents.items()
    }  # fmt: skip
    return msgspec.structs.replace(row, consents=consents)

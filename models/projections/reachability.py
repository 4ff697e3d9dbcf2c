"""By what a customer can be reached, as their view tells it: what never arrives is no way, until something does."""

from collections.abc import Iterator, Sequence

import msgspec

from events.envelope import Envelope
from models.domain.permission import Reachable
from models.projections.customer_360_row import Customer360Row, HeldIdentifier, Unreachable

MOBILE = "mobile"
"""As good as a kind: a phone that can be written to."""


def failed(row: Customer360Row, envelope: Envelope) -> Customer360Row:
    """Something did not arrive. That it never will stays true when a later try fails for another reason."""
    event = envelope.event
    was = {(one.key, one.channel): one for one in row.unreachable}
    for ref in envelope.identifiers:
        at = (ref.key, event.channel)
        if at in was and was[at].permanent and not event.permanent:
            continue
        was[at] = Unreachable(
            kind=ref.kind, issuer=ref.issuer, hash=ref.hash, channel=event.channel, why=event.why,
            permanent=event.permanent, since=envelope.occurred_at, event_id=envelope.event_id,
        )  # fmt: skip
    return msgspec.structs.replace(row, unreachable=tuple(was.values()))


def touched(row: Customer360Row, envelope: Envelope) -> Customer360Row:
    """Whatever comes from an identifier, or was delivered to it, shows that it works."""
    touch = envelope.event
    if not row.unreachable or not (
        touch.direction == "inbound" or touch.attributes.get("delivery") == "delivered"
    ):
        return row
    works = {(ref.key, touch.channel) for ref in envelope.identifiers}
    left = tuple(one for one in row.unreachable if (one.key, one.channel) not in works)
    return msgspec.structs.replace(row, unreachable=left)


def addresses(row: Customer360Row, channel: str, kinds: Sequence[str]) -> Iterator[HeldIdentifier]:
    """The identifiers by which this channel reaches the customer: the first kind first, of each the newest."""
    dead = {one.key for one in row.unreachable if one.permanent and one.channel == channel}
    newest = sorted(row.identifiers, key=lambda one: (one.since, one.hash), reverse=True)
    for kind in kinds:
        for one in newest:
            # A blocked one is shared: it reaches nobody for sure.
            if not one.blocked and one.key not in dead and kind in _kinds(one):
                yield one


def reachable(row: Customer360Row, *, suppressed: bool, open_complaint: bool) -> Reachable:
    """What decides whether this customer may be contacted."""
    held = [one for one in row.identifiers if not one.blocked]
    dead = {(one.key, one.channel) for one in row.unreachable if one.permanent}
    return Reachable(
        kinds=_all(held), consents=tuple(row.consents.values()), suppressed=suppressed,
        open_complaint=open_complaint,
        left_on={
            channel: _all([one for one in held if (one.key, channel) not in dead])
            for channel in sorted({channel for _, channel in dead})
        },
    )  # fmt: skip


def _all(held: Sequence[HeldIdentifier]) -> frozenset[str]:
    return frozenset(kind for one in held for kind in _kinds(one))


def _kinds(one: HeldIdentifier) -> tuple[str, ...]:
    return (one.kind, MOBILE) if one.facets.get("line") == MOBILE else (one.kind,)

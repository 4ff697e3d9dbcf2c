"""By what a customer can be reached, as their view tells it: what never arrives is no way, until something does."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import msgspec

from events.envelope import Envelope
from models.domain.identity import Key
from models.domain.permission import Permitted, Reachable, Way
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


def addresses(
    row: Customer360Row, channel: str, kinds: Sequence[str], allowed: Permitted | None = None
) -> Iterator[HeldIdentifier]:
    """The identifiers by which this channel reaches the customer: the first kind first, of each the newest.

    With `allowed`, only those that it reaches: a consent not those of somebody who did not say it.
    """
    consents = {one.event_id: one for one in row.consents.values()}
    word = consents.get(allowed.basis) if allowed else None
    newest = sorted(row.identifiers, key=lambda one: (one.since, one.hash), reverse=True)
    ways = [(one, way) for one, way in _ways(row, newest) if word is None or word.reaches(way.side)]
    for kind in kinds:
        for one, way in ways:
            if way.leads(channel, (kind,)):
                yield one


def reachable(row: Customer360Row, *, suppressed: bool) -> Reachable:
    """What decides whether this customer may be contacted."""
    return Reachable(
        ways=tuple(way for _, way in _ways(row, row.identifiers)), consents=tuple(row.consents.values()),
        suppressed=suppressed, open_complaint=row.has_open_complaint,
    )  # fmt: skip


def _ways(row: Customer360Row, held: Sequence[HeldIdentifier]) -> Iterator[tuple[HeldIdentifier, Way]]:
    """The identifiers that are ways to the customer; a blocked one is shared, and reaches nobody for sure."""
    dead: dict[Key, set[str]] = defaultdict(set)
    for lost in row.unreachable:
        if lost.permanent:
            dead[lost.key].add(lost.channel)
    for one in held:
        if not one.blocked:
            yield one, Way(kinds=_kinds(one), side=one.side, dead_on=frozenset(dead.get(one.key, ())))


def _kinds(one: HeldIdentifier) -> tuple[str, ...]:
    return (one.kind, MOBILE) if one.facets.get("line") == MOBILE else (one.kind,)

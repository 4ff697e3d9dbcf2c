"""What a customer has proved of who they are: carried from one channel to the next until it runs out."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from msgspec import Struct

from events.envelope import Envelope
from events.identity import PersonVerified

CARRIED = timedelta(minutes=30)
"""So long a proof holds whose source does not say how long."""

REMEMBERED = timedelta(days=1)
"""So long a failed attempt is shown."""


class Proof(Struct, frozen=True, kw_only=True):
    """A person proved who they are, by a method and to a level, on one channel; it holds on all of them."""

    method: str
    level: int
    channel: str
    at: datetime
    expires_at: datetime
    event_id: str


class Failure(Struct, frozen=True, kw_only=True):
    """A person tried to prove who they are, and failed."""

    method: str
    level: int
    channel: str
    at: datetime
    event_id: str


class Verified(Struct, frozen=True, kw_only=True):
    """The strongest proof that holds at a moment, and the attempts that failed lately, newest first.

    A failure takes no proof away: it is shown beside it, and a person judges.
    """

    proof: Proof | None = None
    failed: tuple[Failure, ...] = ()


def verified(events: Iterable[Envelope], at: datetime) -> Verified:
    """What is proved at a moment by one customer's events, in whatever order they come."""
    proofs: list[Proof] = []
    failed: list[Failure] = []
    for one in events:
        event = one.event
        if not isinstance(event, PersonVerified) or one.occurred_at > at:
            continue
        if not event.passed:
            if at - one.occurred_at < REMEMBERED:
                failed.append(
                    Failure(
                        method=event.method, level=event.level, channel=event.channel, at=one.occurred_at,
                        event_id=one.event_id,
                    )
                )  # fmt: skip
            continue
        until = event.expires_at or one.occurred_at + CARRIED
        if until > at:
            proofs.append(
                Proof(
                    method=event.method, level=event.level, channel=event.channel, at=one.occurred_at,
                    expires_at=until, event_id=one.event_id,
                )
            )  # fmt: skip
    return Verified(
        proof=max(proofs, key=lambda proof: (proof.level, proof.expires_at, proof.event_id), default=None),
        failed=tuple(sorted(failed, key=lambda one: (one.at, one.event_id), reverse=True)),
    )

"""What a customer has proved of who they are: carried from one channel to the next until it runs out.

It is carried to whoever passed it, and to nobody a later merge takes them to be: a proof names everybody who
was one customer when it was passed, and holds for a contact of one of those. A wrong merge so hands nobody
another person's proof.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta

from msgspec import Struct

from events.envelope import Envelope
from events.identity import PersonVerified

CARRIED = timedelta(minutes=30)
"""So long a proof holds whose source does not say how long."""

REMEMBERED = timedelta(days=1)
"""So long a failed attempt is shown."""

Joins = Mapping[str, tuple[str, datetime]]
"""The merges that hold: absorbed → survivor, and since when."""


class Proof(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A person proved who they are, by a method and to a level, on one channel; it holds on all of them.

    `sides` are the customer ids that meant this person when it was passed.
    """

    method: str
    level: int
    channel: str
    at: datetime
    expires_at: datetime
    event_id: str
    sides: tuple[str, ...] = ()


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


def verified(events: Iterable[Envelope], at: datetime, side: str, joins: Joins | None = None) -> Verified:
    """What is proved at a moment to a contact of this side, by one customer's events in whatever order they come.

    `customer` of each event is the side that tried. Failures are shown whoever of the customer they are of.
    """
    proofs: list[Proof] = []
    failed: list[Failure] = []
    for one in events:
        event = one.event
        if not isinstance(event, PersonVerified) or one.occurred_at > at:
            continue
        if event.passed:
            proof = proof_of(one, one_at(joins or {}, one.customer, one.occurred_at))
            proofs += [proof] if proof else []
        elif at - one.occurred_at < REMEMBERED:
            failed.append(
                Failure(
                    method=event.method, level=event.level, channel=event.channel, at=one.occurred_at,
                    event_id=one.event_id,
                )
            )  # fmt: skip
    return Verified(
        proof=carried(proofs, {side}, at),
        failed=tuple(sorted(failed, key=lambda one: (one.at, one.event_id), reverse=True)),
    )


def proof_of(one: Envelope, sides: Collection[str]) -> Proof | None:
    """What this attempt proves of whoever these customer ids meant then; None where it failed."""
    event = one.event
    if not event.passed:
        return None
    return Proof(
        method=event.method, level=event.level, channel=event.channel, at=one.occurred_at,
        expires_at=event.expires_at or one.occurred_at + CARRIED, event_id=one.event_id,
        sides=tuple(sorted(sides)),
    )  # fmt: skip


def carried(proofs: Iterable[Proof], sides: Collection[str], at: datetime) -> Proof | None:
    """The strongest proof that holds at a moment for whoever of these makes contact; None without one."""
    holding = (proof for proof in proofs if proof.expires_at > at and set(sides) <= set(proof.sides))
    return max(holding, key=lambda proof: (proof.level, proof.expires_at, proof.event_id), default=None)


def one_at(joins: Joins, side: str, at: datetime) -> frozenset[str]:
    """Everybody who was one with this customer before a moment; a merge of that very instant is not yet."""

    def survivor(one: str) -> str:
        while one in joins and joins[one][1] < at:
            one = joins[one][0]
        return one

    return frozenset({side, *(one for one in _everybody(joins) if survivor(one) == survivor(side))})


def _everybody(joins: Joins) -> set[str]:
    return {*joins, *(survivor for survivor, _ in joins.values())}

"""What came of contacting the members of a list, out of each one's own events."""

from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal

from msgspec import Struct

from events.campaign import AttemptAnswered, AttemptMade, EnrolmentStarted
from events.envelope import Envelope, Event
from events.offer import PresentationAnswered, PresentationMade
from events.vocabulary import Channel

TELLING: frozenset[type[Event]] = frozenset({
    AttemptMade, AttemptAnswered, PresentationMade, PresentationAnswered, EnrolmentStarted,
})  # fmt: skip
"""The events that say it."""


class Came(Struct, frozen=True, kw_only=True):
    """What one member did, and what it has cost: contacts as they were made, and the offer where it was accepted."""

    contacted: bool = False
    reached: bool = False
    accepted: bool = False
    refused: bool = False
    spent: Decimal = Decimal(0)


def came_of(
    events: Iterable[Envelope], list_id: str, until: datetime, offer: str, offer_cost: Decimal,
    contact_cost: Callable[[Channel], Decimal],
) -> Came:  # fmt: skip
    """Out of a member's events since the list was built and before `until`, in order.

    A try or presentation is this list's where its campaign is the list, or one that they were enrolled in for it; so is
    an answer to such a presentation, or to the list's offer where nobody told of the presentation. Whoever was put the
    offer or answered was reached; who accepted once has accepted, whatever else they said.
    """
    told = [e.event for e in events if e.occurred_at < until]
    ours = {list_id} | {e.campaign for e in told if isinstance(e, EnrolmentStarted) and e.list_id == list_id}
    tries = {e.attempt_id: e for e in told if isinstance(e, AttemptMade) and e.campaign in ours}
    made = {e.presentation_id: e for e in told if isinstance(e, PresentationMade)}
    shown = {one: e for one, e in made.items() if e.campaign in ours}
    outcomes = [e.outcome for e in told if isinstance(e, AttemptAnswered) and e.attempt_id in tries]
    answers = [
        e.answer for e in told
        if isinstance(e, PresentationAnswered)
        and (e.presentation_id in shown or (e.offer == offer and e.presentation_id not in made))
    ]  # fmt: skip
    accepted = "accepted" in answers
    alone = [
        one.channel for one in shown.values() if not tries
    ]  # a presentation within a try costs no contact more
    costs = [contact_cost(channel) for channel in (*(one.channel for one in tries.values()), *alone)]
    return Came(
        contacted=bool(tries or shown or answers),
        reached=bool(shown or answers) or bool({"reached", "refused"} & set(outcomes)),
        accepted=accepted, refused=not accepted and ("declined" in answers or "refused" in outcomes),
        spent=sum(costs, offer_cost if accepted else Decimal(0)),
    )  # fmt: skip

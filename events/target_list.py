"""Target lists: a rule's answer, frozen at a time."""

from events.envelope import Event
from events.registry import event
from events.vocabulary import Channel, Code, Count, Currency, Moment, Money, Name, Purpose, Share


@event("target_list.published", by="touchstone list build", category="target_list", key="list_id")
class TargetListPublished(Event):
    """A list was built and may be pulled. candidates = members + holdout + suppressed + beyond.

    `sha256` is over the canonical rows, those left out included; derived again as of `position`
    it gives the same bytes.
    """

    list_id: Name
    purpose: Purpose
    as_of: Moment
    position: Count
    definition: dict[str, str]
    artifact: Name
    holdout_seed: Name
    candidates: Count
    members: Count
    holdout: Count
    suppressed: Count
    beyond: Count
    sha256: Name


@event("target_list.approved", by="a second person", category="target_list", key="list_id")
class TargetListApproved(Event):
    """Somebody other than who asked for the list looked at it and approved it: it may be pulled now."""

    list_id: Name
    by: Name


@event("target_list.member_added", by="touchstone list build")
class TargetListMemberAdded(Event):
    """A customer is on a list: how high, why, with which offer, on which channel, when.

    The row is good from `window_from` until it expires at `window_until`. `contact_from` and `contact_until` are the
    first time in it that is allowed on the customer's own clock and calendar.
    """

    list_id: Name
    purpose: Purpose
    rank: Count
    probability: Share
    value: Money
    currency: Currency = ""
    because: tuple[Code, ...] = ()
    because_events: tuple[str, ...] = ()
    offer: Name
    channel: Channel
    window_from: Moment
    window_until: Moment
    contact_from: Moment | None = None
    contact_until: Moment | None = None

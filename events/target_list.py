"""Target lists: a rule's answer, frozen at a time."""

from events.envelope import Event
from events.registry import event
from events.vocabulary import Channel, Code, Count, Currency, Moment, Money, Name, Purpose, Share


@event("target_list.published", by="touchstone list build", category="target_list", key="list_id")
class TargetListPublished(Event):
    """A list was built and may be pulled. candidates = members + holdout + suppressed + beyond.

    It is the newest of its `series`, and `replaces` the one before it where that was still good.
    `sha256` is over the canonical rows, those left out included; derived again as of `position`
    it gives the same bytes.
    """

    list_id: Name
    purpose: Purpose
    series: Name
    replaces: Name | None = None
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
    series: Name
    purpose: Purpose
    rank: Count
    probability: Share
    value: Money
    effect: float | None = None
    currency: Currency = ""
    because: tuple[Code, ...] = ()
    because_events: tuple[str, ...] = ()
    offer: Name
    channel: Channel
    window_from: Moment
    window_until: Moment
    contact_from: Moment | None = None
    contact_until: Moment | None = None


@event("target_list.member_left", by="touchstone list build, touchstone list refresh")
class TargetListMemberLeft(Event):
    """A member must not be contacted for this list any more, by which rule: they said no, complained, are gone.

    `replaced_by`: the next list of the series is without them, and `rule` is what kept them out of it.
    """

    list_id: Name
    series: Name
    rule: Code
    replaced_by: Name | None = None


@event("target_list.member_returned", by="touchstone list refresh")
class TargetListMemberReturned(Event):
    """A member who had left may be contacted for this list again: what stood against it is over."""

    list_id: Name
    series: Name


@event("target_list.measured", by="touchstone list report", category="target_list", key="list_id")
class TargetListMeasured(Event):
    """What a list brought by `until`: everybody drawn for it against everybody held out, contacted or not.

    `kept` are the shares of both that stayed (or came back, for win-back); `effect` is their difference with its 95 %
    interval, and `smallest` the least true effect that so many would have shown in 80 of 100 draws. `earned` is money
    after all costs against contacting nobody, with its interval; `spent` is what contacts and offers have cost.
    """

    list_id: Name
    series: Name
    purpose: Purpose
    until: Moment
    drawn: Count
    held_out: Count
    contacted: Count
    reached: Count
    accepted: Count
    refused: Count
    kept_drawn: Share
    kept_held_out: Share
    effect: float
    effect_low: float
    effect_high: float
    smallest: float
    earned: Money
    earned_low: Money
    earned_high: Money
    spent: Money
    currency: Currency = ""

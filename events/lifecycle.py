"""Notifications of the derived life-cycle stage; published for others, folded by no view."""

from events.envelope import Event
from events.registry import event
from events.vocabulary import Code, Moment, Stage


@event("lifecycle.stage_changed", by="policy lifecycle")
class StageChanged(Event):
    """A customer's stage became another, by this rule and because of these events."""

    before: Stage | None
    after: Stage
    since: Moment
    rule: Code
    because: tuple[str, ...] = ()

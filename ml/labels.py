"""What the model foretells: did the customer leave in [as_of, as_of + horizon)?

An event exactly at `as_of` belongs to the label and to no feature. A label looks at what was known
before `data_end`, so that training again later on the same data says the same; it is None as long as
its window reaches beyond `data_end`, and for customers the question does not concern.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Literal

from events.envelope import Envelope
from events.holding import HoldingEnded, HoldingStarted, PurchaseRecorded, UsageRecorded

LabelKind = Literal["no_activity", "holding_ended"]


def active_within(history: Iterable[Envelope], as_of: datetime, days: int | None = None) -> bool:
    """Was a purchase or use in [as_of - days, as_of) known at `as_of`? At any time before, without `days`."""
    since = as_of - timedelta(days=days) if days is not None else None
    return any(
        isinstance(e.event, PurchaseRecorded | UsageRecorded)
        and e.known_at < as_of
        and e.occurred_at < as_of
        and (since is None or e.occurred_at >= since)
        for e in history
    )


def holds(history: Sequence[Envelope], as_of: datetime) -> bool:
    """Did the customer, as known at `as_of`, hold a product then?"""
    return bool(_open_holdings(history, as_of, known_before=as_of))


def no_activity(
    history: Sequence[Envelope], as_of: datetime, horizon_days: int, data_end: datetime
) -> bool | None:
    """True when a customer who once bought or used does neither for `horizon_days` from `as_of` on.

    None for those without a purchase or use before `as_of`, and while the window is not over.
    """
    end = as_of + timedelta(days=horizon_days)
    if end > data_end or not active_within(history, as_of):
        return None
    return not any(
        isinstance(e.event, PurchaseRecorded | UsageRecorded)
        and as_of <= e.occurred_at < end
        and e.known_at < data_end
        for e in history
    )


def holding_ended(
    history: Sequence[Envelope], as_of: datetime, horizon_days: int, data_end: datetime
) -> bool | None:
    """True when a customer with a holding at `as_of` has none left when `horizon_days` are over.

    Moving on to another holding is staying. None for those who held nothing at `as_of`, and while the
    window is not over.
    """
    end = as_of + timedelta(days=horizon_days)
    if end > data_end or not holds(history, as_of):
        return None
    return not _open_holdings(history, end, known_before=data_end)


def _open_holdings(history: Sequence[Envelope], at: datetime, known_before: datetime) -> set[str]:
    held: set[str] = set()
    for envelope in history:
        if envelope.occurred_at >= at or envelope.known_at >= known_before:
            continue
        match envelope.event:
            case HoldingStarted(holding_id=holding_id):
                held.add(holding_id)
            case HoldingEnded(holding_id=holding_id):
                held.discard(holding_id)
    return held


LABELS: dict[LabelKind, Callable[[Sequence[Envelope], datetime, int, datetime], bool | None]] = {
    "no_activity": no_activity,
    "holding_ended": holding_ended,
}

CONCERNS: dict[LabelKind, Callable[[Sequence[Envelope], datetime], bool]] = {
    "no_activity": active_within,
    "holding_ended": holds,
}
"""Whom a label says something about."""

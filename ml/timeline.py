"""A customer's history as plain numbers: taken out of the events once, cut at many moments.

Only a history with corrections is taken apart anew for each moment, as those known by then leave it.

Everything a feature may look at is here, and nothing later than the cut: a feature is handed a `Known`,
never the history itself.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from events.case import CaseImported, CaseOpened
from events.envelope import Envelope
from events.holding import CancelRequested, PurchaseRecorded, PurchaseReturned, UsageRecorded
from events.identity import CustomersMerged
from events.touch import TouchRecorded
from models.domain.history import CHANGING, effective

Histories = Mapping[str, Sequence[Envelope]]
"""Customer id → that customer's events as recorded, in the order of the fold.

Corrections and retractions are among them, not applied. Customers who are one today but were not always
have an entry each, with the merges in it; `absorbed` tells after which moment one of them is a customer no more.
"""

DAY = 86_400.0
"""Seconds in a day; moments are seconds since 1970, UTC, and a day is a UTC day."""

KINDS = ("purchases", "uses", "returns", "touches", "outreach", "unresolved", "complaints", "cancels")


def told(history: Sequence[Envelope], before: datetime | None = None) -> Sequence[Envelope]:
    """What the events say, with the corrections and retractions applied that were known before a moment.

    Without a moment, with all of them. Facts are not cut: those known only later may be among them.
    """
    if not _is_changed(history):
        return history
    return effective(
        e for e in history if before is None or e.known_at < before or not isinstance(e.event, CHANGING)
    )


def absorbed(customer: str, history: Iterable[Envelope]) -> datetime | None:
    """When this customer was known to be another, who has the events since then; None if never."""
    merges = (e for e in history if isinstance(e.event, CustomersMerged))
    return min((e.known_at for e in merges if e.event.absorbed == customer), default=None)


def person(customer: str, history: Iterable[Envelope]) -> str:
    """One name for all who turned out to be one customer; else the customer's own id."""
    merges = (e.event for e in history if isinstance(e.event, CustomersMerged))
    return min((one for merged in merges for one in (merged.survivor, merged.absorbed)), default=customer)


class Series:
    """One kind of event: its moments in order, each with an amount (money, or 1)."""

    __slots__ = ("amounts", "as_of", "times")

    def __init__(self, times: list[float], amounts: list[float], as_of: float) -> None:
        self.times, self.amounts, self.as_of = times, amounts, as_of

    def since(self, days: float) -> int:
        """Index of the first event in [as_of - days, as_of)."""
        return bisect_left(self.times, self.as_of - days * DAY)

    def count(self, days: float | None = None) -> float:
        """How many, in the last `days` or ever."""
        return float(len(self.times) - (self.since(days) if days else 0))

    def silence(self) -> float | None:
        """Days since the last one; None where there was none."""
        return (self.as_of - self.times[-1]) / DAY if self.times else None

    def distinct_days(self, days: float | None = None) -> list[int]:
        """The numbers of the distinct days it happened on, in order."""
        times = self.times[self.since(days) :] if days else self.times
        return sorted({int(time // DAY) for time in times})


class Known:
    """What could be known of one customer at a moment: each kind of event strictly before it."""

    __slots__ = ("active", "as_of", "days", "gaps", *KINDS)

    active: Series
    purchases: Series
    uses: Series
    returns: Series
    touches: Series
    outreach: Series
    unresolved: Series
    complaints: Series
    cancels: Series

    def __init__(self, as_of: float, series: Mapping[str, Series]) -> None:
        self.as_of = as_of
        for kind in KINDS:
            setattr(self, kind, series[kind])
        self.active = _merge(self.purchases, self.uses, as_of)
        self.days = self.active.distinct_days()
        self.gaps = [float(later - earlier) for earlier, later in zip(self.days, self.days[1:], strict=False)]

    def active_days(self, days: float) -> float:
        """Distinct days with a purchase or use in the last `days`."""
        start = self.active.since(days)
        if start == len(self.active.times):
            return 0.0
        return float(len(self.days) - bisect_left(self.days, int(self.active.times[start] // DAY)))


class Timeline:
    """One customer's events, sorted by kind, each with both clocks."""

    __slots__ = ("_kinds", "_raw")

    def __init__(self, history: Sequence[Envelope]) -> None:
        self._raw = history if _is_changed(history) else None
        self._kinds = _columns(history) if self._raw is None else {}

    def known(self, as_of: datetime) -> Known:
        """The history as it was known at `as_of`: occurred before it, and known before it."""
        moment = as_of.timestamp()
        kinds = self._kinds if self._raw is None else _columns(told(self._raw, as_of))
        return Known(moment, {kind: column.before(moment) for kind, column in kinds.items()})


class _Column:
    """The events of one kind by time, with the moments they became known where those are later."""

    __slots__ = ("amounts", "known", "times")

    def __init__(self, rows: list[tuple[float, float, float]]) -> None:
        rows.sort(key=lambda row: row[0])
        self.times = [time for time, _, _ in rows]
        self.amounts = [amount for _, _, amount in rows]
        self.known = [known for _, known, _ in rows] if any(known > time for time, known, _ in rows) else None

    def before(self, as_of: float) -> Series:
        end = bisect_left(self.times, as_of)
        times, amounts = self.times[:end], self.amounts[:end]
        if self.known is None:
            return Series(times, amounts, as_of)
        kept = [index for index in range(end) if self.known[index] < as_of]
        return Series([times[index] for index in kept], [amounts[index] for index in kept], as_of)


def _columns(history: Iterable[Envelope]) -> dict[str, _Column]:
    kinds: dict[str, list[tuple[float, float, float]]] = {kind: [] for kind in KINDS}
    for envelope in history:
        for kind, amount in _read(envelope.event):
            kinds[kind].append((envelope.occurred_at.timestamp(), envelope.known_at.timestamp(), amount))
    return {kind: _Column(rows) for kind, rows in kinds.items()}


def _is_changed(history: Iterable[Envelope]) -> bool:
    return not {type(envelope.event) for envelope in history}.isdisjoint(CHANGING)


def _merge(first: Series, second: Series, as_of: float) -> Series:
    if not second.times:
        return first
    times = sorted(first.times + second.times)
    return Series(times, [1.0] * len(times), as_of)


def _read(event: object) -> list[tuple[str, float]]:
    """Which kinds an event counts as, and with what amount."""
    match event:
        case PurchaseRecorded(amount=amount):
            return [("purchases", float(amount or 0))]
        case UsageRecorded(quantity=quantity):
            return [("uses", quantity)]
        case PurchaseReturned(amount=amount):
            return [("returns", float(amount or 0))]
        case TouchRecorded():
            return _read_touch(event)
        case CaseOpened(kind="complaint") | CaseImported(kind="complaint"):
            return [("complaints", 1.0)]
        case CancelRequested():
            return [("cancels", 1.0)]
    return []


def _read_touch(touch: TouchRecorded) -> list[tuple[str, float]]:
    """A touch the customer began may be unresolved, a complaint, or both; a test or phantom is nothing."""
    if touch.outside:
        return []
    if touch.direction == "outbound":
        return [("outreach", 1.0)]
    kinds = [("touches", 1.0)]
    if touch.outcome == "unresolved":
        kinds.append(("unresolved", 1.0))
    if any(_is_complaint(code) for code in (touch.reason or "", *touch.signals)):
        kinds.append(("complaints", 1.0))
    return kinds


def _is_complaint(code: str) -> bool:
    return code == "complaint" or code.startswith("complaint.")

"""The features: what could have been known of one customer at a moment, each defined here and only here.

A feature is cut on both clocks: it sees events that had occurred and were known strictly before `as_of`.
A window of n days is [as_of - n days, as_of). None means the question has no answer yet (no gap with a
single purchase), which is something else than 0.
"""

import math
import statistics
import sys
from collections.abc import Callable, Sequence
from datetime import datetime

from events.envelope import Envelope
from ml import timeline
from ml.definition import Feature, hash_of
from ml.timeline import DAY, Known, Series, Timeline

Features = dict[str, float | None]

WINDOWS = (30, 90, 180, 365)
PURCHASE = ("purchase.recorded",)
ACTIVITY = ("purchase.recorded", "usage.recorded")
TOUCH = ("touch.recorded",)
COMPLAINT = ("touch.recorded", "case.opened", "case.imported")


def _in_window(kind: str, days: int) -> Callable[[Known], float | None]:
    return lambda known: getattr(known, kind).count(days)


def _active_in_window(days: int) -> Callable[[Known], float | None]:
    return lambda known: known.active_days(days)


def _spent_in_window(days: int) -> Callable[[Known], float | None]:
    return lambda known: _total(known.purchases, days)


def _total(series: Series, days: float | None = None) -> float:
    return math.fsum(series.amounts[series.since(days) :] if days else series.amounts)


def _mean_purchase(known: Known) -> float | None:
    return _total(known.purchases) / len(known.purchases.times) if known.purchases.times else None


def _last_purchase(known: Known) -> float | None:
    return known.purchases.amounts[-1] if known.purchases.times else None


def _tenure(known: Known) -> float | None:
    return (known.as_of - known.active.times[0]) / DAY if known.active.times else None


def _usual_gap(known: Known) -> float | None:
    return statistics.median(known.gaps) if known.gaps else None


def _silence_in_gaps(known: Known) -> float | None:
    silence, gap = known.active.silence(), _usual_gap(known)
    return None if silence is None or gap is None else silence / gap


def _silent_share(known: Known) -> float | None:
    silence, tenure = known.active.silence(), _tenure(known)
    return None if silence is None or not tenure else silence / tenure


def _gap_trend(known: Known) -> float | None:
    gap = _usual_gap(known)
    return None if gap is None or len(known.gaps) < 2 else known.gaps[-1] / gap


def _pace(known: Known) -> float | None:
    tenure = _tenure(known)
    return None if not tenure else 30 * len(known.days) / max(tenure, 30.0)


def _returned_share(known: Known) -> float | None:
    spent, returned = _total(known.purchases), _total(known.returns)
    if returned == 0:
        return 0.0
    return returned / spent if spent > 0 else None


def _complaint_days(days: int) -> Callable[[Known], float | None]:
    return lambda known: float(len(known.complaints.distinct_days(days)))


FEATURES: tuple[Feature, ...] = (
    Feature(
        "days_since_purchase", "recency", "time since the last purchase", "days", PURCHASE,
        lambda known: known.purchases.silence(), "last purchase {} ago", "never bought",
    ),
    Feature(
        "days_since_use", "recency", "time since the last use", "days", ("usage.recorded",),
        lambda known: known.uses.silence(), "last use {} ago", "never used",
    ),
    Feature(
        "days_since_activity", "recency", "time since the last purchase or use", "days", ACTIVITY,
        lambda known: known.active.silence(), "last purchase or use {} ago", "never bought or used",
    ),
    Feature(
        "silent_share", "recency", "time since the last purchase or use ÷ time since the first", "share",
        ACTIVITY, _silent_share, "silent for {} of the time as a customer", "no time as a customer",
        skewed=False,
    ),
    *(
        Feature(
            f"active_days_{days}d", "frequency", f"distinct days with a purchase or use in {days} days",
            "days", ACTIVITY, _active_in_window(days), f"active on {{}} of the last {days}",
        )
        for days in WINDOWS
    ),
    Feature(
        "active_days", "frequency", "distinct days with a purchase or use, ever", "days", ACTIVITY,
        lambda known: float(len(known.days)), "active on {} in all",
    ),
    *(
        Feature(
            f"purchases_{days}d", "frequency", f"purchases in {days} days", "purchases", PURCHASE,
            _in_window("purchases", days), f"{{}} in the last {days} days",
        )
        for days in WINDOWS
    ),
    Feature(
        "purchases", "frequency", "purchases, ever", "purchases", PURCHASE,
        lambda known: known.purchases.count(), "{} in all",
    ),
    *(
        Feature(
            f"uses_{days}d", "frequency", f"recorded uses in {days} days", "uses", ("usage.recorded",),
            _in_window("uses", days), f"{{}} in the last {days} days",
        )
        for days in (30, 90)
    ),
    Feature(
        "active_days_a_month", "frequency", "distinct active days per 30 days of tenure (at least 30)",
        "rate", ACTIVITY, _pace, "active on {} days a month on average",
    ),
    Feature(
        "tenure_days", "tenure", "time since the first purchase or use", "days", ACTIVITY, _tenure,
        "customer for {}", "no purchase or use yet",
    ),
    *(
        Feature(
            f"spent_{days}d", "money", f"amount of the purchases in {days} days", "money", PURCHASE,
            _spent_in_window(days), f"{{}} spent in the last {days} days",
        )
        for days in WINDOWS
    ),
    Feature(
        "spent", "money", "amount of all purchases", "money", PURCHASE,
        lambda known: _total(known.purchases), "{} spent in all",
    ),
    Feature(
        "mean_purchase", "money", "mean amount of a purchase", "money", PURCHASE, _mean_purchase,
        "{} spent per purchase", "never bought",
    ),
    Feature(
        "last_purchase", "money", "amount of the last purchase", "money", PURCHASE, _last_purchase,
        "{} spent at the last purchase", "never bought",
    ),
    Feature(
        "usual_gap_days", "rhythm", "median gap between distinct active days", "days", ACTIVITY, _usual_gap,
        "usually active every {}", "only one active day",
    ),
    Feature(
        "silence_in_gaps", "rhythm", "time since the last purchase or use ÷ the customer's own median gap",
        "times", ACTIVITY, _silence_in_gaps, "silent for {} the own usual gap", "only one active day",
    ),
    Feature(
        "gap_trend", "rhythm", "last gap ÷ the customer's own median gap (two gaps or more)", "times",
        ACTIVITY, _gap_trend, "last gap {} the usual one", "fewer than two gaps",
    ),
    Feature(
        "returns_365d", "returns", "returns in 365 days", "returns", ("purchase.returned",),
        _in_window("returns", 365), "{} in the last 365 days",
    ),
    Feature(
        "returned_share", "returns", "amount returned ÷ amount bought, ever", "share",
        ("purchase.recorded", "purchase.returned"), _returned_share, "{} of the amount brought back",
        "nothing bought", skewed=False,
    ),
    Feature(
        "days_since_contact", "contact", "time since the customer last made contact", "days", TOUCH,
        lambda known: known.touches.silence(), "last contact {} ago", "never made contact",
    ),
    *(
        Feature(
            f"contacts_{days}d", "contact", f"touches the customer began in {days} days", "contacts", TOUCH,
            _in_window("touches", days), f"{{}} in the last {days} days",
        )
        for days in WINDOWS
    ),
    Feature(
        "outreach_90d", "contact", "touches the company began in 90 days", "contacts", TOUCH,
        _in_window("outreach", 90), "{} from us in the last 90 days",
    ),
    *(
        Feature(
            f"unresolved_{days}d", "leaving", f"touches left unresolved in {days} days", "contacts", TOUCH,
            _in_window("unresolved", days), f"{{}} left unresolved in the last {days} days",
        )
        for days in (90, 365)
    ),
    *(
        Feature(
            f"complaint_days_{days}d", "leaving", f"distinct days with a complaint in {days} days", "days",
            COMPLAINT, _complaint_days(days), f"complained on {{}} of the last {days}",
        )
        for days in (90, 365)
    ),
    *(
        Feature(
            f"cancel_requests_{days}d", "leaving", f"requests to cancel in {days} days", "requests",
            ("holding.cancel_requested",), _in_window("cancels", days),
            f"{{}} to cancel in the last {days} days",
        )
        for days in (90, 365)
    ),
)  # fmt: skip

NAMES: tuple[str, ...] = tuple(feature.name for feature in FEATURES)
BY_NAME: dict[str, Feature] = {feature.name: feature for feature in FEATURES}


def features(history: Sequence[Envelope], as_of: datetime) -> Features:
    """What we could have known about one customer at `as_of`, nothing later: name → value or None."""
    return values(Timeline(history), as_of)


def values(line: Timeline, as_of: datetime) -> Features:
    """The features of a timeline already extracted, for those who ask at several moments."""
    known = line.known(as_of)
    return {feature.name: feature.compute(known) for feature in FEATURES}


def definition_hash() -> str:
    """SHA-256 of what the features mean and how they are computed; comments and layout do not count."""
    return hash_of(FEATURES, code=(timeline, sys.modules[__name__]))

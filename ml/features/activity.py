"""How recently, how often and in which rhythm a customer buys and uses."""

import polars as pl

from ml.cut import within
from ml.definition import Feature

WINDOWS = (30, 90, 180, 365)
PURCHASE, USE = ("purchase.recorded",), ("usage.recorded",)
ACTIVITY = (*PURCHASE, *USE)
LOST_DAYS = 180
"""Longer without a purchase or use, and a customer is not active (DOMAIN's H)."""

_age = pl.col("age")
_last, _first = _age.filter(pl.col("is_active")).min(), _age.filter(pl.col("is_active")).max()
_gap = pl.col("gap").median()

FEATURES: tuple[Feature, ...] = (
    Feature(
        "days_since_purchase", "recency", "time since the last purchase", "days", PURCHASE, "events",
        _age.filter(pl.col("is_purchase")).min(), "last purchase {} ago", "never bought",
    ),
    Feature(
        "days_since_use", "recency", "time since the last use", "days", USE, "events",
        _age.filter(pl.col("is_use")).min(), "last use {} ago", "never used",
    ),
    Feature(
        "days_since_activity", "recency", "time since the last purchase or use", "days", ACTIVITY, "events",
        _last, "last purchase or use {} ago", "never bought or used",
    ),
    Feature(
        "silent_share", "recency", "time since the last purchase or use ÷ time since the first", "share", ACTIVITY,
        "events", pl.when(_first > 0).then(_last / _first), "silent for {} of the time as a customer",
        "no time as a customer", skewed=False,
    ),
    *(
        Feature(
            f"active_days_{days}d", "frequency", f"distinct days with a purchase or use in {days} days", "days",
            ACTIVITY, "days", within(days).sum(), f"active on {{}} of the last {days}", empty=0.0,
        )
        for days in WINDOWS
    ),
    Feature(
        "active_days", "frequency", "distinct days with a purchase or use, ever", "days", ACTIVITY, "days", pl.len(),
        "active on {} in all", empty=0.0,
    ),
    *(
        Feature(
            f"purchases_{days}d", "frequency", f"purchases in {days} days", "purchases", PURCHASE, "events",
            (pl.col("is_purchase") & within(days)).sum(), f"{{}} in the last {days} days", empty=0.0,
        )
        for days in WINDOWS
    ),
    Feature(
        "purchases", "frequency", "purchases, ever", "purchases", PURCHASE, "events", pl.col("is_purchase").sum(),
        "{} in all", empty=0.0,
    ),
    *(
        Feature(
            f"uses_{days}d", "frequency", f"recorded uses in {days} days", "uses", USE, "events",
            (pl.col("is_use") & within(days)).sum(), f"{{}} in the last {days} days", empty=0.0,
        )
        for days in (30, 90)
    ),
    Feature(
        "active_days_a_month", "frequency", "distinct active days per 30 days of tenure (at least 30)", "rate",
        ACTIVITY, "days", pl.when(_age.max() > 0).then(30 * pl.len() / pl.max_horizontal(_age.max(), 30.0)),
        "active on {} days a month on average",
    ),
    Feature(
        "tenure_days", "tenure", "time since the first purchase or use", "days", ACTIVITY, "events", _first,
        "customer for {}", "no purchase or use yet",
    ),
    Feature(
        "usual_gap_days", "rhythm", "median gap between distinct active days", "days", ACTIVITY, "days", _gap,
        "usually active every {}", "only one active day",
    ),
    Feature(
        "silence_in_gaps", "rhythm", "time since the last purchase or use ÷ the customer's own median gap", "times",
        ACTIVITY, "days", _age.min() / _gap, "silent for {} the own usual gap", "only one active day",
    ),
    Feature(
        "gap_trend", "rhythm", "last gap ÷ the customer's own median gap (two gaps or more)", "times", ACTIVITY,
        "days", pl.when(pl.col("gap").count() >= 2).then(pl.col("gap").last() / _gap), "last gap {} the usual one",
        "fewer than two gaps",
    ),
    Feature(
        "comebacks", "rhythm", f"gaps of more than {LOST_DAYS} days after which the customer came back", "times",
        ACTIVITY, "days", (pl.col("gap") > LOST_DAYS).sum(), "came back {} after a long silence", empty=0.0,
    ),
)  # fmt: skip

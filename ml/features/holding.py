"""What a customer has: products, price, the contract's end, use of it, and whether the plan fits."""

import polars as pl

from ml.cut import within
from ml.definition import Feature
from ml.facts import DAY, EXACT

HOLDING = ("holding.started", "holding.changed", "holding.ended")
USE = ("usage.recorded",)
_open = pl.col("open")
_used = pl.col("is_use")


def _use(since: float, until: float = 0.0) -> pl.Expr:
    """The quantity used between so many days before the cut and so many."""
    return (
        pl.col("quantity_e4").filter(_used & (pl.col("age") <= since) & (pl.col("age") > until)).sum()
        / 10_000
    )


FEATURES: tuple[Feature, ...] = (
    Feature(
        "holdings", "holding", "products held", "holdings", HOLDING, "holdings", _open.sum(), "{} held", empty=0.0,
    ),
    Feature(
        "holdings_ended_365d", "holding", "holdings begun in 365 days that ended", "holdings", HOLDING, "holdings",
        (~_open & within(365)).sum(), "{} ended", empty=0.0,
    ),
    Feature(
        "monthly_price", "holding", "what the holdings cost a month", "money", HOLDING, "holdings",
        pl.col("price_e4").filter(_open).sum(), "{} a month", empty=0.0, per=EXACT,
    ),
    Feature(
        "price_rise", "holding", "price now ÷ price at the beginning, of what is held", "times", HOLDING, "holdings",
        pl.when(pl.col("first_price_e4").filter(_open).sum() > 0).then(
            pl.col("price_e4").filter(_open).sum() / pl.col("first_price_e4").filter(_open).sum()
        ),
        "pays {} the first price", "nothing held with a price",
    ),
    Feature(
        "holding_days", "tenure", "time since the oldest of the present holdings began", "days", HOLDING, "holdings",
        pl.col("age").filter(_open).max(), "holding for {}", "holds nothing",
    ),
    Feature(
        "days_to_contract_end", "holding", "time until the next contract ends; below 0 it has", "days", HOLDING,
        "holdings", pl.col("ends_in_s").filter(_open).min(), "contract ends in {}", "no contract's end known", per=DAY,
    ),
    Feature(
        "plan_changes", "holding", "times a holding was changed", "times", HOLDING, "holdings", pl.col("changes").sum(),
        "plan changed {}", empty=0.0,
    ),
    Feature(
        "use_30d", "use", "quantity used in 30 days, all services", "uses", USE, "events", _use(30),
        "{} in the last 30 days (quantity)", empty=0.0, per=EXACT,
    ),
    Feature(
        "use_trend", "use", "quantity used in 30 days ÷ that of the 30 days before", "times", USE, "events",
        pl.when(_use(60, 30) > 0).then(_use(30) / _use(60, 30)), "use {} that of the month before",
        "no use in the month before",
    ),
    Feature(
        "use_trend_90d", "use", "quantity used in 90 days ÷ that of the 90 days before", "times", USE, "events",
        pl.when(_use(180, 90) > 0).then(_use(90) / _use(180, 90)), "use {} that of the quarter before",
        "no use in the quarter before",
    ),
    Feature(
        "bill_over_plan", "use", "mean bill of 90 days ÷ last bill but the extremes: how far use leaves the plan",
        "times", ("bill.issued",), "bills",
        pl.when(pl.col("amount_e4").filter(within(365)).min() > 0).then(
            pl.col("amount_e4").filter(within(90)).mean() / pl.col("amount_e4").filter(within(365)).min()
        ),
        "bills {} the smallest of the year", "no bill in 90 days",
    ),
)  # fmt: skip

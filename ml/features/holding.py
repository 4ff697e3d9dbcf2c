"""What a customer has: products, price, the contract's end, use of it, and whether the plan fits."""

import polars as pl

from ml.cut import within
from ml.definition import Feature
from ml.facts import DAY, EXACT

HOLDING = ("holding.started", "holding.changed", "holding.ended")
USE = ("usage.recorded",)
_open = pl.col("open")
_used = pl.col("is_use")


UNITS = {
    "minutes": ("minute", "minutes", "min"), "data": ("GB", "MB", "gb", "mb"), "visits": ("visit", "visits", "session"),
}  # fmt: skip
"""Quantities of one kind are compared with each other, and with nothing else: minutes and gigabytes have no sum."""


def _use(units: tuple[str, ...], since: float, until: float = 0.0) -> pl.Expr:
    """The quantity used between so many days before the cut and so many."""
    span = within(since) & ~within(until) if until else within(since)
    return pl.col("quantity_e4").filter(_used & pl.col("unit").is_in(units) & span).sum()


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
        "holdings", pl.col("ends_in_s").filter(_open).min(), "contract ends in {}", "no contract's end known",
        below="contract ended {} ago", per=DAY,
    ),
    Feature(
        "plan_changes", "holding", "times a holding was changed", "times", HOLDING, "holdings", pl.col("changes").sum(),
        "plan changed {}", empty=0.0,
    ),
    *(
        Feature(
            f"use_{name}_30d", "use", f"{name} used in 30 days", "uses", USE, "events", _use(units, 30),
            f"{{}} ({name}) in the last 30 days", empty=0.0, per=EXACT,
        )
        for name, units in UNITS.items()
    ),
    *(
        Feature(
            f"use_{name}_trend_{days}d", "use", f"{name} used in {days} days ÷ those of the {days} days before",
            "times", USE, "events",
            pl.when(_use(units, 2 * days, days) > 0).then(_use(units, days) / _use(units, 2 * days, days)),
            f"{name} used {{}} those of the {days} days before", f"no {name} used in the {days} days before",
        )
        for name, units in UNITS.items()
        for days in (30, 90)
    ),
    Feature(
        "bill_over_plan", "use", "mean bill of 90 days ÷ the smallest of the year: how far use leaves the plan",
        "times", ("bill.issued",), "bills",
        pl.when(pl.col("amount_e4").filter(within(365)).min() > 0).then(
            pl.col("amount_e4").filter(within(90)).mean() / pl.col("amount_e4").filter(within(365)).min()
        ),
        "bills {} the smallest of the year", "no bill in 90 days",
    ),
)  # fmt: skip

"""What a contract brings: its money a month, for as long as it is expected to run.

BG/NBD is about customers who come and go unseen. One under a contract is billed whether they come or not, and their
leaving is seen. So what they will bring is

    money a month × the months that they are expected to stay within the horizon,

where they leave at an even rate: that of their last churn score, or else the rate at which others left in the last
year. With a chance p of leaving in h days, the chance to be there after t days is (1 - p) ** (t / h), and the time to
expect is its integral up to the horizon. The contract's own end is not looked at: most go on, and the score knows.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl

MONTH = 365.25 / 12
"""Days."""
YEAR = timedelta(days=365)
QUIET = timedelta(days=95)
"""A last bill no older than this makes a contract of whoever has no holding that we know of: a quarter and a bit."""
SHORTEST = timedelta(days=20)
"""Bills that lie no further apart than this do not say how often bills come."""
STARTED, CHANGED, ENDED, BILLED = "holding.started", "holding.changed", "holding.ended", "bill.issued"


@dataclass(frozen=True)
class Contracts:
    """Customers who are or were under a contract, in order of their id.

    `monthly` is money a month: what the bills of the last year come to, else the prices of what is held. `running`: is
    it now? `days`: how long it ran within the last year.
    """

    customers: pl.Series
    monthly: np.ndarray
    running: np.ndarray
    days: np.ndarray

    @property
    def leaving_a_day(self) -> float:
        """Share of those under a contract who leave it in a day, over the last year."""
        ended = (~self.running & (self.days > 0)).sum()
        return float(ended / self.days.sum()) if self.days.sum() > 0 else 0.0


def contracts(facts: pl.DataFrame, at: datetime, currency: str) -> Contracts:
    """All whose contract has a price, or is billed, in this currency. `facts` had happened and were known at `at`."""
    told = _held(facts, currency).join(
        _billed(facts, currency), on="customer", how="full", coalesce=True
    ).with_columns(
        monthly=pl.coalesce("a_month", pl.when(pl.col("price") > 0).then("price"), "a_bill"),
        running=pl.coalesce("open", pl.col("last_bill") > at - QUIET),
        since=pl.coalesce("started", "first_bill"),
        ended=pl.coalesce("over", "last_bill"),
    ).filter(pl.col("monthly") > 0).sort("customer")  # fmt: skip
    until = pl.when("running").then(pl.lit(at)).otherwise("ended")
    told = told.with_columns(
        days=(until - pl.max_horizontal("since", pl.lit(at - YEAR))).dt.total_microseconds() / (86_400 * 1e6)
    )
    return Contracts(
        customers=told["customer"],
        monthly=told["monthly"].to_numpy().astype(np.float64),
        running=told["running"].to_numpy().astype(bool),
        days=np.maximum(told["days"].to_numpy().astype(np.float64), 0.0),
    )


def staying(leaving_a_day: np.ndarray, horizon_days: float) -> tuple[np.ndarray, np.ndarray]:
    """Days that each is expected to stay within the horizon, and the chance that they are there at its end."""
    there = np.exp(-leaving_a_day * horizon_days)
    none = leaving_a_day * horizon_days < 1e-9
    days = np.divide(1 - there, leaving_a_day, out=np.full(len(there), float(horizon_days)), where=~none)
    return days, there


def leaving(probability: np.ndarray, horizon_days: np.ndarray) -> np.ndarray:
    """The even rate a day at which somebody leaves within so many days with this probability."""
    return -np.log1p(-np.minimum(probability, 1 - 1e-9)) / horizon_days


def _held(facts: pl.DataFrame, currency: str) -> pl.DataFrame:
    """By customer: is a holding open, prices of those that are (else of all), since when, and when the last ended."""
    kind, has_price = pl.col("type"), pl.col("price_e4").is_not_null()
    known = facts.filter(kind.is_in([STARTED, CHANGED, ENDED]) & pl.col("holding_id").is_not_null())
    each = known.group_by("customer", "holding_id", maintain_order=True).agg(
        open=(kind != ENDED).last(),
        price=pl.col("price_e4").filter(has_price).last() / 1e4,
        currency=pl.col("currency").filter(has_price & (pl.col("currency") != "")).last().fill_null(""),
        started=pl.col("occurred_at").min(),
        over=pl.col("occurred_at").filter(kind == ENDED).last(),
    )
    counts = pl.col("open") | ~pl.col("open").any().over("customer")
    own = pl.col("currency") == currency
    return (
        each.with_columns(counts=counts)
        .group_by("customer").agg(
            open=pl.col("open").any(), price=pl.col("price").filter(pl.col("counts") & own).sum(),
            started=pl.col("started").min(), over=pl.col("over").max(),
        )
    )  # fmt: skip


def _billed(facts: pl.DataFrame, currency: str) -> pl.DataFrame:
    """By customer: when the first and the last bill came, and what the bills of a year come to a month.

    A bill is for the time since the one before it: all bills but those of the first day, over the time between. One
    bill alone is taken for a month's.
    """
    bills = facts.filter(
        (pl.col("type") == BILLED)
        & (pl.col("currency").fill_null("") == currency)
        & pl.col("amount_e4").is_not_null()
    )
    at, day = pl.col("occurred_at"), pl.col("occurred_at").dt.date()
    recent = bills.filter(at > at.max().over("customer") - YEAR)
    span = at.max() - at.min()
    return bills.group_by("customer").agg(first_bill=at.min(), last_bill=at.max()).join(
        recent.group_by("customer").agg(
            a_month=pl.when(span >= SHORTEST).then(
                pl.col("amount_e4").filter(day > day.min()).sum() / 1e4 / (span.dt.total_seconds() / 86_400) * MONTH
            ),
            a_bill=pl.col("amount_e4").sum() / 1e4,
        ),
        on="customer", how="left",
    )  # fmt: skip

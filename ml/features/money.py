"""What a customer spends, brings back, and is billed."""

import polars as pl

from ml.cut import within
from ml.definition import Feature
from ml.facts import EXACT
from ml.features.activity import PURCHASE, WINDOWS

BILL = ("bill.issued",)
_bought = pl.col("is_purchase")


def _total(of: pl.Expr) -> pl.Expr:
    """The exact sum of amounts."""
    return pl.col("amount_e4").filter(of).sum()


_spent, _returned = _total(_bought), _total(pl.col("is_return"))

FEATURES: tuple[Feature, ...] = (
    *(
        Feature(
            f"spent_{days}d", "money", f"amount of the purchases in {days} days", "money", PURCHASE, "events",
            _total(_bought & within(days)), f"{{}} spent in the last {days} days", empty=0.0, per=EXACT,
        )
        for days in WINDOWS
    ),
    Feature(
        "spent", "money", "amount of all purchases", "money", PURCHASE, "events", _spent, "{} spent in all", empty=0.0,
        per=EXACT,
    ),
    Feature(
        "mean_purchase", "money", "mean amount of a purchase", "money", PURCHASE, "events",
        pl.when(_bought.any()).then(_spent / _bought.sum()), "{} spent per purchase", "never bought", per=EXACT,
    ),
    Feature(
        "last_purchase", "money", "amount of the last purchase", "money", PURCHASE, "events",
        pl.col("amount_e4").fill_null(0).filter(_bought).last(), "{} spent at the last purchase", "never bought",
        per=EXACT,
    ),
    Feature(
        "returns_365d", "returns", "returns in 365 days", "returns", ("purchase.returned",), "events",
        (pl.col("is_return") & within(365)).sum(), "{} in the last 365 days", empty=0.0,
    ),
    Feature(
        "returned_share", "returns", "amount returned ÷ amount bought, ever", "share",
        ("purchase.recorded", "purchase.returned"), "events",
        pl.when(_returned == 0).then(0.0).when(_spent > 0).then(_returned / _spent),
        "{} of the amount brought back", "nothing bought", empty=0.0, skewed=False,
    ),
    Feature(
        "last_bill", "bill", "amount of the last bill", "money", BILL, "bills", pl.col("amount_e4").last(),
        "last bill {}", "never billed", per=EXACT,
    ),
    Feature(
        "bill_jump", "bill", "last bill ÷ the one before it", "times", BILL, "bills",
        pl.when(pl.col("before_e4").last() > 0).then(pl.col("amount_e4").last() / pl.col("before_e4").last()),
        "last bill {} the one before", "fewer than two bills",
    ),
    Feature(
        "bill_trend", "bill", "mean bill of 90 days ÷ mean bill of the 365 days", "times", BILL, "bills",
        pl.col("amount_e4").filter(within(90)).mean() / pl.col("amount_e4").filter(within(365)).mean(),
        "bills {} those of the year", "no bill in 90 days",
    ),
    Feature(
        "bills_365d", "bill", "bills in 365 days", "bills", BILL, "bills", within(365).sum(),
        "{} in the last 365 days", empty=0.0,
    ),
    Feature(
        "late_bills_365d", "bill", "bills of 365 days that were paid late or are overdue", "bills",
        ("bill.issued", "bill.paid"), "bills", (pl.col("late") & within(365)).sum(),
        "{} paid late in the last 365 days", empty=0.0,
    ),
)  # fmt: skip

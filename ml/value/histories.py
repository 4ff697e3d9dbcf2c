"""What the models are asked from: one row a customer, summed up at a cut.

Purchases of one calendar day (UTC) are one purchase, as in the papers. A day whose money sums to nothing or less (a
gift, a return) is none: neither model can say anything of it.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from ml.value.refusals import ImpossibleHistory, NotFinite, SpendNotPositive, WrongShape


@dataclass(frozen=True)
class Histories:
    """When customers bought. All columns have one row a customer, in one order.

    `repeats`: purchases after the first (x of the papers). `last`: time from the first purchase to the last
    (t_x; 0 for whoever bought once). `age`: time from the first purchase to the cut (T). Times are in any one unit, the
    same for fitting and asking; `summarise` gives days.
    Raises WrongShape, NotFinite, ImpossibleHistory.
    """

    repeats: np.ndarray
    last: np.ndarray
    age: np.ndarray

    def __post_init__(self) -> None:
        columns = {"histories." + name: getattr(self, name) for name in ("repeats", "last", "age")}
        refuse_unequal(columns)
        x, last, age = columns.values()
        _refuse(x < 0, "histories.repeats", "a customer has fewer than no purchases after the first.")
        _refuse(x != np.floor(x), "histories.repeats", "a count of purchases is not whole.")
        _refuse(last < 0, "histories.last", "the last purchase lies before the first.")
        _refuse(last > age, "histories.last", "the last purchase lies after the cut.")
        _refuse((x == 0) & (last > 0), "histories.last", "one purchase alone cannot lie apart from itself.")

    def __len__(self) -> int:
        return len(self.age)

    def rows(self, which: np.ndarray) -> "Histories":
        """The customers at these places, or where `which` is true."""
        return Histories(self.repeats[which], self.last[which], self.age[which])


@dataclass(frozen=True)
class Spending:
    """What customers paid.

    `purchases`: the purchases that `mean` was taken over (x of the Gamma-Gamma paper), 0 where nothing is known of a
    customer. `mean`: money per purchase, in any one currency; ignored where `purchases` is 0.
    Raises WrongShape, NotFinite, ImpossibleHistory, SpendNotPositive.
    """

    purchases: np.ndarray
    mean: np.ndarray

    def __post_init__(self) -> None:
        refuse_unequal({"spending.purchases": self.purchases, "spending.mean": self.mean})
        _refuse(self.purchases < 0, "spending.purchases", "a count of purchases is negative.")
        at = np.flatnonzero((self.purchases > 0) & (self.mean <= 0))
        if len(at):
            raise SpendNotPositive(
                f"spending.mean[{at[0]}]", f"{len(at)} customers paid nothing or less per purchase."
            )

    def __len__(self) -> int:
        return len(self.mean)

    def rows(self, which: np.ndarray) -> "Spending":
        """The customers at these places, or where `which` is true."""
        return Spending(self.purchases[which], self.mean[which])


@dataclass(frozen=True)
class Summary:
    """Customers in order of their id, with what they did before a cut.

    `spending` is over all purchases, `after_first` over those after the first. `money` is all they paid less what came
    back. Fit on `after_first`, for a first purchase is often smaller or on offer; ask with `spending`, as for most
    customers the first purchase is all that says what they pay.
    """

    customers: pl.Series
    histories: Histories
    spending: Spending
    after_first: Spending
    money: np.ndarray


def summarise(purchases: pl.DataFrame, cut: datetime) -> Summary:
    """Everybody who bought before `cut`, times in whole days as the papers count them.

    `purchases` has a row a purchase: `customer`, `at` (Date, or Datetime; without a zone it is UTC), `money` (returns
    negative). A purchase at the cut itself is not seen. Age goes to the last day that was seen, so that whoever bought
    on it has a silence of 0. Raises NotFinite for money that is none.
    """
    days = _days(purchases, before=cut)
    last_seen = (_utc(cut) - timedelta(microseconds=1)).date()
    bought, paid = pl.col("money") >= 0, pl.col("money") > 0
    later = paid & (pl.col("day") > pl.col("first"))
    table = (
        days.with_columns(pl.col("day").filter(bought).min().over("customer").alias("first"))
        .filter(pl.col("first").is_not_null())
        .group_by("customer")
        .agg(
            bought.sum().cast(pl.Float64).alias("purchases"),
            pl.col("day").filter(bought).max().alias("last"),
            pl.col("first").first(),
            pl.col("money").sum(),
            *(_count(which).alias(name) for name, which in (("paid", paid), ("paid_later", later))),
            *(_mean(which).alias(name) for name, which in (("mean", paid), ("mean_later", later))),
        )
        .sort("customer")
    )
    since = {
        "last": (pl.col("last") - pl.col("first")).dt.total_days(),
        "age": (pl.lit(last_seen) - pl.col("first")).dt.total_days(),
    }
    table = table.with_columns(**{name: days.cast(pl.Float64) for name, days in since.items()})
    return Summary(
        customers=table["customer"],
        histories=Histories(_array(table["purchases"] - 1), _array(table["last"]), _array(table["age"])),
        spending=Spending(_array(table["paid"]), _array(table["mean"])),
        after_first=Spending(_array(table["paid_later"]), _array(table["mean_later"])),
        money=_array(table["money"]),
    )


def came(
    purchases: pl.DataFrame, customers: pl.Series, start: datetime, end: datetime
) -> tuple[np.ndarray, np.ndarray]:
    """Purchases, and money less returns, of these customers in [start, end), in their order."""
    window = _days(purchases, before=end, after=start).group_by("customer").agg(
        (pl.col("money") >= 0).sum().cast(pl.Float64).alias("bought"), pl.col("money").sum()
    )  # fmt: skip
    table = customers.to_frame("customer").join(window, on="customer", how="left", maintain_order="left")
    return _array(table["bought"].fill_null(0.0)), _array(table["money"].fill_null(0.0))


def refuse_unequal(columns: dict[str, np.ndarray]) -> None:
    """Raise WrongShape or NotFinite, naming the column and the first row."""
    lengths = {column.shape for column in columns.values()}
    if len(lengths) > 1 or any(len(shape) != 1 for shape in lengths):
        raise WrongShape("", f"{', '.join(columns)} must be columns of one length, a number a customer.")
    for name, column in columns.items():
        at = np.flatnonzero(~np.isfinite(column))
        if len(at):
            raise NotFinite(f"{name}[{at[0]}]", f"{len(at)} of {len(column)} are no finite numbers.")


def _refuse(wrong: np.ndarray, path: str, detail: str) -> None:
    at = np.flatnonzero(wrong)
    if len(at):
        raise ImpossibleHistory(f"{path}[{at[0]}]", detail)


def _count(which: pl.Expr) -> pl.Expr:
    return which.sum().cast(pl.Float64)


def _mean(which: pl.Expr) -> pl.Expr:
    return pl.col("money").filter(which).mean().fill_null(0.0)


def _array(column: pl.Series) -> np.ndarray:
    return column.to_numpy().astype(np.float64)


def _days(purchases: pl.DataFrame, *, before: datetime, after: datetime | None = None) -> pl.DataFrame:
    """A row for each customer and day in [after, before), with the day's money."""
    money = purchases["money"].cast(pl.Float64)
    wrong = int((~money.is_finite().fill_null(False)).sum())
    if wrong:
        raise NotFinite("purchases.money", f"{wrong} of {len(money)} are no finite numbers.")
    kind = purchases.schema["at"]
    if kind == pl.Date:
        at = pl.col("at").cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    elif isinstance(kind, pl.Datetime) and kind.time_zone is None:
        at = pl.col("at").dt.replace_time_zone("UTC")
    else:
        at = pl.col("at").dt.convert_time_zone("UTC")
    window = at < _utc(before)
    if after is not None:
        window &= at >= _utc(after)
    return (
        purchases.filter(window)
        .group_by("customer", at.dt.date().alias("day"))
        .agg(pl.col("money").cast(pl.Float64).sum())
    )


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)

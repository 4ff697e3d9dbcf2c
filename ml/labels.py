"""What a model foretells: did the customer leave in [cut, cut + horizon)?

An event exactly at the cut belongs to the label and to no feature. A label looks at what was known before `data_end`,
so that training again later on the same data says the same.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import polars as pl

from ml.cut import Cut

TREATING = ("retention", "win_back", "counter_poaching")
"""Purposes of offers that are made so that somebody stays or comes back."""


class Ahead:
    """What came of it: the facts of [cut, end), and how things stood at `end`, as known before `data_end`."""

    def __init__(self, facts: pl.DataFrame, cut: datetime, end: datetime, data_end: datetime) -> None:
        self._facts, self.cut, self.end, self._data_end = facts, cut, end, data_end

    @cached_property
    def at_end(self) -> Cut:
        """The tables of `ml.cut` at the end of the window, by what was known before `data_end`."""
        return Cut(self._facts, self.end, known=self._data_end)

    @cached_property
    def events(self) -> pl.DataFrame:
        """The events of the window, with the columns of `ml.cut`."""
        return self.at_end.events.filter(pl.col("occurred_at") >= self.cut)

    @cached_property
    def treated(self) -> pl.DataFrame:
        """Customers whom we tried to keep, or to win back, within the window: what they did is not theirs alone."""
        shown = pl.col("is_shown") & pl.col("purpose").is_in(TREATING)
        tried = (pl.col("is_attempt") | pl.col("is_outreach")) & pl.col("campaign").is_not_null()
        return self.events.filter(shown | tried | pl.col("is_saved")).select("customer").unique()


@dataclass(frozen=True)
class Label:
    """A question about the future. Both functions give a frame with the column `customer`.

    `concerns`: those about whom it says something at a cut. `left`: those who left, out of what came of it.
    `everyone`: the headline population are all whom it concerns, not only those who were active lately.
    """

    name: str
    meaning: str
    concerns: Callable[[Cut], pl.DataFrame]
    left: Callable[[Cut, Ahead], pl.DataFrame]
    everyone: bool = False


def once_active(cut: Cut) -> pl.DataFrame:
    """Those who ever bought or used before the cut."""
    return cut.events.filter(pl.col("is_active")).select("customer").unique()


def holders(cut: Cut) -> pl.DataFrame:
    """Those who hold a product at the cut."""
    return cut.table("holdings").filter(pl.col("open")).select("customer").unique()


def silent(cut: Cut, ahead: Ahead) -> pl.DataFrame:
    """Those who neither buy nor use anything in the window."""
    active = ahead.events.filter(pl.col("is_active")).select("customer")
    return once_active(cut).join(active, on="customer", how="anti")


def holds_nothing(cut: Cut, ahead: Ahead) -> pl.DataFrame:
    """Those who had a holding at the cut and have none at the end. Moving on to another holding is staying."""
    return holders(cut).join(holders(ahead.at_end), on="customer", how="anti")


LABELS: Mapping[str, Label] = {
    one.name: one
    for one in (
        Label("no_activity", "no purchase and no use within the horizon", once_active, silent),
        Label(
            "holding_ended",
            "the last holding ended within the horizon",
            holders,
            holds_nothing,
            everyone=True,
        ),
    )
}


def left(
    label: Label, facts: pl.DataFrame, cut: Cut, horizon_end: datetime, data_end: datetime
) -> pl.DataFrame:
    """Of everybody whom a label concerns: `left` (did they?) and `treated` (did we try to keep them?), by customer.

    Empty as long as the window reaches beyond `data_end`.
    """
    concerned = label.concerns(cut).unique()
    if horizon_end > data_end:
        concerned = concerned.clear()
    ahead = Ahead(facts, cut.at, horizon_end, data_end)
    gone = label.left(cut, ahead).select("customer").unique().with_columns(left=pl.lit(True))
    tried = ahead.treated.with_columns(treated=pl.lit(True))
    return (
        concerned.join(gone, on="customer", how="left").join(tried, on="customer", how="left")
        .with_columns(pl.col("left", "treated").fill_null(False)).sort("customer")
    )  # fmt: skip

"""Personas of a gift shop's customers: how firm the groups are, and what a refit would move."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
from sklearn.metrics import adjusted_rand_score

from bench.ml.line import Line
from ml import persona

END = datetime(2011, 12, 10, tzinfo=UTC)
EARLIER = END - timedelta(days=30)


def sales(data: Path) -> pl.DataFrame:
    """Invoice lines with a customer and a price, returns left out: customer, item, invoice, at, money."""
    return (
        pl.read_csv(
            data / "online_retail" / "online_retail.csv.gz",
            schema_overrides={"InvoiceNo": pl.String, "StockCode": pl.String},
        )
        .filter(
            pl.col("CustomerID").is_not_null()
            & ~pl.col("InvoiceNo").str.starts_with("C")
            & (pl.col("Quantity") > 0)
            & (pl.col("UnitPrice") > 0)
        )
        .select(
            customer=pl.col("CustomerID").cast(pl.Int64).cast(pl.String),
            item="StockCode",
            invoice="InvoiceNo",
            at=pl.col("InvoiceDate").str.to_datetime(time_zone="UTC"),
            money=pl.col("Quantity") * pl.col("UnitPrice"),
        )
    )


def run(data: Path) -> list[Line]:
    """A fit, the same read back, 30 days of life under a frozen fit, and a refit; `data` holds the sets."""
    sold = sales(data)
    now, then = _standing(sold, END), _standing(sold, EARLIER)
    began = time.perf_counter()
    fitted = persona.fit(_rows(now), seed=0)
    seconds = time.perf_counter() - began
    chosen = next(one for one in fitted.tried if one.groups == len(fitted.personas))
    read_back = msgspec.json.decode(msgspec.json.encode(fitted), type=persona.Personas)
    same = float((read_back.assign(_rows(now)) == fitted.assign(_rows(now))).mean())
    frozen = persona.fit(_rows(then), seed=0)
    both = then.join(now, on="customer", suffix="_now").sort("customer")
    was = frozen.assign(_rows(both))
    later = both.select("days_now", "purchases_now", "spend_now").to_numpy()
    is_now = frozen.assign(later)
    refitted = persona.refit(frozen, _rows(now), seed=0)
    again = persona.fit(_rows(now)[np.random.default_rng(1).permutation(len(now))], seed=0)
    return [
        Line("personas, silhouette", chosen.silhouette, reference=0.335, seconds=seconds),
        Line("personas", len(fitted.personas), must="4 or 5", holds=len(fitted.personas) in (4, 5)),
        Line(
            "personas, agreement of starts (ARI)", chosen.agreement, reference=0.94, must="≥ 0.94",
            holds=chosen.agreement >= 0.94,
        ),
        Line("personas, customers the same after JSON", same, must="= 1", holds=same == 1),
        Line("personas, rows in another order", float(again == fitted), must="= 1", holds=again == fitted),
        Line("personas frozen, customers who change in 30 days", float((was != is_now).mean()), reference=0.31),
        Line("personas refitted after 30 days, customers moved", refitted.moved),
        Line("personas refitted after 30 days, same customers by both (ARI)", refitted.agreement),
        Line(
            "personas fitted anew each month, this month's beside last month's (ARI)",
            float(adjusted_rand_score(was, refitted.personas.assign(later))), reference=0.375,
        ),
    ]  # fmt: skip


def _standing(sold: pl.DataFrame, at: datetime) -> pl.DataFrame:
    """Each customer's whole days since the last purchase, purchases and money spent, as known at a moment."""
    return (
        sold.filter(pl.col("at") < at)
        .group_by("customer")
        .agg(
            days=(pl.lit(at) - pl.col("at").max()).dt.total_days(),
            purchases=pl.col("invoice").n_unique(),
            spend=pl.col("money").sum().round(2),
        )
        .sort("customer")
    )


def _rows(standing: pl.DataFrame) -> np.ndarray:
    return standing.select("days", "purchases", "spend").to_numpy()

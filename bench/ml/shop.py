"""The invoices of a gift shop as events, and what our own features and labels make of them."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl

from events.envelope import Envelope
from events.holding import PurchaseRecorded, PurchaseReturned
from ml.dataset import Dataset, build
from ml.facts import facts, frame, owned
from ml.histories import MERGES, Histories
from ml.training import ChurnSpec

JUDGE, HORIZON = datetime(2011, 9, 10, tzinfo=UTC), 90
SPEC = ChurnSpec(
    data_start=datetime(2010, 12, 1, tzinfo=UTC), data_end=datetime(2011, 12, 10, tzinfo=UTC),
    train_cuts=tuple(JUDGE - timedelta(days=HORIZON + step) for step in (60, 30, 0)), judge_cut=JUDGE,
    horizon_days=HORIZON, population_days=180,
)  # fmt: skip
FILE = "online_retail/online_retail.csv.gz"


def rows(data: Path) -> Dataset:
    """Every customer at the three earlier cuts and the judge's: no purchase in the 90 days after it?"""
    told = facts(owned(frame(_events(data)).lazy()).collect())
    histories = Histories(lambda: iter([told]), pl.DataFrame(schema=MERGES))
    return build(
        histories, (*SPEC.train_cuts, SPEC.judge_cut), label=SPEC.label, horizon_days=SPEC.horizon_days,
        population_days=SPEC.population_days, data_end=SPEC.data_end,
    )  # fmt: skip


def _events(data: Path) -> Iterator[tuple[str, Envelope]]:
    """A purchase or return for each line of an invoice that names a customer; the clock is London's."""
    told = pl.read_csv(data / FILE, schema_overrides={"InvoiceNo": pl.String, "StockCode": pl.String})
    told = told.filter(
        pl.col("CustomerID").is_not_null() & (pl.col("Quantity") != 0) & (pl.col("UnitPrice") >= 0)
    )
    at = (
        pl.col("InvoiceDate")
        .str.to_datetime()
        .dt.replace_time_zone("Europe/London")
        .dt.convert_time_zone("UTC")
    )
    lines = told.select(
        customer=pl.col("CustomerID").cast(pl.Int64).cast(pl.String), at=at, quantity="Quantity",
        amount=(pl.col("Quantity").abs() * pl.col("UnitPrice")).round(2), invoice="InvoiceNo",
    )  # fmt: skip
    for number, (customer, moment, quantity, amount, invoice) in enumerate(lines.iter_rows()):
        act = PurchaseRecorded if quantity > 0 else PurchaseReturned
        event = act(quantity=abs(quantity), amount=Decimal(str(amount)), order_id=invoice)
        yield (
            customer,
            Envelope(
                event=event, event_id=str(number), position=number, occurred_at=moment, known_at=moment,
                recorded_at=moment, source="shop", source_id=str(number),
            ),
        )  # fmt: skip

"""How long five million events take to become 600,000 rows of every feature, and how much memory."""

import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from bench.ml.child import PEAK, measured
from bench.ml.line import Line
from ml.dataset import build
from ml.facts import schema
from ml.histories import MERGES, WHOSE, Histories

EVENTS, EACH, PART = 5_000_000, 50, 100_000
"""Events, events of one customer, events in a file."""
BEGIN, END = datetime(2024, 1, 1, tzinfo=UTC), datetime(2025, 12, 1, tzinfo=UTC)
CUTS = tuple(datetime(2025, month, 1, tzinfo=UTC) for month in range(1, 7))
HORIZON = 90
LIMIT = 60.0
WEIGHTS = {
    "usage.recorded": 34, "touch.recorded": 22, "bill.issued": 14, "purchase.recorded": 12, "presentation.made": 4,
    "presentation.answered": 3, "attempt.made": 3, "survey.answered": 2, "purchase.returned": 1, "case.opened": 1,
    "case.closed": 1, "holding.started": 1, "holding.changed": 1, "holding.cancel_requested": 1,
}  # fmt: skip
"""How often an event is of each type."""


def run(data: Path, events: int = EVENTS) -> list[Line]:
    """Seconds and memory; the events are drawn, so `data` is not looked at."""
    with tempfile.TemporaryDirectory() as folder:
        export(Path(folder), events)
        found = measured(__name__, folder)
    customers, seconds = events // EACH, found["seconds"]
    wanted = customers * len(CUTS)
    name = f"{events:,} events to {wanted:,} rows × {found['columns']:.0f} features"
    good = seconds < LIMIT and found["rows"] == wanted
    return [
        Line(
            f"{name}: seconds", seconds, must=f"< {LIMIT:.0f}, every customer at every cut", holds=good,
            seconds=seconds,
        ),
        Line(f"{name}: most memory (GB)", found[PEAK]),
    ]  # fmt: skip


def measure(folder: str) -> dict[str, float]:
    """From the files to rows in memory, features and labels."""
    began = time.perf_counter()
    found = build(
        Histories.exported(Path(folder)), CUTS, label="no_activity", horizon_days=HORIZON, population_days=180,
        data_end=END,
    )  # fmt: skip
    seconds = time.perf_counter() - began
    return {"seconds": seconds, "rows": len(found), "columns": len(found.names)}


def export(folder: Path, events: int) -> None:
    """An export of a journal in the order of time, in which every customer buys something first."""
    random = np.random.default_rng(1)
    customers = events // EACH
    keys = pl.Series([random.bytes(32).hex() for _ in range(customers)])
    (folder / "events").mkdir()
    step = (END - BEGIN) / events
    for first in range(0, events, PART):
        count = min(PART, events - first)
        place = np.arange(first, first + count)
        whose = np.where(place < customers, place, random.integers(0, customers, count))
        kind = random.choice(list(WEIGHTS), count, p=np.array(list(WEIGHTS.values())) / sum(WEIGHTS.values()))
        kind = np.where(place < customers, "purchase.recorded", kind)
        told = _told(place, keys[whose], kind, BEGIN + first * step, step, random)
        path = folder / "events" / f"{first + 1:012}-{first + count:012}.parquet"
        told.sort("customer", "occurred_at", "stream", "revision", "position").write_parquet(
            path, compression="zstd", row_group_size=20_000
        )
    pl.DataFrame(schema=WHOSE).write_parquet(folder / "whose.parquet")
    pl.DataFrame(schema=MERGES).write_parquet(folder / "merges.parquet")


def _told(
    place: np.ndarray, customer: pl.Series, kind: np.ndarray, begin: datetime, step: timedelta,
    random: np.random.Generator,
) -> pl.DataFrame:  # fmt: skip
    """Rows with the columns that their types fill; all others are empty, as in an export."""
    count, named = len(place), pl.col("type")

    def only(prefixes: tuple[str, ...], values: np.ndarray) -> pl.Expr:
        of_them = pl.any_horizontal(named.str.starts_with(one) for one in prefixes)
        return pl.when(of_them).then(pl.lit(pl.Series(values)))

    def one_of(*words: str) -> np.ndarray:
        return random.choice(np.array(words), count)

    step_us = step / timedelta(microseconds=1)
    at = pl.Series(
        np.datetime64(begin.replace(tzinfo=None), "us") + (np.arange(count) * step_us).astype("m8[us]")
    )
    money, seconds = random.lognormal(3, 1, count).round(2), random.exponential(120, count).round(1)
    holding = np.char.add(place.astype(str), "-h")
    base = pl.DataFrame(
        {"customer": customer, "type": kind, "position": place, "occurred_at": at.dt.replace_time_zone("UTC")}
    )
    stamp = base.with_columns(
        event_id=pl.format("00000000-0000-7000-8000-{}", pl.col("position").cast(pl.String).str.zfill(12)),
        known_at=pl.col("occurred_at"), recorded_at=pl.col("occurred_at"), stream=pl.lit(""),
        revision=pl.lit(0, dtype=pl.Int64), source=pl.lit("bench"), origin=pl.lit("live"),
        amount=only(("purchase.", "bill."), money), price=only(("holding.started", "holding.changed"), money),
        quantity=only(("usage.", "purchase."), random.poisson(3, count) + 1.0),
        wait_seconds=only(("touch.",), seconds), talk_seconds=only(("touch.",), seconds[::-1].copy()),
        channel=only(("touch.",), one_of("voice", "voice", "voice", "chat", "store", "sms")),
        direction=only(("touch.",), one_of("inbound", "inbound", "inbound", "outbound")),
        reason=only(("touch.",), one_of("billing.dispute", "fault.line", "price.too_high", "complaint.service")),
        outcome=only(("touch.",), one_of("resolved", "resolved", "unresolved", "abandoned")),
        campaign=only(("presentation.", "attempt."), one_of("spring", "autumn")),
        purpose=only(("presentation.made",), one_of("retention", "cross_sell", "upsell")),
        answer=only(("presentation.answered",), one_of("accepted", "refused", "later")),
        score=only(("survey.",), random.integers(1, 6, count).astype(float)),
        scale=only(("survey.",), np.full(count, 5.0)), kind=only(("case.opened",), one_of("complaint", "request")),
        case_id=only(("case.",), np.char.add((place // 3).astype(str), "-c")), bill_id=only(("bill.",), holding),
        holding_id=only(("holding.",), holding), product=only(("holding.", "purchase."), one_of("s", "m", "l")),
        ends_at=pl.when(named == "holding.started").then(pl.col("occurred_at") + pl.duration(days=365)),
    )  # fmt: skip
    whole = schema()
    missing = [
        pl.lit(None, dtype=kind).alias(name) for name, kind in whole.items() if name not in stamp.columns
    ]
    return stamp.with_columns(missing).select(pl.col(name).cast(kind) for name, kind in whole.items())

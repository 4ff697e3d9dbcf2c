"""How long it takes to rank a million customers out of a ready table, with reasons for those who may enter a list."""

import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

from bench.ml.child import PEAK, measured
from bench.ml.line import Line
from ml.dataset import Dataset
from ml.definition import Feature
from ml.features.catalogue import FEATURES, NAMES
from ml.model import CANDIDATES, fit
from ml.scoring import ranked

CUSTOMERS, EXPLAINED, TAUGHT = 1_000_000, 50_000, 20_000
LIMIT = 300.0
UNKNOWN = 0.15
"""Share of customers for whom a question that may have no answer has none."""
KINDS = ("logistic", "boosting")


def run(data: Path, customers: int = CUSTOMERS, explained: int = EXPLAINED) -> list[Line]:
    """Seconds and memory of both models; the table is drawn, so `data` is not looked at."""
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        table(customers, seed=1).write_parquet(Path(folder) / "table.parquet")
        table(TAUGHT, seed=2).write_parquet(Path(folder) / "taught.parquet")
        for kind in KINDS:
            found = measured(__name__, folder, kind, str(explained))
            seconds, all_told = found["seconds"], int(found["ranked"]) == customers
            name = f"{customers:,} customers ranked, reasons for {explained:,}, {kind}"
            good = seconds < LIMIT and all_told and int(found["explained"]) == explained
            lines += [
                Line(
                    f"{name}: seconds",
                    seconds,
                    must=f"< {LIMIT:.0f}, nobody left out",
                    holds=good,
                    seconds=seconds,
                ),
                Line(f"{name}: most memory (GB)", found[PEAK]),
            ]
    return lines


def measure(folder: str, kind: str, explained: str) -> dict[str, float]:
    """From the stored table to ranked scores; the model is fitted before the clock starts."""
    model = fit(
        next(one for one in CANDIDATES if one.name == kind), _taught(Path(folder) / "taught.parquet"), seed=0
    )
    began = time.perf_counter()
    scores = ranked(model, pl.read_parquet(Path(folder) / "table.parquet"), explained=int(explained))
    seconds = time.perf_counter() - began
    return {
        "seconds": seconds,
        "ranked": len(scores),
        "explained": sum(bool(one.reasons) for one in scores[: int(explained)]),
    }


def table(customers: int, seed: int) -> pl.DataFrame:
    """Customers drawn column by column, in the shape of each question's unit; no two are alike."""
    random = np.random.default_rng(seed)
    told = pl.DataFrame({one.name: _drawn(one, customers, random) for one in FEATURES}).fill_nan(None)
    return told.with_columns(
        customer=pl.int_range(customers).cast(pl.String), first=pl.int_range(customers, dtype=pl.Int64)
    )


def _drawn(one: Feature, customers: int, random: np.random.Generator) -> np.ndarray:
    match one.unit:
        case "days" | "seconds":
            drawn = random.exponential(90, customers)
        case "money":
            drawn = random.lognormal(3, 1, customers).round(2)
        case "share":
            drawn = random.uniform(0, 1, customers)
        case "times" | "rate" | "points":
            drawn = random.lognormal(0, 0.5, customers)
        case _:
            drawn = random.poisson(1.5, customers).astype(float)
    if one.empty is None:
        drawn[random.random(customers) < UNKNOWN] = np.nan
    return drawn


def _taught(path: Path) -> Dataset:
    """Customers who leave the likelier, the longer they are silent and the more was left unresolved."""
    rows, random = pl.read_parquet(path), np.random.default_rng(3)
    features = np.ascontiguousarray(rows.select(NAMES).fill_null(float("nan")).to_numpy())
    silence, unresolved, bought = (
        np.nan_to_num(features[:, NAMES.index(name)])
        for name in ("days_since_activity", "unresolved_90d", "purchases_90d")
    )
    odds = 0.01 * silence + 0.4 * unresolved - 0.3 * bought - 1
    count, one = len(rows), np.ones(len(rows), dtype=bool)
    return Dataset(
        names=NAMES, customers=rows["customer"].to_numpy().astype(object),
        cuts=np.full(count, np.datetime64("2024-01-01", "us")), features=features,
        labels=(random.random(count) < 1 / (1 + np.exp(-odds))).astype(np.int8), active=one, treated=~one,
        persons=np.arange(count),
    )  # fmt: skip

"""Customer value on CDNOW: fitted on weeks 1 to 39, judged on weeks 40 to 78."""

import gzip
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

from bench.ml.line import Line
from ml.value import boosting, money
from ml.value.histories import Summary, came, summarise
from ml.value.judging import ZERO, Figure, Judgement, judge

CUT, END = datetime(1997, 10, 1, tzinfo=UTC), datetime(1998, 7, 1, tzinfo=UTC)
HORIZON = float((END - CUT).days)
SEED = 7
PAPERS, PAST, BOOSTED = "BG/NBD + Gamma-Gamma", "own past rate", "boosting, 5 folds of the judged window"

# Measured before on the same weeks: r, total foretold ÷ true, part in the top tenth, mean error.
PURCHASES = {
    PAPERS: (0.669, 0.857, None, 0.819),
    PAST: (0.651, 1.47, None, 1.038),
    BOOSTED: (0.617, 1.002, None, 0.870),
}
MONEY = {
    PAPERS: (0.669, 0.827, 0.516, 32.68),
    PAST: (0.580, 2.66, 0.499, 71.4),
    BOOSTED: (0.569, 1.00, 0.524, 36.0),
}
NOTHING = {"purchases": (None, 0.0, 0.1, 0.835), "money": (None, 0.0, 0.1, 32.96)}


def run(data: Path) -> list[Line]:
    """Every figure of purchases and money, the papers' models beside what is to be beaten.

    `data` is the folder that holds `cdnow`. Boosting is shown as if an older cohort existed, by folds over the judged
    window itself; on CDNOW there is none, so it could not be used.
    """
    bought_rows = _read(data / "cdnow" / "CDNOW_master.txt.gz")
    started = time.perf_counter()
    summary = summarise(bought_rows, CUT)
    model = money.fit(summary)
    purchases = model.purchases.expected(summary.histories, HORIZON)
    worth = model.expected_money(summary.histories, summary.spending, HORIZON)
    fitted = time.perf_counter() - started
    bought, paid = came(bought_rows, summary.customers, CUT, END)
    started = time.perf_counter()
    boosted = boosting.out_of_fold(_features(summary), bought, paid, seed=SEED)
    seconds = {PAPERS: fitted, BOOSTED: time.perf_counter() - started}
    foretold = {
        "purchases": {
            PAPERS: purchases, PAST: money.past_purchases(summary.histories, HORIZON), BOOSTED: boosted[0],
        },
        "money": {PAPERS: worth, PAST: money.past_money(summary, HORIZON), BOOSTED: boosted[1]},
    }  # fmt: skip
    return [
        line
        for what, true, before in (("purchases", bought, PURCHASES), ("money", paid, MONEY))
        for judgement in judge(true, foretold[what], seed=SEED)
        for line in _lines(
            what,
            judgement,
            {**before, ZERO: NOTHING[what]}[judgement.model],
            seconds.get(judgement.model, 0.0),
        )
    ]


def _lines(what: str, judgement: Judgement, before: tuple[float | None, ...], seconds: float) -> list[Line]:
    far = 0.15 if what == "purchases" else 0.20
    asked: tuple[tuple[str, Figure | None, float | None, str, bool], ...] = (
        ("r", judgement.correlation, before[0], "≥ .67 (two decimals)", _rounded(judgement.correlation) >= 0.67),
        ("rank correlation", judgement.rank_correlation, None, "", True),
        (
            "total ÷ true", judgement.total, before[1],
            f"within {far:.0%} of 1", abs(judgement.total.value - 1) <= far,
        ),
        ("part in the top tenth", judgement.top_tenth, before[2], "", True),
        ("mean error", judgement.mean_error, before[3], "", True),
    )  # fmt: skip
    return [
        Line(
            name=f"CDNOW {what}, {judgement.model}: {name}",
            value=figure.value,
            low=figure.low,
            high=figure.high,
            reference=reference,
            must=must if judgement.model == PAPERS else "",
            holds=good if must and judgement.model == PAPERS else None,
            seconds=seconds,
        )
        for name, figure, reference, must, good in asked
        if figure is not None
    ]


def _rounded(figure: Figure | None) -> float:
    return round(figure.value, 2) if figure else 0.0


def _features(summary: Summary) -> np.ndarray:
    histories = summary.histories
    silence = histories.age - histories.last
    return np.column_stack(
        [histories.repeats, histories.last, histories.age, silence, summary.spending.mean, summary.money]
    )


def _read(path: Path) -> pl.DataFrame:
    """A purchase a row; the columns are apart by spaces of any number."""
    with gzip.open(path, "rt") as file:
        rows = [line.split() for line in file]
    return pl.DataFrame(
        {
            "customer": [row[0] for row in rows],
            "at": [row[1] for row in rows],
            "money": [float(row[3]) for row in rows],
        }
    ).with_columns(pl.col("at").str.to_date("%Y%m%d"))

"""Three plain tables of customers with an answer beside them, as rows that our candidates take."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from ml.dataset import Dataset
from ml.definition import Feature


@dataclass(frozen=True)
class Plain:
    """Rows with the names of their columns, and the column that alone is the thing to beat.

    `alone` ranks as it stands: the higher, the likelier. `questions` describe the columns to `ml.model`.
    """

    rows: Dataset
    questions: tuple[Feature, ...]
    alone: np.ndarray

    def some(self, places: np.ndarray) -> Dataset:
        """The rows at these places."""
        mask = np.zeros(len(self.rows), dtype=bool)
        mask[places] = True
        return self.rows.where(mask)


def telco(data: Path) -> Plain:
    """Subscribers; who left? A customer of no months has paid nothing yet: blank is 0."""
    told = pl.read_csv(data / TELCO, infer_schema_length=None)
    paid = (
        pl.col("TotalCharges").cast(pl.String).str.strip_chars().cast(pl.Float64, strict=False).fill_null(0)
    )
    known = told.drop("customerID", "Churn").with_columns(paid)
    return _plain(known, told["Churn"] == "Yes", -told["tenure"].to_numpy().astype(float))


def iranian(data: Path) -> Plain:
    """Subscribers; who left? A tenth of the file repeats other rows, which would teach and judge at once: removed."""
    told = pl.read_csv(data / IRANIAN, infer_schema_length=None).unique(maintain_order=True)
    return _plain(told.drop("Churn"), told["Churn"] == 1, -told["Frequency of use"].to_numpy().astype(float))


def telemarketing(data: Path) -> Plain:
    """Calls in the order of time; who bought? How long a call lasted is known only after it: left out."""
    told = pl.read_csv(data / TELEMARKETING, separator=";", infer_schema_length=None)
    return _plain(told.drop("y", "duration"), told["y"] == "yes", -told["euribor3m"].to_numpy())


def _plain(known: pl.DataFrame, left: pl.Series, alone: np.ndarray) -> Plain:
    """Words become a column each of 0 and 1; numbers stay, and are skewed, as counts, money and days are."""
    table = known.to_dummies([name for name, kind in known.schema.items() if kind == pl.String])
    count, one = len(table), np.ones(len(table), dtype=bool)
    rows = Dataset(
        names=tuple(table.columns), customers=np.arange(count).astype(object),
        cuts=np.full(count, np.datetime64("2000-01-01", "us")), features=table.to_numpy().astype(float),
        labels=left.to_numpy().astype(np.int8), active=one, treated=~one, persons=np.arange(count),
    )  # fmt: skip
    questions = tuple(
        Feature(name, "frequency", name, "times", (), "events", pl.len(), "{}") for name in rows.names
    )
    return Plain(rows, questions, alone)


TELCO = "telco_churn_ibm/telco.csv"
IRANIAN = "iranian_churn/iranian_churn.csv"
TELEMARKETING = "bank_telemarketing/bank-additional-full.csv.gz"

"""Rows for training and judging: one per customer and cut, in an order that no customer id decides.

Customer ids are random per installation. Rows are therefore ordered by what they say, so that the same events give the
same rows, the same digest and the same model anywhere.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from ml.cut import Cut
from ml.definition import Feature
from ml.features.catalogue import FEATURES
from ml.histories import Histories
from ml.labels import LABELS, Label, left
from ml.own import answers

Progress = Callable[[int], None]
SILENCE = "days_since_activity"


@dataclass(frozen=True)
class Dataset:
    """Rows of (customer, cut): features at the cut, label after it.

    `features` has one column per name in `names`, NaN for None. `labels` is 1 for a customer who left. `active` marks
    the headline population, `treated` those whom we tried to keep in the label's window. `persons` numbers the
    customers as they are known now, so that all rows of one can be kept together.
    """

    names: tuple[str, ...]
    customers: np.ndarray
    cuts: np.ndarray
    features: np.ndarray
    labels: np.ndarray
    active: np.ndarray
    treated: np.ndarray
    persons: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def at(self, cuts: Sequence[datetime]) -> "Dataset":
        """The rows of these cuts."""
        return self.where(np.isin(self.cuts, _stamps(cuts)))

    def where(self, mask: np.ndarray) -> "Dataset":
        """The rows where `mask` is true."""
        rows = np.flatnonzero(mask)
        own = {name: getattr(self, name)[rows] for name in self.__dataclass_fields__ if name != "names"}
        return replace(self, **own)

    def column(self, name: str) -> np.ndarray:
        """The values of one feature."""
        return self.features[:, self.names.index(name)]

    def frame(self) -> pl.DataFrame:
        """The rows as a polars frame: customer, cut, active, treated, left, then one column per feature."""
        told = {"customer": self.customers.astype(str), "cut": self.cuts, "active": self.active,
                "treated": self.treated, "left": self.labels == 1}  # fmt: skip
        columns = {name: self.features[:, i] for i, name in enumerate(self.names)}
        return pl.DataFrame(told | columns).with_columns(
            pl.col("cut").dt.replace_time_zone("UTC"), pl.col(self.names).fill_nan(None)
        )

    def digest(self) -> str:
        """SHA-256 of what the rows say, the same whatever the customers are called."""
        hashed = hashlib.sha256("\n".join(self.names).encode())
        for array in (self.cuts, self.features, self.labels, self.active, self.treated, self.persons):
            hashed.update(np.ascontiguousarray(array).tobytes())
        return hashed.hexdigest()


def build(
    histories: Histories, cuts: Sequence[datetime], *, label: str | Label, horizon_days: int, population_days: int,
    data_end: datetime, questions: Sequence[Feature] = FEATURES, progress: Progress | None = None,
) -> Dataset:  # fmt: skip
    """All customers the label concerns, at every cut, as known before `data_end` (exclusive).

    Features, and who is a customer of its own, go by the corrections and merges known before the cut, labels by those
    known before `data_end`: two who turned out to be one share their label. Active are those with a purchase or use
    within `population_days` before the cut; for a label about `everyone` all whom it concerns. Only one part of the
    histories is in memory at a time; `progress` hears of each, with the number of its facts.
    """
    asked = LABELS[label] if isinstance(label, str) else label
    rows: list[pl.DataFrame] = []
    for facts in histories.read():
        for at in sorted(cuts):
            rows.append(_rows(facts, at, histories, asked, timedelta(days=horizon_days), population_days, data_end,
                              questions))  # fmt: skip
        if progress:
            progress(len(facts))
    return _in_order(
        pl.concat(rows) if rows else _none(questions), histories, tuple(one.name for one in questions)
    )


def _rows(
    facts: pl.DataFrame, at: datetime, histories: Histories, label: Label, horizon: timedelta, population_days: int,
    data_end: datetime, questions: Sequence[Feature],
) -> pl.DataFrame:  # fmt: skip
    cut = Cut(facts, at)
    gone = [one for one, since in histories.absorbed.items() if since < at]
    found = left(label, facts, cut, at + horizon, data_end).filter(~pl.col("customer").is_in(gone))
    asked = answers(cut, questions)
    told = found.join(asked, on="customer", how="left", maintain_order="left")
    if SILENCE in asked.columns and not label.everyone:
        active = pl.col(SILENCE).fill_null(float("inf")) <= population_days
    else:
        active = pl.lit(True)
    stamp = pl.lit(at.astimezone(UTC)).cast(pl.Datetime("us", "UTC"))
    return told.select(
        "customer", "left", "treated", *(one.name for one in questions), cut=stamp, active=active
    )


def _none(questions: Sequence[Feature]) -> pl.DataFrame:
    return pl.DataFrame(
        schema={"customer": pl.String, "left": pl.Boolean, "treated": pl.Boolean}
        | {one.name: pl.Float64 for one in questions}
        | {"cut": pl.Datetime("us", "UTC"), "active": pl.Boolean}
    )


def _in_order(rows: pl.DataFrame, histories: Histories, names: tuple[str, ...]) -> Dataset:
    """Rows of one customer together, customers by what their rows say.

    Of customers who say the same, first the one whose other self says less; by id only those that nothing tells apart.
    """
    rows = rows.sort("customer", "cut")
    features = np.ascontiguousarray(rows.select(names).fill_null(float("nan")).to_numpy()) if len(rows) else (
        np.zeros((0, len(names))))  # fmt: skip
    customers = rows["customer"].to_numpy().astype(object)
    cuts = rows["cut"].dt.replace_time_zone(None).to_numpy()
    labels = rows["left"].to_numpy().astype(np.int8)
    active, treated = rows["active"].to_numpy().astype(bool), rows["treated"].to_numpy().astype(bool)
    starts = np.flatnonzero(np.concatenate([[True], customers[1:] != customers[:-1]])[: len(rows)]).tolist()
    ends = [*starts[1:], len(rows)] if starts else []
    said = {
        customers[a]: hashlib.sha256(b"".join(
            np.ascontiguousarray(one[a:b]).tobytes() for one in (cuts, features, labels, active, treated)
        )).digest()
        for a, b in zip(starts, ends, strict=True)
    }  # fmt: skip
    person = histories.persons(said)
    together: dict[str, list[bytes]] = {}
    for one, digest in said.items():
        together.setdefault(person[one], []).append(digest)
    places = {customers[a]: np.arange(a, b) for a, b in zip(starts, ends, strict=True)}
    ordered = sorted(said, key=lambda one: (said[one], sorted(together[person[one]]), one))
    index = np.concatenate([places[one] for one in ordered]) if ordered else np.zeros(0, dtype=int)
    numbers = _numbers(person[one] for one in ordered)
    persons = np.repeat(numbers, [len(places[one]) for one in ordered]) if ordered else np.zeros(0, dtype=int)
    return Dataset(
        names=names, customers=customers[index], cuts=cuts[index], features=features[index], labels=labels[index],
        active=active[index], treated=treated[index], persons=persons,
    )  # fmt: skip


def _numbers(names: Iterable[str]) -> list[int]:
    """Each name's number, in the order in which they come first."""
    found: dict[str, int] = {}
    return [found.setdefault(name, len(found)) for name in names]


def _stamps(cuts: Iterable[datetime]) -> np.ndarray:
    return np.array([np.datetime64(cut.astimezone(UTC).replace(tzinfo=None), "us") for cut in cuts])

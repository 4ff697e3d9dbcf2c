"""Rows for training and judging: one per customer and cut, in an order that no customer id decides.

Customer ids are random per installation. Rows are therefore ordered by what they say, so that the same
events give the same rows, the same digest and the same model anywhere.
"""

import hashlib
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import polars as pl

from ml.features import NAMES, Features, features, values
from ml.labels import LABELS, LabelKind
from ml.timeline import Histories, Timeline, absorbed, person, told
from models.domain.history import effective

Rows = list[tuple[str, int, bool, bytes]]
"""One customer's: cut, whether they left, whether they are of the headline population, the features."""


class LeakFound(Exception):
    """A training row holds what could not have been known at its cut."""


@dataclass(frozen=True)
class Dataset:
    """Rows of (customer, cut): features at the cut, label after it.

    `features` has one column per name in `ml.features.NAMES`, NaN for None. `labels` is 1 for a customer
    who left. `active` marks the headline population. `persons` numbers the customers as they are known
    now, so that all rows of one can be kept together.
    """

    customers: tuple[str, ...]
    cuts: tuple[datetime, ...]
    features: np.ndarray
    labels: np.ndarray
    active: np.ndarray
    persons: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def at(self, cuts: Sequence[datetime]) -> "Dataset":
        """The rows of these cuts."""
        wanted = set(cuts)
        return self.where(np.fromiter((cut in wanted for cut in self.cuts), dtype=bool, count=len(self)))

    def where(self, mask: np.ndarray) -> "Dataset":
        """The rows where `mask` is true."""
        index = np.flatnonzero(mask)
        return Dataset(
            customers=tuple(self.customers[i] for i in index),
            cuts=tuple(self.cuts[i] for i in index),
            features=self.features[index],
            labels=self.labels[index],
            active=self.active[index],
            persons=self.persons[index],
        )

    def column(self, name: str) -> np.ndarray:
        """The values of one feature."""
        return self.features[:, NAMES.index(name)]

    def frame(self) -> pl.DataFrame:
        """The rows as a polars frame: customer, cut, active, left, then one column per feature."""
        return pl.DataFrame(
            {"customer": self.customers, "cut": self.cuts, "active": self.active, "left": self.labels == 1}
            | {name: self.features[:, i] for i, name in enumerate(NAMES)}
        ).with_columns(pl.col(NAMES).fill_nan(None))

    def digest(self) -> str:
        """SHA-256 of what the rows say, the same whatever the customers are called."""
        hashed = hashlib.sha256("\n".join(NAMES).encode())
        hashed.update("\n".join(_iso(cut) for cut in self.cuts).encode())
        for array in (self.features, self.labels, self.active, self.persons):
            hashed.update(np.ascontiguousarray(array).tobytes())
        return hashed.hexdigest()


def build(
    histories: Histories,
    cuts: Sequence[datetime],
    *,
    label: LabelKind,
    horizon_days: int,
    population_days: int,
    data_end: datetime,
) -> Dataset:
    """All customers the label concerns, at every cut, as known before `data_end` (exclusive).

    Features, and who is a customer of its own, go by the corrections and merges known before the cut,
    labels by those known before `data_end`: two who turned out to be one share their label.
    Active are those with a purchase or use within `population_days` before the cut; for the label
    "holding_ended" everyone who holds something is.
    """
    people: list[tuple[Rows, str, list[datetime]]] = []
    for customer, history in histories.items():
        line, settled, until = Timeline(history), told(history, data_end), absorbed(customer, history)
        rows: Rows = []
        at: list[datetime] = []
        for cut in sorted(cuts):
            if until is not None and until < cut:
                break
            left = LABELS[label](settled, cut, horizon_days, data_end)
            if left is None:
                continue
            row = values(line, cut)
            silence = row["days_since_activity"]
            active = label == "holding_ended" or (silence is not None and silence <= population_days)
            rows.append((_iso(cut), int(left), active, vector(row).tobytes()))
            at.append(cut)
        if rows:
            people.append((rows, customer, at))
    who = {customer: person(customer, histories[customer]) for _, customer, _ in people}
    together: dict[str, list[Rows]] = {}
    for rows, customer, _ in people:
        together.setdefault(who[customer], []).append(rows)
    # of equal rows first the one whose other self says less; by id only those that nothing tells apart
    people.sort(key=lambda one: (one[0], sorted(together[who[one[1]]]), one[1]))
    flat = [(row, customer, cut) for rows, customer, at in people for row, cut in zip(rows, at, strict=True)]
    lengths = [len(rows) for rows, _, _ in people]
    return Dataset(
        customers=tuple(customer for _, customer, _ in flat),
        cuts=tuple(cut for _, _, cut in flat),
        features=np.frombuffer(b"".join(row[3] for row, _, _ in flat)).reshape(len(flat), len(NAMES)),
        labels=np.array([row[1] for row, _, _ in flat], dtype=np.int8),
        active=np.array([row[2] for row, _, _ in flat], dtype=bool),
        persons=np.repeat(_numbers(who[customer] for _, customer, _ in people), lengths),
    )


def _numbers(names: Iterable[str]) -> list[int]:
    """Each name's number, in the order in which they come first."""
    found: dict[str, int] = {}
    return [found.setdefault(name, len(found)) for name in names]


def vector(row: Features) -> np.ndarray:
    """A row's values in the order of `NAMES`, NaN for None."""
    return np.array([np.nan if (value := row[name]) is None else value for name in NAMES], dtype=np.float64)


def assert_no_leak(histories: Histories, dataset: Dataset, *, seed: int, sample: int = 200) -> None:
    """Compute a sample of rows anew from histories with everything at or after the cut taken away.

    Raises LeakFound when a row says anything else: then a feature knew the future.
    """
    drawn = random.Random(seed).sample(range(len(dataset)), min(sample, len(dataset)))  # noqa: S311
    for index in drawn:
        customer, cut = dataset.customers[index], dataset.cuts[index]
        known = effective(e for e in histories[customer] if e.known_at < cut)
        past = [e for e in known if e.occurred_at < cut]
        honest, found = vector(features(past, cut)), dataset.features[index]
        for name, was, is_now in zip(NAMES, honest, found, strict=True):
            if was != is_now and not (np.isnan(was) and np.isnan(is_now)):
                raise LeakFound(f"{name} at {_iso(cut)} is {is_now}, but only {was} could be known")


def _iso(cut: datetime) -> str:
    return cut.astimezone(UTC).isoformat()

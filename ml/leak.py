"""Checks that run before every training: no row may know what could not be known at its cut.

Each is a mistake that makes a report shine and fails in the field.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
from sklearn.metrics import roc_auc_score

from ml.cut import Cut
from ml.dataset import Dataset
from ml.definition import Feature
from ml.facts import MOMENT
from ml.features.catalogue import FEATURES
from ml.histories import Histories
from ml.labels import LABELS, Label, left
from ml.own import answers as ask

TOO_GOOD = 0.99
"""AUC of a single feature above which it is taken for the answer itself."""
FEWEST = 20


class LeakFound(Exception):
    """A row for training holds what could not have been known at its cut: which column, at which cut, and the fix."""


def check(
    histories: Histories, dataset: Dataset, *, label: str | Label, horizon_days: int, data_end: datetime, seed: int,
    questions: Sequence[Feature] = FEATURES, sample: int = 200,
) -> None:  # fmt: skip
    """All checks. Raises `LeakFound` at the first that fails."""
    assert_as_drawn(dataset)
    assert_known(histories, dataset, label=label, horizon_days=horizon_days, data_end=data_end, seed=seed,
                 questions=questions, sample=sample)  # fmt: skip
    assert_no_answer(dataset)


def assert_as_drawn(dataset: Dataset) -> None:
    """Every customer is there once for each cut: rows that were copied, or made up, would stand on both sides."""
    counted = Counter(zip(dataset.customers.tolist(), dataset.cuts.tolist(), strict=True))
    twice = [one for one, count in counted.items() if count > 1]
    if twice:
        raise LeakFound(
            f"{len(twice)} customers have more than one row for a cut: rows must not be resampled before they are "
            "divided into those that teach and those that judge (weights in the fit do the same honestly)"
        )


def assert_known(
    histories: Histories, dataset: Dataset, *, label: str | Label, horizon_days: int, data_end: datetime, seed: int,
    questions: Sequence[Feature] = FEATURES, sample: int = 200,
) -> None:  # fmt: skip
    """Compute a sample of rows anew from facts of which everything at or after the cut was taken away."""
    asked = LABELS[label] if isinstance(label, str) else label
    chance = np.random.default_rng(seed)
    drawn = chance.choice(len(dataset), min(sample, len(dataset)), replace=False).tolist()
    by_cut: dict[datetime, list[int]] = {}
    for row in drawn:
        by_cut.setdefault(dataset.cuts[row].item().replace(tzinfo=UTC), []).append(row)
    facts = histories.only(dataset.customers[drawn].tolist())
    for at, rows in sorted(by_cut.items()):
        whom = dataset.customers[rows].tolist()
        some = facts.filter(pl.col("customer").is_in(whom))
        answers = {row.pop("customer"): row for row in ask(Cut(_before(some, at), at), questions).to_dicts()}
        end = at + timedelta(days=horizon_days)
        truth = dict(left(asked, some, Cut(some, at), end, data_end).select("customer", "left").iter_rows())
        for row, one in zip(rows, whom, strict=True):
            if one not in answers or one not in truth:
                raise LeakFound(
                    f"a row at {at:%Y-%m-%d} is of nobody who was known then: rows must not be made up"
                )
            _compare(dataset, row, answers[one], at)
            if int(truth[one]) != dataset.labels[row]:
                raise LeakFound(f"a row at {at:%Y-%m-%d} says the customer {'stayed' if truth[one] else 'left'}: "
                                "the label is not the one of this cut")  # fmt: skip


def _compare(dataset: Dataset, row: int, honest: dict[str, float | None], at: datetime) -> None:
    for name, found in zip(dataset.names, dataset.features[row], strict=True):
        was = np.nan if (value := honest[name]) is None else value
        if was != found and not (np.isnan(was) and np.isnan(found)):
            raise LeakFound(f"{name} at {at:%Y-%m-%d} is {found}, but only {was} could be known then: it was taken "
                            "later, or over the whole file")  # fmt: skip


def _before(facts: pl.DataFrame, at: datetime) -> pl.DataFrame:
    """Facts as a file that was written at the cut would have them."""
    cut = pl.lit(at).cast(MOMENT)
    told = facts.filter((pl.col("occurred_at") < cut) & (pl.col("known_from") < cut))
    later = pl.col("known_until") >= cut
    return told.with_columns(known_until=pl.when(later).then(None).otherwise(pl.col("known_until")))


def assert_no_answer(dataset: Dataset) -> None:
    """No single feature ranks the leavers all but perfectly: that would be the answer under another name.

    Of the headline population: who has long been gone is easily told, by anything.
    """
    dataset = dataset.where(dataset.active)
    labels = dataset.labels
    if min(labels.sum(), (1 - labels).sum()) < FEWEST:
        return
    for place, name in enumerate(dataset.names):
        column = dataset.features[:, place]
        if np.isnan(column).all():
            continue
        auc = roc_auc_score(labels, np.where(np.isnan(column), np.nanmin(column) - 1, column))
        if max(auc, 1 - auc) >= TOO_GOOD:
            raise LeakFound(
                f"{name} alone tells leavers from stayers (AUC {max(auc, 1 - auc):.3f}): it knows the answer; leave it "
                "out, or cut its source events at the moment they were known"
            )

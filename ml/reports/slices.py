"""How the champion and recency alone did at each cut, on rows they had not seen."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from sklearn.model_selection import GroupKFold
from threadpoolctl import threadpool_limits

from ml import model as fitting
from ml import training
from ml.dataset import Dataset
from ml.evaluation import Figures, Interval, figures
from ml.kit import Kit
from ml.model import BASELINE, FOLDS, Candidate, ChurnModel
from ml.reports import intervals
from ml.training import FEWEST, Trained


@dataclass(frozen=True)
class Slice:
    """The active customers of one cut. `customers` and `left` are without the `treated`, of whom they say nothing.

    `taught`: the champion learnt from these rows; its figures here come from models that saw no row of the same
    customer. `by_model` holds the champion's and the baseline's; empty where too few left or stayed.
    """

    cut: datetime
    taught: bool
    customers: int
    treated: int
    left: int
    base_rate: Interval | None
    foretold: float
    by_model: Mapping[str, Figures]


@dataclass(frozen=True)
class Judged:
    """The active customers of the judge cut who were left alone: their rows, and what was foretold of them.

    `teachers` are the persons the champion learnt from.
    """

    rows: Dataset
    probability: Mapping[str, np.ndarray]
    sure: Mapping[str, Mapping[str, Interval]]
    teachers: np.ndarray

    @property
    def known(self) -> int:
        """How many of them also taught at an earlier cut, with another label."""
        return int(np.isin(self.rows.persons, self.teachers).sum())

    @property
    def left(self) -> np.ndarray:
        """1 for who left, else 0."""
        return self.rows.labels


def slices(trained: Trained, kit: Kit) -> tuple[tuple[Slice, ...], Judged]:
    """Every cut in order of time, the judge cut last, and the rows of that one.

    Fits the champion again for each fold, as its training did, and the baseline. `kit` is the one it was trained with.
    """
    spec, model = trained.spec, trained.model
    train = training.left_alone(trained.dataset.at(spec.train_cuts))
    of = {one.name: one for one in kit.candidates}
    models = {model.kind: model}
    if model.kind != BASELINE:
        models[BASELINE] = fitting.fit(of[BASELINE], train, seed=spec.seed, questions=kit.questions)
    unseen = {name: _unseen(of[name], one, train, spec.seed) for name, one in models.items()}
    judged = training.left_alone(_active(trained.dataset, spec.judge_cut))
    told = {name: one.probability(judged.features, judged.names) for name, one in models.items()}
    found = []
    for cut in sorted(spec.train_cuts):
        here = (train.cuts == _stamp(cut)) & train.active
        some = {name: probability[here] for name, probability in unseen.items()}
        found.append(_slice(trained, cut, train.labels[here], some))
    found.append(_slice(trained, spec.judge_cut, judged.labels, told))
    sure = {
        name: intervals.bootstrap(judged.labels, one, seed=spec.seed, resamples=_resamples(len(judged)))
        for name, one in told.items()
    }
    return tuple(found), Judged(judged, told, sure, np.unique(train.persons))


def _slice(trained: Trained, cut: datetime, left: np.ndarray, told: Mapping[str, np.ndarray]) -> Slice:
    leavers = int(left.sum())
    enough = min(leavers, len(left) - leavers) >= FEWEST
    return Slice(
        cut=cut, taught=cut != trained.spec.judge_cut, customers=len(left),
        treated=int(_active(trained.dataset, cut).treated.sum()), left=leavers,
        base_rate=intervals.share(leavers, len(left)) if len(left) else None,
        foretold=float(told[trained.model.kind].mean()) if len(left) else 0.0,
        by_model={name: figures(left, one) for name, one in told.items()} if enough else {},
    )  # fmt: skip


def _unseen(candidate: Candidate, model: ChurnModel, train: Dataset, seed: int) -> np.ndarray:
    """Each training row's probability from the candidate fitted on other customers, calibrated as the model is."""
    inputs = model.inputs(model.select(train.features, train.names))
    odds = np.empty(len(train))
    folds = GroupKFold(FOLDS, shuffle=True, random_state=seed)
    with threadpool_limits(limits=1):
        for seen, held in folds.split(inputs, train.labels, train.persons):
            estimator = fitting.taught(candidate, inputs[seen], train.labels[seen], seed)
            odds[held] = fitting.own_log_odds(estimator, inputs[held], candidate.whose)
    return np.asarray(1 / (1 + np.exp(-(model.slope * odds + model.intercept))))


def _active(dataset: Dataset, cut: datetime) -> Dataset:
    rows = dataset.at([cut])
    return rows.where(rows.active)


def _stamp(cut: datetime) -> np.datetime64:
    return np.datetime64(cut.astimezone(UTC).replace(tzinfo=None), "us")


def _resamples(rows: int) -> int:
    """Fewer for many rows, whose intervals are narrow anyway: a page must not take longer than a training."""
    return intervals.RESAMPLES if rows <= 50_000 else 200

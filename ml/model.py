"""The candidates: what is fitted, and how its probability is made honest.

A candidate is an estimator and a calibration of its log odds (a slope and an intercept). The calibration
is learnt from predictions for customers the estimator had not seen, on the latest training cut: folds
are drawn by customer and shuffled, because rows in the order of time or of customers would make each
fold a world of its own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from ml.dataset import Dataset
from ml.features import BY_NAME, NAMES

Kind = Literal["recency", "logistic", "boosting"]
CANDIDATES: tuple[Kind, ...] = ("recency", "logistic", "boosting")
BASELINE: Kind = "recency"

FOLDS = 5
ROWS_TO_PENALTY = 20.0
"""The weight of the data against the penalty on the logistic coefficients, whatever the number of rows.

Strong on purpose: the judge cut is later than all training cuts, and customers are older by then.
"""


@dataclass(frozen=True)
class ChurnModel:
    """A fitted candidate: rows of all features in, calibrated log odds of leaving out.

    `columns` are the features it looks at; of each, `lowest` and `highest` are the least and the most seen
    in training, beyond which nothing is extrapolated: a value outside counts as the nearest seen (the
    baseline alone has no bounds: they would spoil its ranking of the long silent). `reference` holds their
    usual values (training medians), to which a reason compares. Works on any number of rows at once.
    """

    kind: Kind
    columns: tuple[str, ...]
    estimator: Any
    slope: float
    intercept: float
    lowest: np.ndarray
    highest: np.ndarray
    reference: np.ndarray

    def log_odds(self, features: np.ndarray) -> np.ndarray:
        """Calibrated log odds for rows with one column per name in `ml.features.NAMES`."""
        return self.log_odds_of(self.select(features))

    def log_odds_of(self, selected: np.ndarray) -> np.ndarray:
        """Calibrated log odds for rows with only this model's columns."""
        if len(selected) == 0:
            return np.zeros(0)
        told = np.asarray(self.estimator.decision_function(self.inputs(selected)))
        return self.slope * told + self.intercept

    def inputs(self, selected: np.ndarray) -> np.ndarray:
        """This model's columns as its estimator takes them."""
        return _inputs(self.kind, self.columns, np.clip(selected, self.lowest, self.highest))

    def probability(self, features: np.ndarray) -> np.ndarray:
        """Probability of leaving within the horizon, for rows with all features."""
        return 1 / (1 + np.exp(-self.log_odds(features)))

    def select(self, features: np.ndarray) -> np.ndarray:
        """This model's columns out of all features."""
        return features[:, [NAMES.index(name) for name in self.columns]]


def fit(kind: Kind, train: Dataset, *, seed: int) -> ChurnModel:
    """Fit one candidate to all rows and calibrate it on the active customers of the latest cut."""
    columns = ("days_since_activity",) if kind == BASELINE else telling_columns(train.features)
    selected = train.features[:, [NAMES.index(name) for name in columns]]
    with threadpool_limits(limits=1):
        inputs = _inputs(kind, columns, selected)
        unseen = _out_of_fold(kind, inputs, train, seed)
        estimator = _estimator(kind, len(train), seed).fit(inputs, train.labels)
    latest = max(train.cuts)
    judged = train.active & np.fromiter((cut == latest for cut in train.cuts), dtype=bool, count=len(train))
    slope, intercept = _calibration(unseen[judged], train.labels[judged])
    unbounded = np.full(1, np.inf)
    return ChurnModel(
        kind=kind, columns=columns, estimator=estimator, slope=slope, intercept=intercept,
        lowest=-unbounded if kind == BASELINE else _by_column(np.nanmin, selected),
        highest=unbounded if kind == BASELINE else _by_column(np.nanmax, selected),
        reference=_usual(selected),
    )  # fmt: skip


def telling_columns(features: np.ndarray) -> tuple[str, ...]:
    """The features that say something: not the same for everyone, and not equal to an earlier one."""
    told: list[int] = []
    for index in range(features.shape[1]):
        column = features[:, index]
        constant = np.isnan(column).all() or (column == column[0]).all()
        if not constant and not any(np.array_equal(column, features[:, i], equal_nan=True) for i in told):
            told.append(index)
    return tuple(NAMES[index] for index in told)


def _inputs(kind: Kind, columns: tuple[str, ...], selected: np.ndarray) -> np.ndarray:
    """Trees take values as they are; linear models take skewed ones as sign · log(1 + size)."""
    if kind == "boosting":
        return selected
    skewed = np.array([BY_NAME[name].skewed for name in columns])
    return np.where(skewed, np.sign(selected) * np.log1p(np.abs(selected)), selected)


def _estimator(kind: Kind, rows: int, seed: int) -> Any:
    if kind == "boosting":
        return HistGradientBoostingClassifier(
            learning_rate=0.05, max_iter=100, max_leaf_nodes=8, l2_regularization=5.0, max_features=0.4,
            min_samples_leaf=max(10, min(400, rows // 200)), early_stopping=False, random_state=seed,
        )  # fmt: skip
    return Pipeline(
        [
            ("fill", SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)),
            ("scale", StandardScaler()),
            ("weigh", LogisticRegression(C=ROWS_TO_PENALTY / rows, max_iter=2000)),
        ]
    )


def _out_of_fold(kind: Kind, inputs: np.ndarray, train: Dataset, seed: int) -> np.ndarray:
    """Each row's log odds from an estimator that saw no row of the same customer."""
    unseen = np.empty(len(train))
    folds = GroupKFold(FOLDS, shuffle=True, random_state=seed)
    for seen, held in folds.split(inputs, train.labels, train.persons):
        estimator = _estimator(kind, len(seen), seed).fit(inputs[seen], train.labels[seen])
        unseen[held] = estimator.decision_function(inputs[held])
    return unseen


def _calibration(log_odds: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Slope and intercept that make the log odds true for customers not seen (Platt).

    A slope that is not positive would turn the ranking over; then the estimator's own word stands.
    """
    platt = LogisticRegression(C=1e6).fit(log_odds.reshape(-1, 1), labels)
    slope = float(platt.coef_[0, 0])
    return (slope, float(platt.intercept_[0])) if slope > 0 else (1.0, 0.0)


def _usual(selected: np.ndarray) -> np.ndarray:
    """The median of each column; NaN where most customers have no value."""
    medians = _by_column(np.nanmedian, selected)
    return np.where(np.isnan(selected).mean(axis=0) > 0.5, np.nan, medians)


def _by_column(figure: Callable[[np.ndarray], float], selected: np.ndarray) -> np.ndarray:
    """A figure of each column, which overlooks NaN; NaN for a column of nothing else."""
    return np.array([np.nan if np.isnan(column).all() else figure(column) for column in selected.T])

"""The candidates: what is fitted, and how its probability is made honest.

A candidate is an estimator and a calibration of its log odds (a slope and an intercept). The calibration
is learnt from predictions for customers the estimator had not seen, on the latest training cut: folds
are drawn by customer and shuffled, because rows in the order of time or of customers would make each
fold a world of its own.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from ml.dataset import Dataset
from ml.definition import Feature
from ml.features.catalogue import FEATURES
from ml.own import OwnFileRefused, blamed

BASELINE = "recency"

FOLDS = 5
FEWEST_KNOWN = 20
"""Customers of whom a feature must be known: else it may be unknown of everybody in a fold."""
SUREST = 1e-6
"""No probability of a foreign estimator counts as surer than this."""
KNOWN_BY_NAN = (
    "rows are numbers with NaN for what is unknown (an imputer in front fills it), labels 1 for who left"
)
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
    usual values (training medians), to which a reason compares; `skewed` says which enter a linear model as logs
    (none for the others). Works on any number of rows at once. `whose` is the candidate's, as long as it isn't stored.
    """

    kind: str
    columns: tuple[str, ...]
    skewed: np.ndarray
    estimator: Any
    slope: float
    intercept: float
    lowest: np.ndarray
    highest: np.ndarray
    reference: np.ndarray
    whose: str = ""

    def log_odds(self, features: np.ndarray, names: Sequence[str]) -> np.ndarray:
        """Calibrated log odds for rows with one column per name."""
        return self.log_odds_of(self.select(features, names))

    def log_odds_of(self, selected: np.ndarray) -> np.ndarray:
        """Calibrated log odds for rows with only this model's columns."""
        if len(selected) == 0:
            return np.zeros(0)
        told = own_log_odds(self.estimator, self.inputs(selected), self.whose)
        return self.slope * told + self.intercept

    def inputs(self, selected: np.ndarray) -> np.ndarray:
        """This model's columns as its estimator takes them."""
        return logged(np.clip(selected, self.lowest, self.highest), self.skewed)

    def probability(self, features: np.ndarray, names: Sequence[str]) -> np.ndarray:
        """Probability of leaving within the horizon, for rows with one column per name."""
        return 1 / (1 + np.exp(-self.log_odds(features, names)))

    def select(self, features: np.ndarray, names: Sequence[str]) -> np.ndarray:
        """This model's columns out of those that are named."""
        return features[:, [names.index(name) for name in self.columns]]


@dataclass(frozen=True)
class Candidate:
    """What may become the champion. `make` gives an estimator for so many rows and a seed: fit and predict_proba.

    `linear`: skewed features enter as logs, and reasons are exact weights. `columns`: the features it looks at; None
    for all that say something. `types`: what a stored model of it may hold beyond what skops trusts by itself.
    `whose`: the file it came out of and its name, for the sentence if it fails; empty for ours.
    """

    name: str
    make: Callable[[int, int], Any]
    linear: bool = False
    columns: tuple[str, ...] | None = None
    types: tuple[str, ...] = ()
    whose: str = ""


def _logistic(rows: int, seed: int) -> Any:
    return Pipeline(
        [
            ("fill", SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)),
            ("scale", StandardScaler()),
            ("weigh", LogisticRegression(C=ROWS_TO_PENALTY / rows, max_iter=2000)),
        ]
    )


def _boosting(rows: int, seed: int) -> Any:
    return HistGradientBoostingClassifier(
        learning_rate=0.05, max_iter=100, max_leaf_nodes=8, l2_regularization=5.0, max_features=0.4,
        min_samples_leaf=max(10, min(400, rows // 200)), early_stopping=False, random_state=seed,
    )  # fmt: skip


CANDIDATES: tuple[Candidate, ...] = (
    Candidate(BASELINE, _logistic, linear=True, columns=("days_since_activity",)),
    Candidate("logistic", _logistic, linear=True),
    Candidate(
        "boosting", _boosting,
        types=("numpy.dtype", "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"),
    ),
)  # fmt: skip
"""Those that every training fits; a challenger of one's own joins them."""


def fit(
    candidate: Candidate, train: Dataset, *, seed: int, questions: Sequence[Feature] = FEATURES
) -> ChurnModel:
    """Fit one candidate to all rows and calibrate it on the active customers of the latest cut."""
    columns = candidate.columns or telling_columns(train)
    selected = train.features[:, [train.names.index(name) for name in columns]]
    by_name = {one.name: one for one in questions}
    skewed = np.array([candidate.linear and by_name[name].skewed for name in columns])
    inputs = logged(selected, skewed)
    with threadpool_limits(limits=1):
        unseen = _out_of_fold(candidate, inputs, train, seed)
        estimator = taught(candidate, inputs, train.labels, seed)
    judged = train.active & (train.cuts == train.cuts.max())
    slope, intercept = _calibration(unseen[judged], train.labels[judged])
    bounded = candidate.name != BASELINE
    unbounded = np.full(len(columns), np.inf)
    return ChurnModel(
        kind=candidate.name, columns=columns, skewed=skewed, estimator=estimator, slope=slope, intercept=intercept,
        lowest=_by_column(np.nanmin, selected) if bounded else -unbounded,
        highest=_by_column(np.nanmax, selected) if bounded else unbounded,
        reference=_usual(selected), whose=candidate.whose,
    )  # fmt: skip


def telling_columns(train: Dataset) -> tuple[str, ...]:
    """The features that say something: known of enough, not the same for everyone, not equal to an earlier one."""
    told: dict[bytes, str] = {}
    for index, name in enumerate(train.names):
        column = np.ascontiguousarray(train.features[:, index])
        known = ~np.isnan(column)
        if known.any() and len(np.unique(train.persons[known])) < FEWEST_KNOWN:
            continue
        if not (np.isnan(column).all() or (column == column[0]).all()):
            told.setdefault(column.tobytes(), name)
    return tuple(told.values())


def logged(selected: np.ndarray, skewed: np.ndarray) -> np.ndarray:
    """Trees take values as they are; linear models take skewed ones as sign · log(1 + size)."""
    return (
        np.where(skewed, np.sign(selected) * np.log1p(np.abs(selected)), selected)
        if skewed.any()
        else selected
    )


def taught(candidate: Candidate, inputs: np.ndarray, labels: np.ndarray, seed: int) -> Any:
    """An estimator of this candidate, fitted. Raises `OwnFileRefused` where one of somebody's own can't be."""
    whose = candidate.whose
    with blamed(whose, "`make`", "it is called with the number of rows and a seed, and gives an estimator"):
        estimator = candidate.make(len(inputs), seed)
    _assert_able(whose, "`make` gives", estimator, "fit")
    with blamed(whose, "`fit`", KNOWN_BY_NAN):
        fitted = estimator.fit(inputs, labels)
    if not hasattr(fitted, "decision_function"):  # some say what they can do only when they are fitted
        _assert_able(whose, "`fit` gives", fitted, "predict_proba")
    return fitted


def own_log_odds(estimator: Any, inputs: np.ndarray, whose: str = "") -> np.ndarray:
    """An estimator's word before it is calibrated. `whose` is told with what goes wrong in one of somebody's own."""
    if hasattr(estimator, "decision_function"):
        with blamed(
            whose, "`decision_function`", "it gives one number a row, the higher the likelier to leave"
        ):
            odds = np.asarray(estimator.decision_function(inputs))
        _assert_numbers(whose, "decision_function", odds, (len(inputs),))
        return odds
    with blamed(whose, "`predict_proba`", KNOWN_BY_NAN):
        shares = np.asarray(estimator.predict_proba(inputs))
    _assert_numbers(whose, "predict_proba", shares, (len(inputs), 2))
    sure = np.clip(shares[:, 1], SUREST, 1 - SUREST)
    return np.log(sure / (1 - sure))


def _assert_able(whose: str, does: str, estimator: Any, method: str) -> None:
    if whose and not hasattr(estimator, method):
        kind = "None" if estimator is None else f"a {type(estimator).__name__}"
        raise OwnFileRefused(
            f"{whose}: {does} {kind}, which has no `{method}`: `make` must give a classifier with `fit` and "
            "`predict_proba` as scikit-learn's are, and `fit` must return it"
        )


def _assert_numbers(whose: str, method: str, found: np.ndarray, shape: tuple[int, ...]) -> None:
    """Of an estimator of somebody's own, before anything is computed with what it says."""
    if not whose:
        return
    if found.shape != shape:
        raise OwnFileRefused(f"{whose}: `{method}` gives an array of shape {found.shape}: {shape} is needed")
    if found.dtype.kind not in "fiu":
        raise OwnFileRefused(f"{whose}: `{method}` gives {found.dtype} and not numbers: give probabilities")
    bad = int((~np.isfinite(found).reshape(len(found), -1).all(axis=1)).sum())
    if bad:
        raise OwnFileRefused(
            f"{whose}: `{method}` gives NaN or infinity for {bad} of {len(found)} rows: give every row a number"
        )


def _out_of_fold(candidate: Candidate, inputs: np.ndarray, train: Dataset, seed: int) -> np.ndarray:
    """Each row's log odds from an estimator that saw no row of the same customer."""
    unseen = np.empty(len(train))
    folds = GroupKFold(FOLDS, shuffle=True, random_state=seed)
    for seen, held in folds.split(inputs, train.labels, train.persons):
        estimator = taught(candidate, inputs[seen], train.labels[seen], seed)
        unseen[held] = own_log_odds(estimator, inputs[held], candidate.whose)
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

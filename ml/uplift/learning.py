"""Learners of uplift: what each customer's outcome would change by under the treatment.

Two-model: one rule for the treated, one for those held out, and their difference. X-learner (Künzel and
others, PNAS 2019): each row's missing outcome is told by the other arm's model, and the differences are
learned. Response-only knows the treated alone, as a campaign without a hold-out would: it finds those who
buy, not those who are moved, and is here to be beaten.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from ml.uplift.admission import Admitted
from ml.uplift.shape import logged, skewed, without_blanks

Learner = Literal["two_model", "x_learner", "response_only"]
CANDIDATES: tuple[Learner, ...] = ("two_model", "x_learner")
"""In the order of preference: a later one replaces an earlier one only where it is shown to be better."""
BASELINE: Learner = "response_only"

SMALL = {
    "learning_rate": 0.05, "max_iter": 300, "max_leaf_nodes": 12, "min_samples_leaf": 40,
    "l2_regularization": 5.0, "early_stopping": True, "validation_fraction": 0.15,
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class UpliftModel:
    """A learned rule. `parts` are scikit-learn estimators: of the treated first, then of those held out.

    For the X-learner they are those of the effects. `skewed` are the places of the columns that are read
    by their logarithm; `share` is the part that was to be treated.
    """

    learner: Learner
    columns: tuple[str, ...]
    money: bool
    skewed: tuple[int, ...]
    share: float
    parts: tuple[Any, ...]

    def score(self, features: np.ndarray) -> np.ndarray:
        """For each row the change of the outcome under the treatment, in its unit.

        Response-only tells the outcome itself, which is no effect and serves for ranking alone.
        """
        with threadpool_limits(limits=1):
            if self.learner == "x_learner":
                ours, theirs = (part.predict(features) for part in self.parts)
                return np.asarray(self.share * theirs + (1 - self.share) * ours)
            rows = logged(features, self.skewed)
            told = [_told(part, rows, self.money) for part in self.parts]
            return told[0] if self.learner == "response_only" else told[0] - told[1]


def learn(admitted: Admitted, learner: Learner, seed: int, rows: np.ndarray | None = None) -> UpliftModel:
    """Learn from these rows of a trial (True for each that counts; None: all)."""
    chosen = np.ones(len(admitted.treated), dtype=bool) if rows is None else rows
    features, outcome = admitted.features[chosen], admitted.outcome[chosen]
    treated, weight = admitted.treated[chosen], admitted.weight[chosen]
    long_tails = skewed(features)
    with threadpool_limits(limits=1):
        if learner == "x_learner":
            parts = _effects(features, outcome, treated, weight, admitted.money, seed)
        else:
            arms = (treated,) if learner == "response_only" else (treated, ~treated)
            read = logged(features, long_tails)
            parts = tuple(_linear(read[arm], outcome[arm], weight[arm], admitted.money) for arm in arms)
    return UpliftModel(learner, admitted.columns, admitted.money, long_tails, admitted.share, parts)


def _effects(
    features: np.ndarray, outcome: np.ndarray, treated: np.ndarray, weight: np.ndarray, money: bool, seed: int
) -> tuple[Any, Any]:
    """What being treated changed, told by the treated and by those held out."""
    outcomes = HistGradientBoostingRegressor if money else HistGradientBoostingClassifier
    ours, theirs = (
        outcomes(random_state=seed, **SMALL).fit(
            without_blanks(features[arm]), outcome[arm], _even(weight[arm])
        )
        for arm in (treated, ~treated)
    )
    changed = np.where(
        treated, outcome - _told(theirs, features, money), _told(ours, features, money) - outcome
    )
    of_treated, of_held_out = (
        HistGradientBoostingRegressor(random_state=seed, **SMALL).fit(
            without_blanks(features[arm]), changed[arm], _even(weight[arm])
        )
        for arm in (treated, ~treated)
    )
    return of_treated, of_held_out


def _linear(features: np.ndarray, outcome: np.ndarray, weight: np.ndarray, money: bool) -> Pipeline:
    rule = Ridge() if money else LogisticRegression(max_iter=2000)
    steps = [
        ("fill", SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)),
        ("scale", StandardScaler()),
        ("weigh", rule),
    ]
    return Pipeline(steps).fit(features, outcome, weigh__sample_weight=_even(weight))


def _told(estimator: Any, features: np.ndarray, money: bool) -> np.ndarray:
    told = estimator.predict(features) if money else estimator.predict_proba(features)[:, 1]
    return np.asarray(told)


def _even(weight: np.ndarray) -> np.ndarray:
    """Weights of mean one, so that regularisation means the same everywhere."""
    return weight / weight.mean()

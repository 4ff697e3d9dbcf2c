"""Purchases and money to come, learnt from what an older cohort did next; `ml.value.choice` says when to."""

from dataclasses import dataclass

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.model_selection import KFold
from threadpoolctl import threadpool_limits

from ml.value.histories import refuse_unequal
from ml.value.refusals import ConstantColumn, ImpossibleHistory, NotFinite, TooFewCustomers, WrongShape

FEWEST_CUSTOMERS, FEWEST_BUYERS = 1000, 100
FOLDS = 5


@dataclass(frozen=True)
class BoostedValue:
    """Two regressors: purchases in the window (Poisson loss), and money per purchase (gamma loss).

    The second weighs each customer by his purchases, so that the product of both is the money to expect. They hold
    scikit-learn's trees and are stored like other estimators, not as parameters.
    """

    purchases: HistGradientBoostingRegressor
    spend: HistGradientBoostingRegressor

    def expected_purchases(self, features: np.ndarray) -> np.ndarray:
        """Purchases in a window as long as the one it learnt from; one number a row."""
        with threadpool_limits(limits=1):
            return self.purchases.predict(features)

    def expected_money(self, features: np.ndarray) -> np.ndarray:
        """Money in such a window, one number a row, in the currency it learnt from."""
        with threadpool_limits(limits=1):
            return self.purchases.predict(features) * self.spend.predict(features)


def fit(features: np.ndarray, bought: np.ndarray, money: np.ndarray, *, seed: int) -> BoostedValue:
    """Learn from features at an earlier cut, and the purchases and money of the window after it.

    `features` is customers × columns; not-a-number means unknown, as usual with trees. A buyer who paid nothing on
    balance counts for the purchases alone. Raises WrongShape, NotFinite, ImpossibleHistory, TooFewCustomers (under
    1,000, or under 100 who bought), ConstantColumn (where no column varies).
    """
    _refuse(features, bought, money)
    paid = (bought > 0) & (money > 0)
    with threadpool_limits(limits=1):
        return BoostedValue(
            _regressor("poisson", seed).fit(features, bought),
            _regressor("gamma", seed).fit(
                features[paid], money[paid] / bought[paid], sample_weight=bought[paid]
            ),
        )


def out_of_fold(
    features: np.ndarray, bought: np.ndarray, money: np.ndarray, *, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Purchases and money foretold for each customer by a model that never saw him (5 shuffled folds).

    Raises what `fit` raises.
    """
    _refuse(features, bought, money)
    purchases, worth = np.zeros(len(bought)), np.zeros(len(bought))
    for seen, unseen in KFold(FOLDS, shuffle=True, random_state=seed).split(features):
        model = fit(features[seen], bought[seen], money[seen], seed=seed)
        purchases[unseen] = model.expected_purchases(features[unseen])
        worth[unseen] = model.expected_money(features[unseen])
    return purchases, worth


def _regressor(loss: str, seed: int) -> HistGradientBoostingRegressor:
    return HistGradientBoostingRegressor(
        loss=loss, learning_rate=0.05, max_iter=300, max_leaf_nodes=12, min_samples_leaf=40, l2_regularization=5.0,
        early_stopping=True, validation_fraction=0.15, random_state=seed,
    )  # fmt: skip


def _refuse(features: np.ndarray, bought: np.ndarray, money: np.ndarray) -> None:
    refuse_unequal({"bought": bought, "money": money})
    if features.ndim != 2 or len(features) != len(bought) or not features.shape[1]:
        raise WrongShape("features", f"expected a table of {len(bought)} rows, got shape {features.shape}.")
    endless = np.argwhere(np.isinf(features))
    if len(endless):
        row, column = endless[0]
        raise NotFinite(f"features[{row}, {column}]", f"{len(endless)} values are infinite.")
    if (bought < 0).any():
        raise ImpossibleHistory("bought", "a customer has fewer than no purchases.")
    buyers = int(((bought > 0) & (money > 0)).sum())
    if len(bought) < FEWEST_CUSTOMERS or buyers < FEWEST_BUYERS:
        raise TooFewCustomers(
            "bought",
            f"{len(bought)} customers of whom {buyers} paid; {FEWEST_CUSTOMERS} and {FEWEST_BUYERS} are needed.",
        )
    if ((features == features[0]) | (np.isnan(features) & np.isnan(features[0]))).all():
        raise ConstantColumn("features", "no column differs between customers.")

"""How likely a customer is to take each offer: a logistic regression of its own for every offer.

Each has a constant that no penalty shrinks. Without one, an offer would have to explain how often it is taken at
all by what its customers are like, and the ranking of offers would suffer.
"""

from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from models.errors import Refused

FEWEST_SHOWN = 50
"""Presentations below which nothing is learnt of an offer."""


class Acceptance(Struct, frozen=True, kw_only=True):
    """Plain numbers of every offer's model.

    `weights` has a row for each offer: its constant, then one log odds for each column, in standard
    deviations (`spread`) from the usual customer (`usual`).
    """

    offers: tuple[str, ...]
    columns: tuple[str, ...]
    usual: tuple[float, ...]
    spread: tuple[float, ...]
    weights: tuple[tuple[float, ...], ...]
    shown: tuple[int, ...]

    def probability(self, features: np.ndarray) -> np.ndarray:
        """Customers x offers: the chance that the customer takes it. Refused: `offer.bad_features`."""
        scaled = (_checked(features, self.columns) - np.array(self.usual)) / np.array(self.spread)
        weights = np.array(self.weights)
        return expit(weights[:, 0] + scaled @ weights[:, 1:].T)


def fit(
    features: np.ndarray, shown: Sequence[str], taken: np.ndarray, *, columns: Sequence[str]
) -> Acceptance:
    """What customers like this one did with each offer; `shown` names the row's offer, `taken` is 1 or 0.

    Refused: `offer.bad_features` (a missing value, or other columns), `offer.uneven`, `offer.too_few_shown`, and
    `offer.one_answer` where all or none took an offer.
    """
    rows = _checked(features, columns)
    names, own = _answers(shown, taken, len(rows))
    usual, spread = rows.mean(axis=0), rows.std(axis=0)
    spread[spread < 1e-9] = 1.0
    scaled = (rows - usual) / spread
    weights = []
    for name, mine in zip(names, own, strict=True):
        if len(set(np.asarray(taken)[mine].tolist())) < 2:
            raise Refused(
                "offer.one_answer",
                f"everybody it was shown to gave {name} the same answer; show it longer",
                name,
            )
        with threadpool_limits(1):
            model = LogisticRegression(C=1.0, max_iter=1000).fit(scaled[mine], np.asarray(taken)[mine])
        weights.append((float(model.intercept_[0]), *model.coef_[0].tolist()))
    return Acceptance(
        offers=names,
        columns=tuple(columns),
        usual=tuple(usual.tolist()),
        spread=tuple(spread.tolist()),
        weights=tuple(weights),
        shown=tuple(len(mine) for mine in own),
    )


def alike(shown: Sequence[str], taken: np.ndarray, *, columns: Sequence[str]) -> Acceptance:
    """One chance for everybody: what to use where personal choice brings nothing. Refused as by `fit`."""
    names, own = _answers(shown, taken, len(shown))
    # Half an answer of each kind more, so that an offer nobody took yet is unlikely and not impossible.
    chances = [(float(np.asarray(taken)[mine].sum()) + 0.5) / (len(mine) + 1) for mine in own]
    width = len(columns)
    return Acceptance(
        offers=names,
        columns=tuple(columns),
        usual=(0.0,) * width,
        spread=(1.0,) * width,
        weights=tuple((float(logit(chance)), *(0.0,) * width) for chance in chances),
        shown=tuple(len(mine) for mine in own),
    )


def _answers(shown: Sequence[str], taken: np.ndarray, rows: int) -> tuple[tuple[str, ...], list[np.ndarray]]:
    """The offers by name, and the rows of each."""
    if not rows == len(shown) == len(taken):
        raise Refused(
            "offer.uneven", f"{rows} customers, {len(shown)} offers shown, {len(taken)} answers", "shown"
        )
    if not set(np.unique(taken).tolist()) <= {0, 1}:
        raise Refused("offer.bad_answer", "an answer is 1 for taken and 0 for not taken", "taken")
    names, place = np.unique(np.asarray(shown, dtype=str), return_inverse=True)
    own = [np.flatnonzero(place == at) for at in range(len(names))]
    for name, mine in zip(names.tolist(), own, strict=True):
        if len(mine) < FEWEST_SHOWN:
            raise Refused(
                "offer.too_few_shown", f"{name} was shown {len(mine)} times; {FEWEST_SHOWN} are needed", name
            )
    return tuple(names.tolist()), own


def _checked(features: np.ndarray, columns: Sequence[str]) -> np.ndarray:
    rows = np.asarray(features, dtype=float)
    if rows.ndim != 2 or rows.shape[1] != len(columns):
        raise Refused("offer.bad_features", f"a customer is a row of {len(columns)} columns", "features")
    missing = np.argwhere(~np.isfinite(rows))
    if len(missing):
        row, column = missing[0].tolist()
        raise Refused(
            "offer.bad_features", f"{len(missing)} values are missing; fill them first",
            f"features/{row}/{columns[column]}",
        )  # fmt: skip
    return rows

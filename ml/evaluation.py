"""How well a model foretold: figures on rows it never saw, and how sure they are.

scikit-learn's metrics where it has them. Not finite where a population holds only leavers or only
stayers: such a population is refused before it comes here.
"""

import numpy as np
from msgspec import Struct
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

BINS = 10


class Figures(Struct, frozen=True, kw_only=True):
    """One model on one population.

    `auc`: chance that a leaver is ranked above a stayer. `ap`: average precision. `lift10`: share of
    leavers in the top tenth ÷ share in all. `brier`: mean squared error of the probability. `ece`: see
    `calibration_error`.
    """

    population: int
    base_rate: float
    auc: float
    ap: float
    lift10: float
    brier: float
    ece: float


class Bin(Struct, frozen=True, kw_only=True):
    """The customers with a probability in one tenth of [0, 1]: foretold and actual share of leavers."""

    foretold: float
    left: float
    customers: int


class Interval(Struct, frozen=True, kw_only=True):
    """A difference and the middle 95 % of its bootstrap."""

    value: float
    low: float
    high: float


def figures(left: np.ndarray, probability: np.ndarray) -> Figures:
    """All figures of one model on one population; `left` is 1 for a leaver, else 0."""
    return Figures(
        population=len(left),
        base_rate=float(left.mean()),
        auc=float(roc_auc_score(left, probability)),
        ap=float(average_precision_score(left, probability)),
        lift10=lift(left, probability, 0.1),
        brier=float(brier_score_loss(left, probability)),
        ece=calibration_error(left, probability),
    )


def lift(left: np.ndarray, probability: np.ndarray, share: float) -> float:
    """Share of leavers among the likeliest `share` ÷ share of leavers in all.

    Customers tied at the border count with their mean, so that no order among equals matters.
    """
    return float(gains(left, probability, np.array([share]))[0] / share)


def gains(left: np.ndarray, probability: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Part of all leavers found when the likeliest `shares` of the population are looked at."""
    _, group = np.unique(-probability, return_inverse=True)
    listed = np.concatenate([[0.0], np.cumsum(np.bincount(group))]) / len(left)
    found = np.concatenate([[0.0], np.cumsum(np.bincount(group, weights=left))]) / left.sum()
    return np.interp(shares, listed, found)


def reliability(left: np.ndarray, probability: np.ndarray) -> tuple[Bin, ...]:
    """Foretold beside actual share in ten bins of equal width; empty bins are left out."""
    place = np.minimum((probability * BINS).astype(int), BINS - 1)
    return tuple(
        Bin(
            foretold=float(probability[place == b].mean()),
            left=float(left[place == b].mean()),
            customers=int((place == b).sum()),
        )
        for b in range(BINS)
        if (place == b).any()
    )


def calibration_error(left: np.ndarray, probability: np.ndarray) -> float:
    """Expected calibration error.

    The distance between foretold and actual share in each of ten bins of equal width, as a mean
    weighted by the customers in the bin. 0 is perfect.
    """
    bins = reliability(left, probability)
    return sum(abs(b.foretold - b.left) * b.customers for b in bins) / len(left)


def auc_gain(
    left: np.ndarray, better: np.ndarray, than: np.ndarray, *, seed: int, resamples: int = 1000
) -> Interval:
    """AUC of `better` minus AUC of `than`, with a bootstrap over customers (one row each)."""
    first, second = _Ranking(left, better), _Ranking(left, than)
    random = np.random.default_rng(seed)
    everyone = np.ones(len(left))
    drawn = [
        np.bincount(random.integers(0, len(left), len(left)), minlength=len(left)).astype(float)
        for _ in range(resamples)
    ]
    low, high = np.quantile([first.auc(times) - second.auc(times) for times in drawn], [0.025, 0.975])
    return Interval(value=first.auc(everyone) - second.auc(everyone), low=float(low), high=float(high))


class _Ranking:
    """An order of customers, sorted once, whose AUC is then asked for many resamples."""

    def __init__(self, left: np.ndarray, probability: np.ndarray) -> None:
        self.order = np.argsort(probability, kind="stable")
        ranked = probability[self.order]
        self.starts = np.flatnonzero(np.concatenate([[True], ranked[1:] != ranked[:-1]]))
        self.leavers = left[self.order] == 1

    def auc(self, times: np.ndarray) -> float:
        """AUC with each customer counted `times` times; a tie counts half."""
        weight = times[self.order]
        leavers = np.add.reduceat(weight * self.leavers, self.starts)
        stayers = np.add.reduceat(weight * ~self.leavers, self.starts)
        below = np.cumsum(stayers) - stayers
        return float((leavers * (below + stayers / 2)).sum() / (leavers.sum() * stayers.sum()))

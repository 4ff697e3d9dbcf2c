"""How sure the figures of one model on one population are."""

from collections.abc import Mapping

import numpy as np
from scipy.stats import norm

from ml.evaluation import Interval

RESAMPLES = 400
LISTED = 0.1


def bootstrap(
    left: np.ndarray, probability: np.ndarray, *, seed: int, resamples: int = RESAMPLES
) -> Mapping[str, Interval]:
    """`auc`, `ap`, `lift10`, `brier` and `gap`, each with the middle 95 % of its bootstrap over rows.

    `gap` is the mean probability minus the share that left. There is none for the calibration error: resampling
    always makes that larger, so that its bootstrap would not be about the model. `left` must hold both classes.
    """
    asked = _Weighted(left, probability)
    random = np.random.default_rng(seed)
    drawn = np.array([
        asked.figures(np.bincount(random.integers(0, len(left), len(left)), minlength=len(left)).astype(float))
        for _ in range(resamples)
    ])  # fmt: skip
    low, high = np.nanquantile(drawn, [0.025, 0.975], axis=0)
    value = asked.figures(np.ones(len(left)))
    return {
        name: Interval(value=float(value[i]), low=float(low[i]), high=float(high[i]))
        for i, name in enumerate(("auc", "ap", "lift10", "brier", "gap"))
    }


def share(count: int, of: int) -> Interval:
    """A share with its 95 % interval after Wilson, which stays within 0 and 1. `of` is 1 or more."""
    z = float(norm.ppf(0.975))
    found = count / of
    middle = (found + z * z / (2 * of)) / (1 + z * z / of)
    half = z / (1 + z * z / of) * float(np.sqrt(found * (1 - found) / of + z * z / (4 * of * of)))
    return Interval(value=found, low=max(0.0, middle - half), high=min(1.0, middle + half))


class _Weighted:
    """Rows sorted once, the likeliest first, whose figures are asked for many resamples."""

    def __init__(self, left: np.ndarray, probability: np.ndarray) -> None:
        self.order = np.argsort(-probability, kind="stable")
        self.probability, self.left = probability[self.order], left[self.order] == 1
        ties = np.concatenate([[True], self.probability[1:] != self.probability[:-1]])
        self.starts = np.flatnonzero(ties)
        self.wrong = (self.probability - self.left) ** 2

    def figures(self, times: np.ndarray) -> tuple[float, ...]:
        """AUC, AP, lift10, Brier and gap with each row counted `times` times; equals count together."""
        weight = times[self.order]
        leavers = np.add.reduceat(weight * self.left, self.starts)
        everyone = np.add.reduceat(weight, self.starts)
        found, listed = np.cumsum(leavers), np.cumsum(everyone)
        all_leavers, customers = found[-1], listed[-1]
        stayers = everyone - leavers
        below = customers - all_leavers - np.cumsum(stayers)
        with np.errstate(divide="ignore", invalid="ignore"):
            auc = (leavers * (below + stayers / 2)).sum() / (all_leavers * (customers - all_leavers))
            ap = (leavers * np.where(listed > 0, found / listed, 0)).sum() / all_leavers
            top = np.interp(LISTED * customers, np.append(0, listed), np.append(0, found))
            lift = top / all_leavers / LISTED
        brier = (weight * self.wrong).sum() / customers
        gap = (weight * self.probability).sum() / customers - all_leavers / customers
        return float(auc), float(ap), float(lift), float(brier), float(gap)

"""Whether the arms look as a draw would have left them.

Two tests of the same thing, that treatment was drawn with the probabilities that are claimed: the number
treated, and all that was known before, at once (the omnibus chi-square of Hansen and Bowers, Statistical
Science 2008, here for probabilities that may differ by row).
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2, norm

from ml.uplift.shape import filled, logged, skewed

SUSPECT = 1e-4
"""A draw looks worse than this once in ten thousand times; below it, it was no draw as claimed."""


@dataclass(frozen=True)
class Apart:
    """How far the arms' means of one column lie apart, in its standard deviations."""

    column: str
    difference: float


@dataclass(frozen=True)
class Balance:
    """The probability that a draw as claimed leaves arms at least so far apart, and what differs most."""

    share_p: float
    omnibus: float
    degrees: int
    omnibus_p: float
    furthest: tuple[Apart, ...]


def balance(
    features: np.ndarray,
    columns: tuple[str, ...],
    treated: np.ndarray,
    propensity: np.ndarray,
    customers: np.ndarray,
) -> Balance:
    """Compare the arms with what drawing with `propensity` would leave, `customers` numbered from 0."""
    surprise = treated - propensity
    spread = propensity * (1 - propensity)
    repeated = bool(np.bincount(customers).max() > 1)
    by_customer = np.bincount(customers, weights=surprise)
    variance = by_customer @ by_customer if repeated else spread.sum()
    share_p = float(2 * norm.sf(abs(surprise.sum()) / np.sqrt(variance)))

    known, names = _known_before(features, columns)
    known = known - spread @ known / spread.sum()
    pushed = known * surprise[:, None]
    if repeated:  # somebody's draws may hang together, so each customer counts as one
        pushed = _summed(pushed, customers)
        covariance = pushed.T @ pushed
    else:
        covariance = (known * spread[:, None]).T @ known
    statistic, degrees = _distance(pushed.sum(axis=0), covariance)
    return Balance(
        share_p=share_p,
        omnibus=statistic,
        degrees=degrees,
        omnibus_p=float(chi2.sf(statistic, degrees)) if degrees else 1.0,
        furthest=_furthest(known, names, treated, propensity),
    )


def _known_before(features: np.ndarray, columns: tuple[str, ...]) -> tuple[np.ndarray, list[str]]:
    """Every column that varies, on a scale of its own, and beside it whether it was known at all."""
    missing = np.isnan(features)
    values = filled(logged(features, skewed(features)))
    some = missing.any(axis=0)
    both = np.hstack([values, missing[:, some].astype(float)])
    names = [*columns, *(f"{name} not known" for name, gap in zip(columns, some, strict=True) if gap)]
    deviation = both.std(axis=0)
    varies = deviation > 1e-12 * np.maximum(np.abs(both).max(axis=0, initial=0), 1)
    scaled = (both[:, varies] - both[:, varies].mean(axis=0)) / deviation[varies]
    return scaled, [name for name, kept in zip(names, varies, strict=True) if kept]


def _summed(rows: np.ndarray, customers: np.ndarray) -> np.ndarray:
    total = np.zeros((int(customers.max()) + 1, rows.shape[1]))
    np.add.at(total, customers, rows)
    return total


def _distance(total: np.ndarray, covariance: np.ndarray) -> tuple[float, int]:
    """Mahalanobis distance, squared, over the directions that vary, and how many those are."""
    if not len(total):
        return 0.0, 0
    values, directions = np.linalg.eigh(covariance)
    kept = values > 1e-9 * max(float(values.max()), 1e-300)
    along = directions[:, kept].T @ total
    return float((along**2 / values[kept]).sum()), int(kept.sum())


def _furthest(
    known: np.ndarray, names: list[str], treated: np.ndarray, propensity: np.ndarray
) -> tuple[Apart, ...]:
    """The three columns whose weighted means differ most; the columns have standard deviation 1."""
    ours = np.average(known[treated], axis=0, weights=1 / propensity[treated])
    theirs = np.average(known[~treated], axis=0, weights=1 / (1 - propensity[~treated]))
    apart = ours - theirs
    order = np.argsort(-np.abs(apart), kind="stable")[:3]
    return tuple(Apart(names[place], float(apart[place])) for place in order)

"""Columns as a linear rule can read them: long tails logged, gaps filled."""

import numpy as np
from scipy.stats import skew

LONG_TAIL = 2.0
"""Skewness from which a column that is never negative is read by its logarithm."""


def skewed(features: np.ndarray) -> tuple[int, ...]:
    """The columns with a long tail to the right."""
    found = []
    for place in range(features.shape[1]):
        values = features[~np.isnan(features[:, place]), place]
        if len(values) and values.min() >= 0 and values.max() > 1 and skew(values) > LONG_TAIL:
            found.append(place)
    return tuple(found)


def logged(features: np.ndarray, places: tuple[int, ...]) -> np.ndarray:
    """A copy with log(1 + value) in these columns; below zero, where nothing was learned, as zero."""
    changed = np.array(features, dtype=float)
    changed[:, places] = np.log1p(np.maximum(changed[:, places], 0))
    return changed


def without_blanks(features: np.ndarray) -> np.ndarray:
    """A copy in which a column of which nothing is known is 0 throughout: trees can't be grown on no value at all."""
    blank = np.isnan(features).all(axis=0)
    return np.where(blank, 0.0, features) if blank.any() else features


def filled(features: np.ndarray) -> np.ndarray:
    """A copy with each gap filled by its column's median, or 0 where nothing of it is known."""
    gaps = np.isnan(features)
    if not gaps.any():
        return features
    medians = np.array(
        [
            np.median(column[~gap]) if (~gap).any() else 0.0
            for column, gap in zip(features.T, gaps.T, strict=True)
        ]
    )
    return np.where(gaps, medians, features)

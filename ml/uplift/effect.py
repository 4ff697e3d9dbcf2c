"""The average effect of a treatment with its interval, and the smallest one that could have been shown."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

LEVEL = 0.95
"""Of the intervals that are told."""
POWER = 0.8


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval, in the outcome's unit; NaN where an arm is empty."""

    value: float
    low: float
    high: float

    @property
    def above_zero(self) -> bool:
        """Whether the whole interval lies above zero."""
        return self.low > 0


@dataclass(frozen=True)
class Effect:
    """Mean outcome of those assigned minus that of those held out, and its standard error."""

    value: float
    standard_error: float
    treated: int
    held_out: int

    def interval(self, level: float = LEVEL) -> Estimate:
        """The value within an interval of that level."""
        reach = float(norm.isf((1 - level) / 2)) * self.standard_error
        return Estimate(self.value, self.value - reach, self.value + reach)

    @property
    def smallest_shown(self) -> float:
        """The smallest true effect that this many units would show: 80 % power, two-sided 5 %."""
        return smallest_effect(self.standard_error)


def average_effect(
    outcome: np.ndarray, treated: np.ndarray, weight: np.ndarray, customers: np.ndarray
) -> Effect:
    """The difference of the weighted means (Hájek), with a standard error over customers.

    `weight` is 1 ÷ the probability of the arm that a row is in. Where that is the same for all, it is the
    plain difference in means. `customers` are whole numbers from 0.
    """
    arms = (treated, ~treated)
    counts = [int(arm.sum()) for arm in arms]
    if min(counts) < 2:
        return Effect(float("nan"), float("nan"), *counts)
    influence, means = np.zeros(len(outcome)), []
    for sign, arm in zip((1.0, -1.0), arms, strict=True):
        total = weight[arm].sum()
        mean = float(weight[arm] @ outcome[arm] / total)
        # An arm's own mean was taken from it, which hides a little of its spread.
        grown = np.sqrt(arm.sum() / (arm.sum() - 1))
        influence[arm] = sign * grown * weight[arm] * (outcome[arm] - mean) / total
        means.append(mean)
    by_customer = np.bincount(customers, weights=influence)
    return Effect(means[0] - means[1], float(np.sqrt(by_customer @ by_customer)), *counts)


def planned_error(spread: float, treated: int, held_out: int) -> float:
    """The standard error that a draw of this size will have, where outcomes have this standard deviation."""
    return float(spread * np.sqrt(1 / treated + 1 / held_out))


def smallest_effect(standard_error: float) -> float:
    """The true effect that is found in 80 of 100 draws with a two-sided test of 5 %."""
    return float((norm.isf((1 - LEVEL) / 2) + norm.isf(1 - POWER)) * standard_error)

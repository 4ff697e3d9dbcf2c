"""The greatest likelihood of positive parameters, or why there is none."""

from collections.abc import Callable, Sequence

import numpy as np
from scipy.optimize import OptimizeResult, minimize

from ml.value.refusals import NotConverged

BOUND = 12.0
"""How far the logarithm of a (scaled) parameter may go: from 6e-6 to 160,000."""
FLAT = 1e-5
"""Slope of the mean log-likelihood, per unit of a parameter's logarithm, that counts as a maximum."""
CURE = "Take more customers or a longer history, or carry their own past on."

Objective = Callable[[np.ndarray], tuple[float, np.ndarray]]
"""From the parameters' values to the mean log-likelihood of a customer and its slope by each value."""


def maximise(objective: Objective, names: Sequence[str], starts: Sequence[Sequence[float]]) -> np.ndarray:
    """The values with the greatest likelihood over all starts.

    The search is over logarithms, so that every value stays positive; the caller scales his columns to about 1. Raises
    NotConverged where the best end is not flat, lies at a bound, or is no hilltop: what ran away is named.
    """

    def descend(logs: np.ndarray) -> tuple[float, np.ndarray]:
        values = np.exp(logs)
        height, slope = objective(values)
        return -height, -slope * values

    ends = [_from(descend, start) for start in starts]
    best = min((end for end in ends if np.isfinite(end.fun)), key=lambda end: end.fun, default=None)
    if best is None:
        raise NotConverged("", "the likelihood is not a number from any start.")
    logs = np.asarray(best.x)
    away = [name for name, log in zip(names, logs, strict=True) if abs(log) > BOUND - 0.01]
    if away:
        raise NotConverged(
            ", ".join(away),
            f"the likelihood still grows as far as {' and '.join(away)} may go: customers differ too little in what "
            f"this tells apart, or the model is not theirs. {CURE}",
        )
    steepest = float(np.abs(descend(logs)[1]).max())
    if not steepest < FLAT:
        raise NotConverged(
            "", f"no start ended on flat ground (slope {steepest:.1g} a customer): {best.message}"
        )
    _refuse_ridge(descend, logs, names)
    return np.exp(logs)


def _from(descend: Objective, start: Sequence[float]) -> OptimizeResult:
    bounds = [(-BOUND, BOUND)] * len(start)
    options = {"maxiter": 1000, "ftol": 1e-15, "gtol": 1e-9}
    return minimize(descend, np.log(start), jac=True, method="L-BFGS-B", bounds=bounds, options=options)


def _refuse_ridge(descend: Objective, logs: np.ndarray, names: Sequence[str]) -> None:
    """On a ridge many values are equally likely, and the one that was found is chance."""
    step = 1e-4
    moves = np.eye(len(logs)) * step
    bends = np.array([(descend(logs + m)[1] - descend(logs - m)[1]) / (2 * step) for m in moves])
    bend, direction = np.linalg.eigh((bends + bends.T) / 2)
    if not bend[0] > 1e-8:
        runaway = [name for name, part in zip(names, direction[:, 0], strict=True) if abs(part) > 0.3]
        raise NotConverged(
            ", ".join(runaway), f"many values of {' and '.join(runaway)} are equally likely. {CURE}"
        )

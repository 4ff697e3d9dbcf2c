"""How well money or purchases were foretold, on a window that no model saw.

The mean error is a poor judge here: most customers buy nothing, so that foretelling nothing is nearly best by it. Look
at the total, the order, and the money among those ranked highest.
"""

from collections.abc import Callable, Iterator, Mapping

import numpy as np
from msgspec import Struct

from ml.value.histories import refuse_unequal
from ml.value.refusals import NothingToJudge

_Ask = Callable[[np.ndarray], float]
ZERO = "zero"
TOP = 0.1


class Figure(Struct, frozen=True, kw_only=True):
    """A figure and the middle 95 % of its bootstrap over customers."""

    value: float
    low: float
    high: float


class Judgement(Struct, frozen=True, kw_only=True):
    """One model on one window.

    `total`: all foretold ÷ all that came; 1 is right. `rank_correlation` (Spearman) and `correlation` (Pearson) are
    None where everybody was foretold the same. `top_tenth`: part of what came that came from the tenth ranked highest;
    0.1 is chance. `mean_error`: mean distance of foretold and true, in the unit of what is judged.
    """

    model: str
    customers: int
    total: Figure
    rank_correlation: Figure | None
    correlation: Figure | None
    top_tenth: Figure
    mean_error: Figure


def judge(
    true: np.ndarray, foretold: Mapping[str, np.ndarray], *, seed: int, resamples: int = 500
) -> tuple[Judgement, ...]:
    """Each model's figures, and those of foretelling nothing (`zero`) last.

    `true` and each of `foretold` have a number a customer, in one order. All models see the same resamples. Raises
    WrongShape, NotFinite, NothingToJudge.
    """
    refuse_unequal({"true": true} | {f"foretold.{name}": column for name, column in foretold.items()})
    if not len(true) or true.sum() <= 0:
        raise NothingToJudge("true", f"nothing came from {len(true)} customers.")
    return tuple(
        _judgement(model, true, column, seed, resamples)
        for model, column in {**foretold, ZERO: np.zeros(len(true))}.items()
    )


def top_gain(
    true: np.ndarray, better: np.ndarray, than: np.ndarray, *, seed: int, resamples: int = 500
) -> Figure:
    """Top tenth's part by `better` minus that by `than`, over the same resamples. Raises as `judge` does."""
    refuse_unequal({"true": true, "better": better, "than": than})
    if not len(true) or true.sum() <= 0:
        raise NothingToJudge("true", f"nothing came from {len(true)} customers.")
    first, second = _Pair(true, better), _Pair(true, than)
    told = [first.top_share(t) - second.top_share(t) for t in _resamples(len(true), seed, resamples)]
    return _figure(told)


def _judgement(model: str, true: np.ndarray, foretold: np.ndarray, seed: int, resamples: int) -> Judgement:
    pair = _Pair(true, foretold)
    asked: dict[str, _Ask] = {"total": pair.total, "top_tenth": pair.top_share, "mean_error": pair.mean_error}
    if np.ptp(foretold) > 0 and np.ptp(true) > 0:
        asked |= {"rank_correlation": pair.rank_correlation, "correlation": pair.correlation}
    told: dict[str, list[float]] = {name: [] for name in asked}
    for times in _resamples(len(true), seed, resamples):
        for name, ask in asked.items():
            told[name].append(ask(times))
    return Judgement(
        model=model,
        customers=len(true),
        total=_figure(told["total"]),
        rank_correlation=_figure(told["rank_correlation"]) if "rank_correlation" in told else None,
        correlation=_figure(told["correlation"]) if "correlation" in told else None,
        top_tenth=_figure(told["top_tenth"]),
        mean_error=_figure(told["mean_error"]),
    )


def _resamples(customers: int, seed: int, resamples: int) -> Iterator[np.ndarray]:
    """How often each customer was drawn; the first is everybody once."""
    random = np.random.default_rng(seed)
    yield np.ones(customers)
    for _ in range(resamples):
        drawn = random.integers(0, customers, customers)
        yield np.bincount(drawn, minlength=customers).astype(np.float64)


def _figure(told: list[float]) -> Figure:
    """The first is the figure, the others its resamples; one in which it has no meaning is left out."""
    low, high = np.nanquantile(told[1:], [0.025, 0.975])
    return Figure(value=told[0], low=float(low), high=float(high))


class _Pair:
    """What came beside what was foretold, sorted once and asked for many resamples.

    `times` says how often each customer counts. Customers who are tied count with their mean.
    """

    def __init__(self, true: np.ndarray, foretold: np.ndarray) -> None:
        self.true, self.foretold = true, foretold
        self.true_group = np.unique(true, return_inverse=True)[1]
        self.group = np.unique(foretold, return_inverse=True)[1]

    def total(self, times: np.ndarray) -> float:
        came = times @ self.true
        return float(times @ self.foretold / came) if came > 0 else np.nan

    def mean_error(self, times: np.ndarray) -> float:
        return float(times @ np.abs(self.foretold - self.true) / times.sum())

    def correlation(self, times: np.ndarray) -> float:
        return _correlation(self.true, self.foretold, times)

    def rank_correlation(self, times: np.ndarray) -> float:
        return _correlation(_ranks(self.true_group, times), _ranks(self.group, times), times)

    def top_share(self, times: np.ndarray) -> float:
        listed = np.cumsum(np.bincount(self.group, weights=times)[::-1])
        found = np.cumsum(np.bincount(self.group, weights=times * self.true)[::-1])
        share = np.interp(TOP * listed[-1], np.append(0.0, listed), np.append(0.0, found))
        return float(share / found[-1]) if found[-1] > 0 else np.nan


def _ranks(group: np.ndarray, times: np.ndarray) -> np.ndarray:
    mass = np.bincount(group, weights=times)
    return (np.cumsum(mass) - mass / 2)[group]


def _correlation(one: np.ndarray, other: np.ndarray, times: np.ndarray) -> float:
    size = times.sum()
    one, other = one - times @ one / size, other - times @ other / size
    spread = (times @ one**2) * (times @ other**2)
    return float(times @ (one * other) / np.sqrt(spread)) if spread > 0 else np.nan

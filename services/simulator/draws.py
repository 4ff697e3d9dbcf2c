"""Chance: a stream for every customer and month, so that nobody's fate depends on how many others there are."""

from bisect import bisect
from collections.abc import Sequence
from itertools import accumulate
from math import exp, log
from statistics import NormalDist
from typing import Generic, TypeVar

from numpy.random import PCG64, Generator, SeedSequence

T = TypeVar("T")
_BLOCK = 192
_normal = NormalDist().inv_cdf


class Table(Generic[T]):
    """Things with weights, to draw one from."""

    __slots__ = ("_cumulative", "_things", "_total")

    def __init__(self, weights: dict[T, float]) -> None:
        self._things: Sequence[T] = tuple(weights)
        self._cumulative = list(accumulate(weights.values()))
        self._total = self._cumulative[-1]

    def at(self, share: float) -> T:
        """The thing where this share (0 to 1) of all weight lies before."""
        return self._things[min(bisect(self._cumulative, share * self._total), len(self._things) - 1)]


class Draws:
    """Draws from one spawned seed; drawing them in blocks makes each a tenth of a microsecond."""

    __slots__ = ("_left", "_random")

    def __init__(self, seed: int, *key: int) -> None:
        self._random = Generator(PCG64(SeedSequence(entropy=seed, spawn_key=key)))
        self._left: list[float] = []

    def share(self) -> float:
        """Evenly from [0, 1)."""
        if not self._left:
            self._left = self._random.random(_BLOCK).tolist()
        return self._left.pop()

    def happens(self, probability: float) -> bool:
        """True with this probability."""
        return self.share() < probability

    def between(self, low: float, high: float) -> float:
        """Evenly between two figures."""
        return low + (high - low) * self.share()

    def whole(self, below: int) -> int:
        """0, 1, … below - 1, each as likely."""
        return int(self.share() * below)

    def normal(self, mean: float = 0.0, deviation: float = 1.0) -> float:
        """From the bell curve."""
        return mean + deviation * _normal(max(self.share(), 1e-12))

    def lognormal(self, median: float, sigma: float) -> float:
        """A duration or an amount: its logarithm has this deviation."""
        return median * exp(self.normal(0.0, sigma))

    def exponential(self, mean: float) -> float:
        """The time until something that comes at a constant rate."""
        return -mean * log(1.0 - self.share())

    def count(self, mean: float) -> int:
        """How often something happens that happens `mean` times (Poisson)."""
        limit, product, found = exp(-mean), self.share(), 0
        while product > limit:
            product *= self.share()
            found += 1
        return found

    def pick(self, table: Table[T]) -> T:
        """One thing by its weight."""
        return table.at(self.share())

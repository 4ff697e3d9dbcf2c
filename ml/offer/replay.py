"""What another way to choose offers would have earned, judged on what was shown and what came of it.

A presentation counts by how much likelier the judged policy makes its offer than the log did (inverse propensity).
Self-normalised estimates divide by the weights that were really there: nearly unbiased and much steadier.
The question is always whether a personal choice beats the same offer for everyone; often it does not.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from msgspec import Struct

from ml.evaluation import Interval
from models.errors import Refused

FEWEST_SHOWN = 50
"""Presentations of an offer below which nothing can be said of a policy that makes it."""

NORMAL_95 = 1.96
FAR = 5.0
"""Standard errors by which mean weights may lie from 1 before the propensities are not believed."""


@dataclass(frozen=True, eq=False)
class Log:
    """Presentations, one a row.

    `shown` is the offer's place in `offers`, `propensity` the chance with which the log chose it, `earned` what
    came of it (1 for an acceptance, or money). `customers` tells the rows of one customer, where a customer has
    more than one; else each row is one of its own. `possible` has for each row the offers that had a chance
    (eligible and left to chance); without it every offer had one in every row.

    Refused: `replay.no_propensity` (nothing can be replayed), `replay.bad_propensity`, `replay.bad_log`.
    """

    offers: tuple[str, ...]
    shown: np.ndarray
    propensity: np.ndarray | None
    earned: np.ndarray
    customers: np.ndarray | None = None
    possible: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.propensity is None:
            raise Refused(
                "replay.no_propensity", "the log does not say how likely each offer was; log it", "propensity"
            )
        rows = {len(self.shown), len(self.propensity), len(self.earned)}
        if len(rows) > 1 or rows == {0} or (self.customers is not None and len(self.customers) not in rows):
            raise Refused("replay.bad_log", "the log's columns are empty or differ in length", "shown")
        missing = np.flatnonzero(np.isnan(self.propensity))
        if len(missing):
            raise Refused(
                "replay.no_propensity", f"{len(missing)} presentations do not say how likely they were",
                f"propensity/{missing[0]}",
            )  # fmt: skip
        impossible = np.flatnonzero(~((self.propensity > 0) & (self.propensity <= 1)))
        if len(impossible):
            raise Refused(
                "replay.bad_propensity", "what was shown had a chance above 0 and up to 1",
                f"propensity/{impossible[0]}",
            )  # fmt: skip
        if not np.isfinite(self.earned).all():
            raise Refused("replay.bad_log", "what came of a presentation is not known", "earned")
        if self.shown.min() < 0 or self.shown.max() >= len(self.offers):
            raise Refused("replay.bad_log", "an offer was shown that the log does not name", "shown")
        if self.reach.shape != (len(self.shown), len(self.offers)):
            raise Refused("replay.bad_log", "a row a presentation and a place for each offer", "possible")
        if not self.reach[np.arange(len(self.shown)), self.shown].all():
            raise Refused("replay.bad_log", "an offer was shown that had no chance", "possible")

    @cached_property
    def reach(self) -> np.ndarray:
        """Rows x offers: had the offer a chance?"""
        if self.possible is None:
            return np.ones((len(self.shown), len(self.offers)), dtype=bool)
        return np.asarray(self.possible, dtype=bool)

    @cached_property
    def chance(self) -> np.ndarray:
        """The propensities, which are there."""
        assert self.propensity is not None
        return self.propensity


class Estimate(Struct, frozen=True, kw_only=True):
    """What a policy earns a presentation, self-normalised, with its standard error and 95 % interval.

    `plain` and `plain_error` are the same by inverse propensity alone. `effective` is how many presentations
    the weights leave to learn from.
    """

    value: float
    error: float
    low: float
    high: float
    plain: float
    plain_error: float
    effective: float


class Verdict(Struct, frozen=True, kw_only=True):
    """A personal choice beside each offer made to everyone; `gain` is over the best of those, in this log.

    Both earn `a presentation`: whoever was shown nothing is not in the log.
    """

    personal: Estimate
    fixed: dict[str, Estimate]
    best_fixed: str
    gain: Interval

    @property
    def same_for_everyone(self) -> bool:
        """Is a gain not proven? True as soon as the interval reaches 0.

        True as well where the weights leave too few presentations for the interval to be believed.
        """
        return self.gain.low <= 0 or self.personal.effective < FEWEST_SHOWN

    @property
    def says(self) -> str:
        """The verdict in a sentence."""
        gain = f"{self.gain.value:+.4f} a presentation (95 %: {self.gain.low:+.4f} to {self.gain.high:+.4f})"
        best = f"{self.best_fixed}, which earns {self.fixed[self.best_fixed].value:.4f} a presentation"
        if not self.same_for_everyone:
            return f"choose for each customer: {gain} more than the same for everyone, {best}"
        why = "loses" if self.gain.high < 0 else "is not proven to gain"
        return f"the same for everyone: {best}; a personal choice {why}: {gain}"


def estimate(log: Log, policy: np.ndarray) -> Estimate:
    """What a policy would have earned; `policy` has a row a presentation: the chance of each offer.

    Refused: `replay.bad_policy`, `replay.hardly_shown` (it makes an offer that the log hardly knows),
    `replay.propensities_do_not_fit` (the weights' mean is far from 1: the log's propensities are not those
    with which it chose, or an offer was out of reach for some).
    """
    _check(log, policy)
    return _estimated(log, policy)[0]


def judge(log: Log, policy: np.ndarray) -> Verdict:
    """Is a personal choice worth it? Judge on presentations from which the policy did not learn.

    The best fixed offer is the one that did best in this very log, which flatters it a little: a gain that
    is proven against it stands. Where it had no chance, the others follow in one order for all. An offer that the
    log hardly knows is not tried on everyone. Refused as by `estimate`.
    """
    _check(log, policy)
    personal, pull = _estimated(log, policy)
    fixed: dict[str, Estimate] = {}
    pulls: dict[str, np.ndarray] = {}
    times = np.bincount(log.shown, minlength=len(log.offers))
    known = np.flatnonzero(times >= FEWEST_SHOWN).tolist()
    ranked = sorted(range(len(log.offers)), key=lambda at: (at not in known, -_alone(log, at), at))
    for first in known:
        offer, order = log.offers[first], [first, *(at for at in ranked if at != first)]
        fixed[offer], pulls[offer] = _estimated(log, same_for_everyone(log, order))
    best = max(fixed, key=lambda offer: fixed[offer].value)
    value, error = personal.value - fixed[best].value, _error(pull - pulls[best], log)
    gain = Interval(value=value, low=value - NORMAL_95 * error, high=value + NORMAL_95 * error)
    return Verdict(personal=personal, fixed=fixed, best_fixed=best, gain=gain)


def same_for_everyone(log: Log, order: Sequence[int]) -> np.ndarray:
    """A policy that makes everyone the first offer of `order` (places) that had a chance there."""
    first = np.argmax(log.reach[:, order], axis=1)
    return certain(np.array(order)[first], len(log.offers))


def certain(chosen: np.ndarray, offers: int) -> np.ndarray:
    """A policy that chooses without chance: 1 for each row's offer, 0 for the others."""
    return np.eye(offers)[chosen]


def _estimated(log: Log, policy: np.ndarray) -> tuple[Estimate, np.ndarray]:
    """The estimate, and each presentation's pull on it: how far it draws the value away from the mean."""
    weight = policy[np.arange(len(log.shown)), log.shown] / log.chance
    mean = float(weight.mean())
    if abs(mean - 1) > FAR * _error(weight - mean, log) + 1e-6:
        raise Refused(
            "replay.propensities_do_not_fit",
            f"weights that should be 1 in the mean are {mean:.3f}; log the chance with which each offer was chosen",
            "propensity",
        )
    plain = float((weight * log.earned).mean())
    value = plain / mean
    pull = weight * (log.earned - value) / mean
    error = _error(pull, log)
    found = Estimate(
        value=value,
        error=error,
        low=value - NORMAL_95 * error,
        high=value + NORMAL_95 * error,
        plain=plain,
        plain_error=_error(weight * log.earned - plain, log),
        effective=float(weight.sum() ** 2 / (weight**2).sum()),
    )
    return found, pull


def _alone(log: Log, place: int) -> float:
    """What an offer earned where it had a chance."""
    mine = log.shown == place
    weight = 1 / log.chance[mine]
    return float((weight * log.earned[mine]).sum() / weight.sum()) if mine.any() else 0.0


def _error(pull: np.ndarray, log: Log) -> float:
    """Standard error of the mean of pulls; what one customer did is one answer, not several."""
    if log.customers is None:
        return float(np.sqrt((pull**2).sum()) / len(pull))
    _, whose = np.unique(log.customers, return_inverse=True)
    return float(np.sqrt((np.bincount(whose, weights=pull) ** 2).sum()) / len(pull))


def _check(log: Log, policy: np.ndarray) -> None:
    if policy.shape != (len(log.shown), len(log.offers)):
        raise Refused(
            "replay.bad_policy", "a policy has a row a presentation and a chance for each offer", "policy"
        )
    if not ((policy >= 0).all() and np.allclose(policy.sum(axis=1), 1, atol=1e-6)):
        raise Refused("replay.bad_policy", "the chances of a row are at least 0 and add up to 1", "policy")
    if policy[~log.reach].any():
        raise Refused("replay.bad_policy", "the policy makes an offer where it had no chance", "policy")
    times = np.bincount(log.shown, minlength=len(log.offers))
    for place, offer in enumerate(log.offers):
        if times[place] < FEWEST_SHOWN and policy[:, place].any():
            raise Refused(
                "replay.hardly_shown",
                f"{offer} was shown {times[place]} times; {FEWEST_SHOWN} are needed to judge it",
                f"offers/{place}",
            )

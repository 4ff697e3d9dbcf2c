"""The Qini coefficient: how much better than chance an order finds those whom a treatment moves.

There are many definitions under the name; here it is this one, and no other. Customers are taken in the
order of a score, highest first. After k of them the Qini curve is

    outcomes of the treated among them − outcomes of those held out × (treated ÷ held out among them)

(Radcliffe, Direct Marketing Analytics Journal 2007). Customers with the same score come in together.
The coefficient is the area between the curve and the straight line to its end, divided by the same area
for the order that would be best in hindsight: treated with an outcome first, held out with one last
(for money: by outcome of the treated, minus outcome of those held out). 0 is chance, below 0 worse. This
is what scikit-uplift calls `qini_auc_score`. Where the probability of treatment varies, outcomes and
counts are weighted by 1 ÷ the probability of the arm; the horizontal axis stays the number of customers.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Curve:
    """Points of a Qini curve, from (0, 0): customers taken, and outcomes gained among them."""

    customers: np.ndarray
    gained: np.ndarray

    @property
    def area(self) -> float:
        """Between the curve and the straight line to its end."""
        under = float(np.trapezoid(self.gained, self.customers))
        return under - float(self.customers[-1] * self.gained[-1]) / 2


@dataclass(frozen=True, eq=False)
class Ranking:
    """Rows sorted once by a score, so that many resamples of them cost little."""

    order: np.ndarray
    ends: np.ndarray
    treated: np.ndarray
    held_out: np.ndarray
    treated_outcome: np.ndarray
    held_out_outcome: np.ndarray

    @classmethod
    def by(cls, score: np.ndarray, outcome: np.ndarray, treated: np.ndarray, weight: np.ndarray) -> "Ranking":
        """Highest score first; `ends` are the places where a run of equal scores ends."""
        order = np.argsort(-score, kind="stable")
        sorted_score = score[order]
        ends = np.flatnonzero(np.append(sorted_score[1:] != sorted_score[:-1], True))
        ours = (weight * treated)[order]
        theirs = (weight * ~treated)[order]
        return cls(order, ends, ours, theirs, ours * outcome[order], theirs * outcome[order])

    def curve(self, times: np.ndarray) -> Curve:
        """The curve where row i counts `times[i]` times."""
        rows = times[self.order]
        taken, treated, held_out, ours, theirs = (
            np.cumsum(part)[self.ends]
            for part in (
                rows,
                rows * self.treated,
                rows * self.held_out,
                rows * self.treated_outcome,
                rows * self.held_out_outcome,
            )
        )
        ratio = np.divide(treated, held_out, out=np.zeros(len(taken)), where=held_out > 0)
        return Curve(np.append(0.0, taken), np.append(0.0, ours - theirs * ratio))


def in_hindsight(outcome: np.ndarray, treated: np.ndarray) -> np.ndarray:
    """The score whose order is the best that the outcomes allow."""
    return np.where(treated, outcome, -outcome)


def qini(
    outcome: np.ndarray, treated: np.ndarray, score: np.ndarray, weight: np.ndarray | None = None
) -> float:
    """The coefficient of one order; NaN where no order is better than another."""
    weight = np.ones(len(outcome)) if weight is None else weight
    once = np.ones(len(outcome))
    best = Ranking.by(in_hindsight(outcome, treated), outcome, treated, weight).curve(once).area
    own = Ranking.by(score, outcome, treated, weight).curve(once).area
    return own / best if best > 0 else float("nan")

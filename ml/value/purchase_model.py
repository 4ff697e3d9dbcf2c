"""How many more purchases: BG/NBD, the beta-geometric / negative binomial model.

Fader, Hardie and Lee, "Counting Your Customers" the Easy Way, Marketing Science 24(2), 2005; equations are theirs.
While alive a customer buys at a pace of his own (Poisson; paces are gamma with shape r and rate alpha); after each
purchase he leaves with a chance of his own (these are beta with a and b).
"""

import numpy as np
from msgspec import Struct
from scipy.special import betaln, gammaln, hyp2f1, psi

from ml.value.histories import Histories
from ml.value.likelihood import maximise
from ml.value.parameters import as_floats, checked
from ml.value.refusals import (
    ConstantColumn,
    ImpossibleHistory,
    NotFinite,
    TooFewCustomers,
    TooFewRepeatBuyers,
)

FEWEST_CUSTOMERS, FEWEST_REPEAT_BUYERS = 100, 30
NAMES = ("r", "alpha", "a", "b")
STARTS = ((0.5, 0.5, 0.5, 1.5), (1.0, 1.0, 1.0, 1.0), (0.2, 0.1, 0.2, 3.0), (3.0, 2.0, 2.0, 10.0))


class PurchaseModel(Struct, frozen=True, kw_only=True):
    """A fitted BG/NBD. `alpha` is in the histories' unit of time, the others have none; all are positive."""

    r: float
    alpha: float
    a: float
    b: float

    def expected(self, histories: Histories, horizon: float) -> np.ndarray:
        """Purchases to expect of each customer in the next `horizon` units of time; one number a row. Equation 10.

        Raises ImpossibleHistory for a horizon below 0, NotFinite for one that is no number.
        """
        if not np.isfinite(horizon):
            raise NotFinite("horizon", "it must be a finite length of time.")
        if horizon < 0:
            raise ImpossibleHistory("horizon", "it must not be negative.")
        # The formula is 0/0 at a = 1 and at a + b = 1 for one-time buyers, though the answer is smooth there.
        if min(abs(self.a - 1), abs(self.a + self.b - 1)) < 1e-5:
            around = [self._while_alive(histories, horizon, self.a + step) for step in (-1e-4, 1e-4)]
            return self.p_alive(histories) * (around[0] + around[1]) / 2
        return self.p_alive(histories) * self._while_alive(histories, horizon, self.a)

    def p_alive(self, histories: Histories) -> np.ndarray:
        """Chance that each customer has not left (Fader and Hardie, Computing P(alive) Using the BG/NBD Model, 2008).

        It is 1 for everybody who bought once, however long ago, as the model lets nobody leave but after a repeat
        purchase. So never rank win-backs by it: "lowest chance first" leaves out exactly the one-time buyers, most of
        whom are gone. Rank by `expected`, which falls with their silence too.
        """
        return 1 - self._gone(histories)

    def log_likelihood(self, histories: Histories) -> float:
        """Natural logarithm of equation 6, summed over customers."""
        return float(
            _likelihood(np.array([self.r, self.alpha, self.a, self.b]), histories)[0] * len(histories)
        )

    def to_parameters(self) -> dict[str, float]:
        """All there is to it, for JSON."""
        return as_floats(self)

    @classmethod
    def from_parameters(cls, parameters: dict[str, float]) -> "PurchaseModel":
        """The model of these parameters. Raises BadParameters."""
        return cls(**checked(parameters, NAMES))

    def _gone(self, histories: Histories) -> np.ndarray:
        x = histories.repeats
        silence = (self.alpha + histories.age) / (self.alpha + histories.last)
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            odds = self.a / (self.b + x - 1) * np.exp((self.r + x) * np.log(silence))
            return np.where(x > 0, 1 / (1 + 1 / odds), 0.0)

    def _while_alive(self, histories: Histories, horizon: float, a: float) -> np.ndarray:
        """Equation 10 without its denominator, the hypergeometric function turned round (Euler).

        As printed, its argument nears 1 for a long horizon, where the function explodes and its factor vanishes.
        """
        x, seen = histories.repeats, self.alpha + histories.age
        rest = hyp2f1(a - 1, a + self.b - 1 - self.r, a + self.b + x - 1, horizon / (seen + horizon))
        expected = (a + self.b + x - 1) / (a - 1) * (1 - (seen / (seen + horizon)) ** (a - 1) * rest)
        return np.maximum(expected, 0.0)


def fit(histories: Histories) -> PurchaseModel:
    """The most likely BG/NBD, by maximum likelihood from several starts.

    Raises TooFewCustomers (under 100), TooFewRepeatBuyers (under 30), ConstantColumn, NotConverged.
    """
    repeaters = int((histories.repeats > 0).sum())
    if len(histories) < FEWEST_CUSTOMERS:
        raise TooFewCustomers("histories", f"{len(histories)} customers; {FEWEST_CUSTOMERS} are needed.")
    if repeaters < FEWEST_REPEAT_BUYERS:
        raise TooFewRepeatBuyers(
            "histories.repeats",
            f"{repeaters} of {len(histories)} bought again; {FEWEST_REPEAT_BUYERS} are needed.",
        )
    for name in ("repeats", "last"):
        if np.ptp(getattr(histories, name)) == 0:
            raise ConstantColumn(f"histories.{name}", "it is the same for every customer.")
    unit = float(np.mean(histories.age))  # Times of about 1 make all four parameters of a size.
    scaled = Histories(histories.repeats, histories.last / unit, histories.age / unit)
    r, alpha, a, b = maximise(lambda values: _likelihood(values, scaled), NAMES, STARTS)
    return PurchaseModel(r=float(r), alpha=float(alpha * unit), a=float(a), b=float(b))


def _likelihood(values: np.ndarray, histories: Histories) -> tuple[float, np.ndarray]:
    """Mean logarithm of equation 6, and its slope by r, alpha, a and b."""
    r, alpha, a, b = values
    x, last, age = histories.repeats, histories.last, histories.age
    again = x > 0
    alive = -(r + x) * np.log(alpha + age)
    left = np.full(len(x), -np.inf)
    left[again] = np.log(a) - np.log(b + x[again] - 1) - (r + x[again]) * np.log(alpha + last[again])
    either = np.logaddexp(alive, left)
    height = (
        gammaln(r + x) - gammaln(r) + r * np.log(alpha) + betaln(a, b + x) - betaln(a, b) + either
    )  # fmt: skip
    gone = np.exp(left - either)
    both = psi(a + b) - psi(a + b + x)
    slope = (
        psi(r + x) - psi(r) + np.log(alpha) - (1 - gone) * np.log(alpha + age) - gone * np.log(alpha + last),
        r / alpha - (r + x) * ((1 - gone) / (alpha + age) + gone / (alpha + last)),
        both + gone / a,
        both + psi(b + x) - psi(b) - np.where(again, gone / np.where(again, b + x - 1, 1.0), 0.0),
    )
    return float(height.mean()), np.array([part.mean() for part in slope])

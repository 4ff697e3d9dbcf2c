"""How much money a purchase: Gamma-Gamma.

Fader and Hardie, The Gamma-Gamma Model of Monetary Value, 2013; equations are theirs. A customer's purchases vary
round a mean of his own (gamma with shape p), and these means vary between customers (inverse gamma by q and gamma). The
model takes it that what one pays has nothing to do with how often one buys: see `ties_to_frequency`.
"""

import numpy as np
from msgspec import Struct
from scipy.special import gammaln, psi
from scipy.stats import spearmanr

from ml.value.histories import Spending
from ml.value.likelihood import maximise
from ml.value.parameters import as_floats, checked
from ml.value.refusals import BadParameters, ConstantColumn, NotConverged, TooFewCustomers

FEWEST_CUSTOMERS = 30
NAMES = ("p", "q", "gamma")
STARTS = ((2.0, 3.0, 1.0), (6.0, 4.0, 0.5), (1.0, 1.5, 1.0), (20.0, 10.0, 0.5))


class SpendModel(Struct, frozen=True, kw_only=True):
    """A fitted Gamma-Gamma. `gamma` is in the currency of the spending; `p`, `q` are bare. `q` is above 1."""

    p: float
    q: float
    gamma: float

    @property
    def population_mean(self) -> float:
        """Money a purchase of a customer of whom nothing is known: p gamma / (q - 1)."""
        return self.p * self.gamma / (self.q - 1)

    def expected(self, spending: Spending) -> np.ndarray:
        """Money to expect a purchase, of each customer; one number a row. Equation 5.

        A mean of the customer's own and the population's, the more his own the more purchases he made.
        """
        own = np.where(spending.purchases > 0, spending.purchases * spending.mean, 0.0)
        return self.p * (self.gamma + own) / (self.p * spending.purchases + self.q - 1)

    def log_likelihood(self, spending: Spending) -> float:
        """Natural logarithm of equation 1a, summed over the customers who bought."""
        known = spending.rows(spending.purchases > 0)
        return _likelihood(np.array([self.p, self.q, self.gamma]), known)[0] * len(known)

    def to_parameters(self) -> dict[str, float]:
        """All there is to it, for JSON."""
        return as_floats(self)

    @classmethod
    def from_parameters(cls, parameters: dict[str, float]) -> "SpendModel":
        """The model of these parameters. Raises BadParameters."""
        read = checked(parameters, NAMES)
        if read["q"] <= 1:
            raise BadParameters("parameters.q", "it must be above 1, or the mean spend is infinite.")
        return cls(**read)


def fit(spending: Spending) -> SpendModel:
    """The most likely Gamma-Gamma of those with at least one purchase.

    Raises TooFewCustomers (under 30), ConstantColumn, NotConverged (also for q at most 1: without a mean).
    """
    known = spending.rows(spending.purchases > 0)
    if len(known) < FEWEST_CUSTOMERS:
        raise TooFewCustomers("spending", f"{len(known)} customers paid; {FEWEST_CUSTOMERS} are needed.")
    unit = float(np.mean(known.mean))
    if np.ptp(known.mean) <= 1e-9 * unit:
        raise ConstantColumn(
            "spending.mean", "every customer pays the same per purchase; no model is needed."
        )
    scaled = Spending(known.purchases, known.mean / unit)
    p, q, gamma = maximise(lambda values: _likelihood(values, scaled), NAMES, STARTS)
    if q <= 1:
        raise NotConverged("q", "the likeliest mean spend is infinite: a few purchases outweigh all others.")
    return SpendModel(p=float(p), q=float(q), gamma=float(gamma * unit))


def ties_to_frequency(spending: Spending) -> float:
    """Rank correlation, from -1 to 1, of spend and number of purchases among those who bought more than once.

    The model takes it for 0. Far from 0, say beyond 0.3, the money of frequent buyers is foretold wrongly.
    """
    known = spending.rows(spending.purchases > 1)
    if len(known) < 3 or np.ptp(known.purchases) == 0 or np.ptp(known.mean) == 0:
        return 0.0
    return float(spearmanr(known.purchases, known.mean).statistic)


def _likelihood(values: np.ndarray, spending: Spending) -> tuple[float, np.ndarray]:
    """Mean logarithm of equation 1a, and its slope by p, q and gamma."""
    p, q, gamma = values
    x, mean = spending.purchases, spending.mean
    shape, total = p * x, gamma + x * mean
    height = (
        gammaln(shape + q) - gammaln(shape) - gammaln(q)
        + q * np.log(gamma) + (shape - 1) * np.log(mean) + shape * np.log(x) - (shape + q) * np.log(total)
    )  # fmt: skip
    slope = (
        x * (psi(shape + q) - psi(shape) + np.log(mean * x / total)),
        psi(shape + q) - psi(q) + np.log(gamma / total),
        q / gamma - (shape + q) / total,
    )
    return float(height.mean()), np.array([part.mean() for part in slope])

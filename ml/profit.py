"""How much a list earns by its length: foretold before it is sent, and counted where it is known who left.

The formula is `models.domain.profit`; here it is applied to whole populations. Money is in one currency, and a
profit is that of the whole population unless it says "a customer".
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc

from models.domain import profit
from models.errors import Refused

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Terms:
    """What a customer who is kept is worth, and what trying costs; each one figure for all, or one a customer.

    The defaults are those of the published measure (Verbraken, Verbeke and Baesens 2013). Raises `Refused`
    (`profit.terms`, with the field's name) for a figure that is negative or no number.
    """

    value: float | Numbers = 200.0
    offer_cost: float | Numbers = 10.0
    contact_cost: float | Numbers = 1.0

    def __post_init__(self) -> None:
        for name in ("value", "offer_cost", "contact_cost"):
            figures = np.asarray(getattr(self, name), dtype=float)
            if not (np.isfinite(figures) & (figures >= 0)).all():
                raise Refused("profit.terms", f"{name} must be amounts of money that are not negative", name)

    def of(self, customers: int) -> tuple[Numbers, Numbers, Numbers]:
        """Value, offer cost and contact cost, one a customer. Raises `Refused` (`profit.rows`)."""
        return (
            _each(self.value, customers, "value"),
            _each(self.offer_cost, customers, "offer_cost"),
            _each(self.contact_cost, customers, "contact_cost"),
        )


@dataclass(frozen=True)
class Acceptance:
    """How sure we are of the share of leavers whom the offer keeps: Beta(alpha, beta), 0.3 ± 0.1 by default.

    Raises `Refused` (`profit.acceptance`) where either is not positive.
    """

    alpha: float = 6.0
    beta: float = 14.0

    def __post_init__(self) -> None:
        if not (0 < self.alpha < np.inf and 0 < self.beta < np.inf):
            raise Refused("profit.acceptance", "alpha and beta of the acceptance must be positive numbers")

    @property
    def mean(self) -> float:
        """The share that is expected."""
        return self.alpha / (self.alpha + self.beta)


@dataclass(frozen=True)
class Point:
    """A list of this many customers: their share of all, what it earns and what it costs, all and a customer."""

    listed: int
    share: float
    profit: float
    spend: float
    a_customer: float


@dataclass(frozen=True)
class Curve:
    """Lists of every length that the order allows, nobody first; equals are listed together or not at all."""

    listed: NDArray[np.int64]
    profit: Numbers
    spend: Numbers

    @property
    def customers(self) -> int:
        """How many there are to choose from."""
        return int(self.listed[-1])

    @property
    def best(self) -> Point:
        """The list that earns most, the shortest of equals; nobody where nobody pays."""
        return self._point(int(np.argmax(self.profit)))

    def within(self, *, capacity: int | None = None, budget: float | None = None) -> Point:
        """The list that earns most with at most this many customers and at most this much spent."""
        allowed = np.ones(len(self.listed), dtype=bool)
        if capacity is not None:
            allowed &= self.listed <= capacity
        if budget is not None:
            allowed &= self.spend <= budget
        if not allowed.any():
            raise Refused("profit.limits", "a capacity or a budget must not be negative")
        return self._point(int(np.argmax(np.where(allowed, self.profit, -np.inf))))

    def at(self, share: float) -> Point:
        """A fixed cut: the first `share` of all customers; equals at the border count with their mean."""
        if not 0 <= share <= 1:
            raise Refused("profit.share", "a share of the customers lies between 0 and 1")
        listed = share * self.customers
        earned = float(np.interp(listed, self.listed, self.profit))
        cost = float(np.interp(listed, self.listed, self.spend))
        return self._as_point(round(listed), earned, cost)

    def _point(self, place: int) -> Point:
        return self._as_point(int(self.listed[place]), float(self.profit[place]), float(self.spend[place]))

    def _as_point(self, listed: int, earned: float, cost: float) -> Point:
        return Point(
            listed=listed, share=listed / self.customers, profit=earned, spend=cost,
            a_customer=earned / self.customers,
        )  # fmt: skip


def foretold(won: Numbers, anyway: Numbers, terms: Terms) -> Curve:
    """What lists are expected to earn, everybody ranked by what contacting them earns.

    `won` and `anyway` come from a probability (`profit.leaving`) or a measured effect (`profit.measured`). The
    best list ends where the last customer stops paying.
    """
    _same_length(won, anyway)
    earns, costs = _rows(won, anyway, terms)
    return _curve(earns, earns, costs)


def counted(left: Numbers, order: Numbers, terms: Terms, acceptance: float) -> Curve:
    """What lists would have earned: `left` says who left (1) or stayed (0) without being contacted.

    The highest `order` is listed first: a probability, or the expected profit. Of the leavers the offer would
    have kept the share `acceptance`.
    """
    _knows_leavers(left, order)
    won, anyway = profit.leaving(left, np.full(len(left), acceptance))
    return _curve(order, *_rows(won, anyway, terms))


@dataclass(frozen=True)
class ExpectedMaximum:
    """Expected maximum profit a customer (EMPC), and the share of customers that the best lists hold on average."""

    a_customer: float
    share: float


def expected_maximum(
    left: Numbers, order: Numbers, terms: Terms | None = None, acceptance: Acceptance | None = None
) -> ExpectedMaximum:
    """The best list's profit where the acceptance is not known, averaged over what it may be; exact.

    It is a measure of an order: for each acceptance the list is cut where it is best for that one. Whoever must
    cut before the acceptance shows earns less; what they earn follows from the mean acceptance alone (`counted`).

    For a given acceptance g a list earns g x A - B, where A and B do not depend on g. So the best profit is the
    upper hull of these lines, and each piece of it is integrated against the Beta distribution in closed form.
    Values and costs may differ by customer. Where they do not, this is the published measure.
    """
    _knows_leavers(left, order)
    terms, acceptance = terms or Terms(), acceptance or Acceptance()
    nobody, everybody = np.zeros(len(left)), np.ones(len(left))
    refused, _ = _rows(*profit.leaving(left, nobody), terms)
    accepted, _ = _rows(*profit.leaving(left, everybody), terms)
    without = _curve(order, refused, refused)
    gain = _curve(order, accepted - refused, refused).profit
    lines = _upper_hull(gain, -without.profit)
    borders = _borders(gain[lines], -without.profit[lines])
    weight = np.diff(betainc(acceptance.alpha, acceptance.beta, borders))
    moment = acceptance.mean * np.diff(betainc(acceptance.alpha + 1, acceptance.beta, borders))
    best = (gain[lines] * moment + without.profit[lines] * weight).sum()
    return ExpectedMaximum(
        a_customer=float(best / len(left)), share=float((without.listed[lines] * weight).sum() / len(left))
    )


def _rows(won: Numbers, anyway: Numbers, terms: Terms) -> tuple[Numbers, Numbers]:
    """What contacting each customer earns and costs."""
    value, offer_cost, contact_cost = terms.of(len(won))
    return (
        profit.earned(won, anyway, value, offer_cost, contact_cost),
        profit.spent(won, anyway, offer_cost, contact_cost),
    )


def _curve(order: Numbers, earns: Numbers, costs: Numbers) -> Curve:
    ranked = np.argsort(-order, kind="stable")
    last_of_equals = np.append(np.flatnonzero(np.diff(order[ranked])), len(order) - 1)

    def total(rows: Numbers) -> Numbers:
        return np.concatenate([[0.0], np.cumsum(rows[ranked])[last_of_equals]])

    return Curve(listed=np.concatenate([[0], last_of_equals + 1]), profit=total(earns), spend=total(costs))


def _upper_hull(slope: Numbers, cost: Numbers) -> NDArray[np.int64]:
    """Which of the lines g x slope - cost may be the highest somewhere, in the order in which they are, g rising."""
    hull: list[int] = []
    for place in np.lexsort((cost, slope)):
        if hull and slope[place] == slope[hull[-1]]:
            continue  # as steep and no cheaper
        while len(hull) > 1 and (
            _crossing(slope, cost, hull[-1], place) <= _crossing(slope, cost, hull[-2], hull[-1])
        ):
            hull.pop()
        hull.append(int(place))
    return np.array(hull, dtype=np.int64)


def _crossing(slope: Numbers, cost: Numbers, flat: int, steep: int) -> float:
    return float((cost[steep] - cost[flat]) / (slope[steep] - slope[flat]))


def _borders(slope: Numbers, cost: Numbers) -> Numbers:
    """Between which acceptances each line of the hull is the highest, within 0 to 1."""
    return np.concatenate([[0.0], np.clip(np.diff(cost) / np.diff(slope), 0, 1), [1.0]])


def _each(figure: float | Numbers, customers: int, name: str) -> Numbers:
    figures = np.asarray(figure, dtype=float)
    if figures.ndim and figures.shape != (customers,):
        raise Refused("profit.rows", f"{name} must be one figure for all or one for each customer", name)
    return np.broadcast_to(figures, (customers,))


def _same_length(*columns: Numbers) -> None:
    first = columns[0]
    if not len(first) or any(one.shape != first.shape for one in columns):
        raise Refused(
            "profit.rows", "there must be customers, and every column must have one figure for each"
        )
    if not all(np.isfinite(one).all() for one in columns):
        raise Refused("profit.rows", "a probability, effect or order is missing or infinite")


def _knows_leavers(left: Numbers, order: Numbers) -> None:
    _same_length(left, order)
    if not np.isin(left, (0, 1)).all():
        raise Refused("profit.left", "who left is told by 1, who stayed by 0", "left")

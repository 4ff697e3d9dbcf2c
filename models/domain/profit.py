"""What contacting a customer is expected to earn, and where a list ends because the next one does not pay.

A contacted customer takes the offer because of it (`won`), would have stayed or come back without it and takes it
too (`anyway`), or does not take it. Both are shares of one:

    spend  = (won + anyway) x offer cost + contact cost
    profit = won x value - spend

For a customer who leaves with probability p, of whom the offer keeps the share a, this is the profit of a campaign
after Verbraken, Verbeke and Baesens (2013): p x a x (value - offer) - (1 - p) x offer - contact.
"""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Literal, TypeVar

from models.errors import Refused

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Figure = TypeVar("Figure", float, Decimal, "NDArray[np.float64]")
"""One customer's figure, exact or not, or a whole population's: the formula is the same."""
Single = TypeVar("Single", float, Decimal)

Cut = Literal["", "does_not_pay", "over_capacity", "over_budget"]
"""The rule that leaves a ranked candidate out; empty: contacted."""


def spent(won: Figure, anyway: Figure, offer_cost: Figure, contact_cost: Figure) -> Figure:
    """What contacting is expected to cost: the contact, and the offer wherever it is taken."""
    return (won + anyway) * offer_cost + contact_cost


def earned(won: Figure, anyway: Figure, value: Figure, offer_cost: Figure, contact_cost: Figure) -> Figure:
    """What contacting is expected to earn after all costs; may be negative."""
    return won * value - spent(won, anyway, offer_cost, contact_cost)


def leaving(probability: Figure, acceptance: Figure) -> tuple[Figure, Figure]:
    """Won and anyway of customers who may leave: the offer keeps a share of the leavers, and every stayer takes it.

    `acceptance` is one share for everybody: an assumption until a hold-out has measured the effect (`measured`).
    """
    return probability * acceptance, 1 - probability


def returning(probability: Single, acceptance: Single) -> tuple[Single, Single]:
    """Won and anyway of lost customers, who come back by themselves with this probability and take the offer then.

    The offer is thought to bring back `acceptance` more for each one who comes anyway, so that those who are
    inclined respond most, and never more than are still away. An assumption, as in `leaving`.
    """
    return min(probability * acceptance, 1 - probability), probability


def measured(effect: Single, anyway: Single) -> tuple[Single, Single]:
    """Won and anyway where the effect of contacting is known: the share more that stay, or come back.

    `anyway` is the share that does so without contact. An effect may be negative: the contact drives away. It is
    held to what is possible: nobody is won twice, and no more are driven away than there are.
    """
    return max(-anyway, min(effect, 1 - anyway)), anyway


def cuts(
    ranked: Iterable[tuple[Single, Single]], *, capacity: int | None = None, budget: Single | None = None
) -> Iterator[Cut]:
    """The rule for each of the candidates, given as (profit, spend) from the first to be contacted on.

    Whoever is not expected to earn anything is left out, whatever else there is room for. The first who does not
    fit in the capacity (customers) or the budget (money) closes the list for all after it, so that rank alone
    decides who is contacted. None is no limit.

    Raises `Refused` (`list.capacity`, `list.budget`) for a limit below zero or no number.
    """
    if capacity is not None and capacity < 0:
        raise Refused("list.capacity", "a list cannot be for fewer than no customers", "capacity")
    if budget is not None and (budget != budget or budget < 0):  # a NaN differs from itself
        raise Refused("list.budget", "a budget is an amount of money that is not negative", "budget")
    return _cuts(ranked, capacity, budget)


def _cuts(
    ranked: Iterable[tuple[Single, Single]], capacity: int | None, budget: Single | None
) -> Iterator[Cut]:
    closed_by: Cut = ""
    total: Single | None = None
    contacted = 0
    for profit, spend in ranked:
        if not profit > 0:
            yield "does_not_pay"
            continue
        after = spend if total is None else total + spend
        if not closed_by and capacity is not None and contacted >= capacity:
            closed_by = "over_capacity"
        elif not closed_by and budget is not None and after > budget:
            closed_by = "over_budget"
        if not closed_by:
            total, contacted = after, contacted + 1
        yield closed_by

"""What contacting somebody is expected to earn, and which rule ends a list."""

from decimal import Decimal
from itertools import accumulate

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.domain.profit import cuts, earned, leaving, measured, returning, spent
from models.errors import Refused

OFFER, CONTACT = Decimal(2), Decimal(1)


# One customer


def test_stayers_take_the_offer_too_and_cost_it():
    """0.6 leave, a fifth of them is kept for 100; 0.12 + 0.4 take the offer for 2; the contact costs 1."""
    won, anyway = leaving(Decimal("0.6"), Decimal("0.2"))
    assert (won, anyway) == (Decimal("0.12"), Decimal("0.4"))
    assert spent(won, anyway, OFFER, CONTACT) == Decimal("2.04")
    assert earned(won, anyway, Decimal(100), OFFER, CONTACT) == Decimal("9.96")


@pytest.mark.parametrize("acceptance", [0.0, 0.3, 1.0])
def test_it_is_the_published_profit_of_a_leaver_and_of_a_stayer(acceptance):
    """Value 200, offer 10, contact 1: a leaver brings 190 where they accept, a stayer costs 11."""
    assert earned(*leaving(1.0, acceptance), 200.0, 10.0, 1.0) == pytest.approx(acceptance * 190 - 1)
    assert earned(*leaving(0.0, acceptance), 200.0, 10.0, 1.0) == pytest.approx(-11)


def test_everyone_who_comes_back_by_themselves_costs_the_offer():
    """Half come anyway, a tenth more because of the offer: 10 earned, 0.6 offers and a contact spent."""
    won, anyway = returning(Decimal("0.5"), Decimal("0.2"))
    assert (won, anyway) == (Decimal("0.1"), Decimal("0.5"))
    assert earned(won, anyway, Decimal(100), OFFER, CONTACT) == Decimal("7.8")


def test_an_offer_brings_back_no_more_than_are_still_away():
    assert returning(Decimal("0.9"), Decimal("0.5")) == (Decimal("0.1"), Decimal("0.9"))


def test_whoever_a_contact_drives_away_costs_their_value_and_takes_no_offer():
    """Eight of ten stay if left alone, seven if contacted: a tenth of 100 is lost, seven offers are paid."""
    won, anyway = measured(Decimal("-0.1"), Decimal("0.8"))
    assert earned(won, anyway, Decimal(100), OFFER, CONTACT) == Decimal("-12.4")


@pytest.mark.parametrize(
    "effect, anyway, won", [("0.5", "0.8", "0.2"), ("-0.5", "0.2", "-0.2"), ("0.05", "0.8", "0.05")]
)
def test_a_measured_effect_is_held_to_what_is_possible(effect, anyway, won):
    assert measured(Decimal(effect), Decimal(anyway)) == (Decimal(won), Decimal(anyway))


shares = st.floats(0, 1)
money = st.floats(0, 10_000)


@given(shares, shares, money, money, money)
def test_a_population_is_reckoned_as_each_of_its_customers(probability, acceptance, value, offer, contact):
    one = earned(*leaving(probability, acceptance), value, offer, contact)
    several = [np.full(3, figure) for figure in (probability, acceptance, value, offer, contact)]
    assert earned(*leaving(*several[:2]), *several[2:]) == pytest.approx([one] * 3)


@given(shares, shares, money)
def test_a_customer_worth_no_more_than_the_offer_is_never_worth_a_contact(probability, acceptance, offer):
    assert earned(*leaving(probability, acceptance), offer, offer, 0.0) <= 1e-9


# A list


def rules(*profits, spend=1, **limits):
    ranked = [(Decimal(profit), Decimal(spend)) for profit in profits]
    return list(cuts(ranked, **limits))


def test_a_list_ends_where_the_last_row_stops_paying():
    assert rules(5, 1, 0, -2) == ["", "", "does_not_pay", "does_not_pay"]


def test_a_capacity_ends_it_sooner():
    assert rules(5, 4, 3, 0, capacity=1) == ["", "over_capacity", "over_capacity", "does_not_pay"]
    assert rules(5, 4, capacity=0) == ["over_capacity", "over_capacity"]


def test_a_budget_ends_it_at_the_first_who_does_not_fit():
    """The last would fit in what is left; but whoever ranks higher is contacted first, or nobody is."""
    ranked = [(Decimal(5), Decimal(3)), (Decimal(4), Decimal(3)), (Decimal(3), Decimal(1))]
    assert list(cuts(ranked, budget=Decimal(4))) == ["", "over_budget", "over_budget"]
    assert list(cuts(ranked, budget=Decimal(6))) == ["", "", "over_budget"]
    assert list(cuts(ranked, budget=Decimal(7))) == ["", "", ""]


def test_of_two_limits_the_one_that_was_met_first_is_named():
    assert rules(5, 4, 3, capacity=2, budget=Decimal(1)) == ["", "over_budget", "over_budget"]
    assert rules(5, 4, 3, capacity=1, budget=Decimal(2)) == ["", "over_capacity", "over_capacity"]


@pytest.mark.parametrize(
    "code, limits",
    [
        ("list.capacity", {"capacity": -1}),
        ("list.budget", {"budget": Decimal(-1)}),
        ("list.budget", {"budget": Decimal("NaN")}),
    ],
)
def test_a_limit_below_nothing_is_refused_before_anybody_is_listed(code, limits):
    with pytest.raises(Refused) as refused:
        cuts([], **limits)
    assert refused.value.code == code


rows = st.lists(st.tuples(st.integers(-50, 50).map(Decimal), st.integers(0, 20).map(Decimal)), max_size=30)


@given(rows, st.none() | st.integers(0, 30), st.none() | st.integers(0, 200).map(Decimal))
def test_no_longer_and_no_shorter_list_within_the_limits_earns_more(unsorted, capacity, budget):
    ranked = sorted(unsorted, key=lambda one: -one[0])
    found = list(cuts(ranked, capacity=capacity, budget=budget))
    chosen = [one for one, rule in zip(ranked, found, strict=True) if not rule]
    assert len(found) == len(ranked)
    assert chosen == ranked[: len(chosen)]
    profits = [Decimal(0), *accumulate(profit for profit, _ in ranked)]
    spends = [Decimal(0), *accumulate(spend for _, spend in ranked)]
    within = [
        profit
        for length, (profit, spend) in enumerate(zip(profits, spends, strict=True))
        if (capacity is None or length <= capacity) and (budget is None or spend <= budget)
    ]
    assert profits[len(chosen)] == max(within)

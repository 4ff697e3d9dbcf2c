"""How much lists of every length earn, foretold and counted, and the measure of an order by money."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import beta

from ml.profit import Acceptance, Terms, counted, expected_maximum, foretold
from models.domain.profit import leaving, measured
from models.errors import Refused

TIGHT = Terms(value=60, offer_cost=15, contact_cost=3)
SHARE = Acceptance().mean


def numbers(*figures):
    return np.array(figures, dtype=float)


@pytest.fixture(scope="module")
def town():
    """20,000 customers of whom a quarter leave; the probabilities are true."""
    random = np.random.default_rng(6)
    probability = random.beta(0.7, 1.9, 20_000)
    return probability, (random.random(20_000) < probability).astype(float)


def foretold_by_probability(probability, terms):
    return foretold(*leaving(probability, np.full(len(probability), SHARE)), terms)


# Counted by hand: value 200, offer 10, contact 1, three of ten leavers accept


def test_each_leaver_earns_and_each_stayer_costs():
    """A leaver earns 0.3 x 190 - 1 = 56, a stayer costs 11."""
    curve = counted(numbers(1, 0, 1, 0), numbers(0.9, 0.8, 0.7, 0.1), Terms(), SHARE)
    assert curve.listed.tolist() == [0, 1, 2, 3, 4]
    assert curve.profit == pytest.approx([0, 56, 45, 101, 90])
    assert curve.spend == pytest.approx([0, 4, 15, 19, 30])
    assert (curve.best.listed, curve.best.share, curve.best.a_customer) == (3, 0.75, pytest.approx(101 / 4))


def test_equals_are_listed_together_and_a_fixed_cut_takes_their_mean():
    curve = counted(numbers(1, 0, 1, 0), np.full(4, 0.5), Terms(), SHARE)
    assert curve.listed.tolist() == [0, 4]
    assert curve.at(0.5).profit == pytest.approx(45)


def test_where_nobody_pays_the_best_list_is_empty():
    best = counted(numbers(0, 0), numbers(0.9, 0.1), Terms(), SHARE).best
    assert (best.listed, best.profit) == (0, 0)
    assert expected_maximum(numbers(0, 0), numbers(0.9, 0.1)).a_customer == 0


def test_a_foretold_list_ends_where_the_last_one_stops_paying():
    """0.3 p x 190 - (1 - p) x 10 - 1 is 0 at p = 11 / 67."""
    probability = numbers(0.9, 0.165, 0.164, 0.0)
    curve = foretold_by_probability(probability, Terms())
    assert curve.best.listed == 2
    assert curve.profit[1] == pytest.approx(0.9 * 57 - 0.1 * 10 - 1)


def test_each_customers_own_value_decides_their_place():
    terms = Terms(value=numbers(100, 1_000), offer_cost=10, contact_cost=1)
    curve = foretold_by_probability(numbers(0.8, 0.2), terms)
    assert curve.profit == pytest.approx([0, 0.06 * 990 - 9, (0.06 * 990 - 9) + (0.24 * 90 - 3)])


def test_an_effect_that_drives_customers_away_is_never_listed():
    won, anyway = measured(-0.1, 0.9)
    curve = foretold(numbers(won, 0.2), numbers(anyway, 0.8), Terms())
    assert curve.best.listed == 1


def test_capacity_and_budget_limit_the_list():
    curve = counted(numbers(1, 1, 1, 0), numbers(0.9, 0.8, 0.7, 0.1), Terms(), SHARE)
    assert curve.within(capacity=2).listed == 2
    assert curve.within(budget=8).listed == 2
    assert curve.within(capacity=1, budget=8).listed == 1
    assert curve.within() == curve.best


# The expected maximum


def averaged(left, order, terms, acceptance):
    """The same by definition: the best cut for each acceptance, integrated over it."""
    density = beta(acceptance.alpha, acceptance.beta).pdf
    best = [(share, counted(left, order, terms, share).best.profit) for share in np.linspace(0, 1, 2_001)]
    shares, profits = np.array(best).T
    return quad(lambda g: np.interp(g, shares, profits) * density(g), 0, 1, limit=200)[0] / len(left)


@pytest.mark.parametrize(
    "terms", [Terms(), TIGHT, Terms(5, 10, 1), Terms(10, 10, 0), Terms(200, 10, 0), Terms(200, 0, 0)]
)
@pytest.mark.parametrize("acceptance", [Acceptance(), Acceptance(1, 1), Acceptance(60, 140)])
def test_the_closed_form_is_the_average_of_the_best_cuts(terms, acceptance):
    random = np.random.default_rng(1)
    left = (random.random(60) < 0.3).astype(float)
    order = np.round(left + random.normal(size=60), 1)
    found = expected_maximum(left, order, terms, acceptance).a_customer
    assert found == pytest.approx(averaged(left, order, terms, acceptance), abs=1e-3)


def test_it_holds_where_every_customer_has_their_own_value():
    random = np.random.default_rng(2)
    left = (random.random(60) < 0.3).astype(float)
    order = left + random.normal(size=60)
    terms = Terms(value=random.uniform(0, 400, 60), offer_cost=random.uniform(0, 30, 60))
    found = expected_maximum(left, order, terms).a_customer
    assert found == pytest.approx(averaged(left, order, terms, Acceptance()), abs=1e-3)


def test_one_leaver_and_one_stayer_in_the_right_order():
    """Only the leaver is listed, wherever g x 190 > 1: nearly always, so nearly (0.3 x 190 - 1) / 2."""
    found = expected_maximum(numbers(1, 0), numbers(0.9, 0.1))
    assert found.a_customer == pytest.approx(28, abs=1e-3)
    assert found.share == pytest.approx(0.5, abs=1e-3)


populations = st.integers(1, 40).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(0, 1), min_size=n, max_size=n),
        st.lists(st.integers(0, 5), min_size=n, max_size=n),
    )
)
amounts = st.integers(0, 300).map(float)


@given(populations, amounts, amounts, amounts, st.floats(0.5, 50), st.floats(0.5, 50))
def test_knowing_the_acceptance_before_the_cut_never_earns_less(people, value, offer, contact, alpha, below):
    left, order = (np.array(one, dtype=float) for one in people)
    terms, acceptance = Terms(value, offer, contact), Acceptance(alpha, below)
    found = expected_maximum(left, order, terms, acceptance)
    before = counted(left, order, terms, acceptance.mean).best.a_customer
    assert found.a_customer >= before - 1e-9
    assert -1e-9 <= found.share <= 1 + 1e-9


def test_the_surer_the_acceptance_the_less_is_gained_by_knowing_it(town):
    probability, left = town
    sure = expected_maximum(left, probability, TIGHT, Acceptance(6e5, 14e5)).a_customer
    assert sure == pytest.approx(counted(left, probability, TIGHT, SHARE).best.a_customer, abs=1e-3)
    assert expected_maximum(left, probability, TIGHT).a_customer > sure


# How long a list should be


def test_on_tight_costs_the_best_list_is_short_and_a_fixed_cut_loses_money(town):
    """Value 60, offer 15, contact 3: about a tenth pays, and calling three tenths costs more than it brings."""
    probability, left = town
    actual = counted(left, probability, TIGHT, SHARE)
    assert 0.05 < actual.best.share < 0.2
    assert actual.best.a_customer > 0 > actual.at(0.3).a_customer


def test_the_list_sized_beforehand_earns_nearly_what_the_best_in_hindsight_does(town):
    probability, left = town
    for terms in (Terms(), TIGHT):
        size = foretold_by_probability(probability, terms).best.share
        actual = counted(left, probability, terms, SHARE)
        assert actual.at(size).profit > 0.9 * actual.best.profit


def test_dear_customers_deserve_a_longer_list_than_cheap_ones(town):
    probability, _ = town
    cheap = foretold_by_probability(probability, TIGHT).best.share
    dear = foretold_by_probability(probability, replace(TIGHT, value=600)).best.share
    assert dear > 3 * cheap


# What makes no sense


@pytest.mark.parametrize(
    "terms", [{"value": -1}, {"offer_cost": float("nan")}, {"contact_cost": numbers(1, -1)}]
)
def test_an_amount_below_nothing_is_refused_with_its_name(terms):
    with pytest.raises(Refused) as refused:
        Terms(**terms)
    assert (refused.value.code, refused.value.path) == ("profit.terms", next(iter(terms)))


@pytest.mark.parametrize(
    "code, wrong",
    [
        ("profit.acceptance", lambda: Acceptance(0, 1)),
        ("profit.left", lambda: expected_maximum(numbers(2, 0), numbers(1, 0))),
        ("profit.rows", lambda: expected_maximum(numbers(1, 0), numbers(1, 0, 1))),
        ("profit.rows", lambda: expected_maximum(numbers(), numbers())),
        ("profit.rows", lambda: expected_maximum(numbers(1, 0), numbers(1, np.nan))),
        ("profit.rows", lambda: expected_maximum(numbers(1, 0), numbers(1, 0), Terms(numbers(1, 2, 3)))),
        ("profit.share", lambda: counted(numbers(1), numbers(1), Terms(), SHARE).at(1.1)),
        ("profit.limits", lambda: counted(numbers(1), numbers(1), Terms(), SHARE).within(budget=-1)),
    ],
)
def test_what_makes_no_sense_is_refused(code, wrong):
    with pytest.raises(Refused) as refused:
        wrong()
    assert refused.value.code == code

"""How much a purchase brings: the published fit, whose mean counts how much, and what is refused."""

import csv
import json
from importlib.metadata import files

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.value import money, spend_model
from ml.value.histories import Histories, Spending
from ml.value.money import ValueModel
from ml.value.purchase_model import PurchaseModel
from ml.value.refusals import (
    BadParameters,
    ConstantColumn,
    NotConverged,
    NotFinite,
    SpendNotPositive,
    TooFewCustomers,
    WrongShape,
)
from ml.value.spend_model import SpendModel

CDNOW = SpendModel(p=6.25, q=3.74, gamma=15.44)


def column(*values: float) -> np.ndarray:
    return np.array(values, dtype=float)


def published_sample() -> Spending:
    """Repeat purchases of CDNOW's sample, and their mean in dollars."""
    (path,) = (
        f for f in files("lifetimes") or () if f.name == "cdnow_customers_summary_with_transactions.csv"
    )
    with open(str(path.locate()), newline="") as file:
        rows = list(csv.DictReader(file))
    mean = column(*(float(row["zbar"]) for row in rows))
    return Spending(np.where(mean > 0, column(*(float(row["x"]) for row in rows)), 0), mean)


def simulated(model: SpendModel, customers: int, seed: int) -> tuple[Spending, np.ndarray]:
    """Customers who pay as the model says, and the mean that each pays in the long run."""
    random = np.random.default_rng(seed)
    rates = random.gamma(model.q, 1 / model.gamma, customers)
    purchases = random.integers(1, 9, customers).astype(float)
    return Spending(purchases, random.gamma(model.p * purchases, 1 / rates) / purchases), model.p / rates


def test_the_published_fit_of_the_cdnow_sample_is_found():
    """Fader and Hardie (2013): p 6.25, q 3.74, gamma 15.44 on the 946 who came back. Their gamma is ours to 0.01."""
    sample = published_sample()
    assert (sample.purchases > 0).sum() == 946
    model = spend_model.fit(sample)
    assert (round(model.p, 2), round(model.q, 2)) == (6.25, 3.74)
    assert model.gamma == pytest.approx(15.44, abs=0.01)
    assert model.log_likelihood(sample) == pytest.approx(-4055.9, abs=0.05)


def test_the_hidden_parameters_of_simulated_customers_are_recovered():
    spending, _ = simulated(CDNOW, 20_000, seed=5)
    model = spend_model.fit(spending)
    assert model.q == pytest.approx(CDNOW.q, rel=0.05)
    assert model.population_mean == pytest.approx(CDNOW.population_mean, rel=0.02)


def test_what_is_expected_is_nearer_to_the_truth_than_the_mean_so_far_and_than_everybodys():
    spending, truth = simulated(CDNOW, 20_000, seed=6)
    expected = CDNOW.expected(spending)
    assert expected.mean() == pytest.approx(truth.mean(), rel=0.02)

    def error(told: np.ndarray) -> float:
        return float(np.mean((told - truth) ** 2))

    assert error(expected) < error(spending.mean) < error(np.full(len(truth), CDNOW.population_mean))


def test_of_whom_nothing_is_known_everybodys_mean_is_expected():
    stranger = Spending(column(0), column(0))
    assert CDNOW.expected(stranger)[0] == pytest.approx(6.25 * 15.44 / 2.74)


@given(st.floats(1, 500), st.integers(1, 50))
@settings(deadline=None)
def test_the_more_purchases_the_more_the_customers_own_mean_counts(mean, purchases):
    few, many = CDNOW.expected(Spending(column(purchases, purchases + 1), column(mean, mean)))
    assert abs(many - mean) <= abs(few - mean) + 1e-9
    low, high = sorted((mean, CDNOW.population_mean))
    assert low - 1e-9 <= few <= high + 1e-9


def test_the_currency_changes_nothing_but_gamma():
    spending, _ = simulated(CDNOW, 3_000, seed=7)
    dollars = spend_model.fit(spending)
    cents = spend_model.fit(Spending(spending.purchases, spending.mean * 100))
    assert cents.to_parameters() == pytest.approx(
        dollars.to_parameters() | {"gamma": dollars.gamma * 100}, rel=1e-4
    )


def test_spend_that_goes_with_frequency_is_told():
    spending, _ = simulated(CDNOW, 3_000, seed=8)
    assert abs(spend_model.ties_to_frequency(spending)) < 0.05
    assert spend_model.ties_to_frequency(Spending(spending.purchases, spending.purchases * 10)) > 0.99


@pytest.mark.parametrize("mean", [0.0, -5.0])
def test_a_purchase_that_cost_nothing_or_less_is_refused(mean):
    with pytest.raises(SpendNotPositive) as refused:
        Spending(column(1, 2), column(9, mean))
    assert (refused.value.code, refused.value.path) == ("value.spend_not_positive", "spending.mean[1]")


def test_spending_that_is_no_number_is_refused():
    with pytest.raises(NotFinite, match=r"spending\.mean\[0\]"):
        Spending(column(1), column(np.nan))


def test_too_few_who_paid_are_refused():
    with pytest.raises(TooFewCustomers, match="29 customers paid"):
        spend_model.fit(Spending(np.repeat([1.0, 0.0], [29, 500]), np.linspace(1, 9, 529)))


def test_one_price_for_all_is_refused():
    with pytest.raises(ConstantColumn, match=r"spending\.mean"):
        spend_model.fit(Spending(np.arange(1.0, 101), np.full(100, 9.99)))


def test_means_that_are_all_but_equal_are_refused_with_what_ran_away():
    random = np.random.default_rng(9)
    with pytest.raises(NotConverged) as refused:
        spend_model.fit(Spending(np.full(500, 1.0), 10 + random.normal(0, 0.001, 500)))
    assert refused.value.path


def test_the_value_is_purchases_times_money_and_survives_json():
    model = ValueModel(purchases=PurchaseModel(r=0.243, alpha=4.414, a=0.793, b=2.426), spend=CDNOW)
    histories = Histories(column(2, 0), column(30.43, 0), column(38.86, 10))
    spending = Spending(column(2, 0), column(22.35, 0))
    worth = model.expected_money(histories, spending, 39)
    assert worth[0] == pytest.approx(1.226 * 6.25 * (15.44 + 44.70) / (12.5 + 2.74), rel=1e-3)
    again = ValueModel.from_parameters(json.loads(json.dumps(model.to_parameters())))
    assert again == model
    assert again.expected_money(histories, spending, 39).tolist() == worth.tolist()


def test_histories_and_spending_of_other_customers_are_refused():
    model = ValueModel(purchases=PurchaseModel(r=0.243, alpha=4.414, a=0.793, b=2.426), spend=CDNOW)
    with pytest.raises(WrongShape):
        model.expected_money(
            Histories(column(0), column(0), column(1)), Spending(column(0, 0), column(0, 0)), 1
        )


def test_broken_parameters_are_refused():
    with pytest.raises(BadParameters, match=r"parameters\.q"):
        SpendModel.from_parameters({"p": 1.0, "q": 0.9, "gamma": 3.0})
    with pytest.raises(BadParameters, match="purchases and spend"):
        ValueModel.from_parameters({"purchases": {}})


def test_who_first_bought_today_has_no_pace_to_carry_on():
    assert money.past_purchases(Histories(column(0, 2), column(0, 5), column(0, 10)), 30).tolist() == [0, 6]

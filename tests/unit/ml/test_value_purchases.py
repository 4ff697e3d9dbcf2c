"""How many purchases are to come: the published fit, what must hold for any customer, and what is refused."""

import csv
import json
from importlib.metadata import files

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import beta

from ml.value import purchase_model
from ml.value.histories import Histories
from ml.value.purchase_model import PurchaseModel
from ml.value.refusals import (
    BadParameters,
    ConstantColumn,
    ImpossibleHistory,
    NotConverged,
    NotFinite,
    TooFewCustomers,
    TooFewRepeatBuyers,
    WrongShape,
)

CDNOW = PurchaseModel(r=0.243, alpha=4.414, a=0.793, b=2.426)


def column(*values: float) -> np.ndarray:
    return np.array(values, dtype=float)


def history(repeats: float, last: float, age: float) -> Histories:
    return Histories(column(repeats), column(last), column(age))


def published_sample() -> Histories:
    """CDNOW's 2,357 customers of the paper, times in weeks; read as a file, for its package's code is not wanted."""
    (path,) = (f for f in files("lifetimes") or () if f.name == "cdnow_customers_summary.csv")
    with open(str(path.locate()), newline="") as file:
        rows = list(csv.DictReader(file))
    return Histories(*(column(*(float(row[name]) for row in rows)) for name in ("frequency", "recency", "T")))


def simulated(model: PurchaseModel, customers: int, seed: int) -> tuple[Histories, np.ndarray]:
    """Customers who do as the model says for 40 weeks at most, and their purchases in the 40 weeks after."""
    random = np.random.default_rng(seed)
    paces, leavings = (
        random.gamma(model.r, 1 / model.alpha, customers),
        random.beta(model.a, model.b, customers),
    )
    ages = random.uniform(20, 40, customers)
    rows, later = [], []
    for pace, leaving, age in zip(paces, leavings, ages, strict=True):
        at, times = 0.0, []
        while True:
            at += random.exponential(1 / pace) if pace > 0 else np.inf
            if at > age + 40:
                break
            times.append(at)
            if random.random() < leaving:
                break
        seen = [t for t in times if t <= age]
        rows.append((len(seen), seen[-1] if seen else 0.0, age))
        later.append(len(times) - len(seen))
    return Histories(*np.array(rows, dtype=float).T), np.array(later, dtype=float)


def test_the_published_fit_of_the_cdnow_sample_is_found():
    """Fader, Hardie and Lee (2005), table 2, to the digits they print, and beyond."""
    sample = published_sample()
    assert len(sample) == 2357
    model = purchase_model.fit(sample)
    assert [round(value, 3) for value in model.to_parameters().values()] == [0.243, 4.414, 0.793, 2.426]
    assert model.to_parameters() == pytest.approx(
        {"r": 0.2426, "alpha": 4.4135, "a": 0.7929, "b": 2.4258}, abs=6e-5
    )
    assert model.log_likelihood(sample) == pytest.approx(-9582.4, abs=0.05)


def test_a_customer_of_the_sample_is_expected_to_buy_as_often_as_published():
    """Two repeat purchases, the last in week 30.43 of 38.86: 1.226 more in the next 39 weeks."""
    assert CDNOW.expected(history(2, 30.43, 38.86), 39)[0] == pytest.approx(1.226, abs=5e-4)


def test_who_bought_once_is_alive_for_ever_and_yet_less_is_expected_of_him_the_longer_he_is_silent():
    once = Histories(column(0, 0), column(0, 0), column(10, 500))
    assert CDNOW.p_alive(once).tolist() == [1, 1]
    soon, late = CDNOW.expected(once, 40)
    assert late < soon / 10


def test_the_hidden_parameters_of_simulated_customers_are_recovered():
    truth = PurchaseModel(r=0.8, alpha=6.0, a=0.9, b=3.0)
    histories, later = simulated(truth, 8_000, seed=11)
    model = purchase_model.fit(histories)
    assert model.r == pytest.approx(truth.r, rel=0.1)
    assert model.alpha == pytest.approx(truth.alpha, rel=0.1)
    assert model.a / (model.a + model.b) == pytest.approx(0.9 / 3.9, rel=0.1)
    assert model.expected(histories, 40).sum() / later.sum() == pytest.approx(1, abs=0.05)
    assert model.log_likelihood(histories) >= truth.log_likelihood(histories)


def test_the_unit_of_time_changes_nothing_but_alpha():
    histories, _ = simulated(CDNOW, 2_000, seed=3)
    weeks = purchase_model.fit(histories)
    in_days = Histories(histories.repeats, histories.last * 7, histories.age * 7)
    days = purchase_model.fit(in_days)
    expected = weeks.to_parameters() | {"alpha": weeks.alpha * 7}
    assert days.to_parameters() == pytest.approx(expected, rel=1e-4)
    assert days.expected(in_days, 70) == pytest.approx(weeks.expected(histories, 10), rel=1e-4)


def test_a_thousand_customers_twice_give_the_same_model():
    histories, _ = simulated(CDNOW, 1_000, seed=4)
    twice = histories.rows(np.repeat(np.arange(1_000), 2))
    assert purchase_model.fit(twice).to_parameters() == pytest.approx(
        purchase_model.fit(histories).to_parameters(), rel=1e-4
    )


positive = st.floats(0.05, 20)
models = st.builds(PurchaseModel, r=positive, alpha=positive, a=st.one_of(st.just(1.0), positive), b=positive)


@st.composite
def customers(draw: st.DrawFn) -> tuple[float, float, float]:
    """Repeats, last and age of one customer who could be."""
    repeats, age = draw(st.integers(0, 60)), draw(st.floats(0.1, 200))
    return float(repeats), age * draw(st.floats(0, 1)) if repeats else 0.0, age


@given(models, customers(), st.floats(0.01, 300))
@settings(max_examples=40, deadline=None)
def test_the_formula_is_the_integral_it_stands_for(model: PurchaseModel, customer, horizon: float):
    """Purchases of one pace and leaving, weighed by how likely both are after what was seen."""
    repeats, _, age = customer
    leaving = beta(model.a, model.b + repeats)

    def bought(share: float) -> float:
        chance = max(leaving.ppf(share), 1e-300)
        return -np.expm1(-(model.r + repeats) * np.log1p(chance * horizon / (model.alpha + age))) / chance

    while_alive, _ = quad(bought, 0, 1, limit=300, epsrel=1e-9)
    one = history(*customer)
    assert model.expected(one, horizon)[0] == pytest.approx(
        model.p_alive(one)[0] * while_alive, rel=1e-5, abs=1e-9
    )


@given(models, customers(), st.floats(0.01, 300), st.floats(0.01, 100))
@settings(deadline=None)
def test_the_longer_somebody_is_silent_the_less_is_expected(model, customer, horizon, silence):
    repeats, last, age = customer
    now, later = history(repeats, last, age), history(repeats, last, age + silence)
    assert model.expected(later, horizon)[0] <= model.expected(now, horizon)[0] * (1 + 1e-6)
    assert model.p_alive(later)[0] <= model.p_alive(now)[0]


@given(models, customers(), st.floats(0.01, 300), st.floats(0.01, 300))
@settings(deadline=None)
def test_a_longer_time_brings_no_fewer_purchases_and_no_time_none(model, customer, horizon, more):
    one = history(*customer)
    assert model.expected(one, horizon + more)[0] >= model.expected(one, horizon)[0] * (1 - 1e-6)
    assert model.expected(one, 0)[0] == pytest.approx(0, abs=1e-9)
    assert 0 <= model.p_alive(one)[0] <= 1


@given(models, st.lists(customers(), min_size=1, max_size=20), st.floats(0.01, 300))
@settings(deadline=None)
def test_a_customer_alone_is_foretold_as_among_others(model, rows, horizon):
    together = Histories(*np.array(rows, dtype=float).T)
    alone = [model.expected(history(*row), horizon)[0] for row in rows]
    assert model.expected(together, horizon).tolist() == alone


def test_a_model_survives_json():
    model = PurchaseModel(r=0.1 + 0.2, alpha=1 / 3, a=0.7, b=2.2)
    assert PurchaseModel.from_parameters(json.loads(json.dumps(model.to_parameters()))) == model


@pytest.mark.parametrize(
    "changed, path",
    [
        ({"alpha": -1.0}, "parameters.alpha"),
        ({"r": float("nan")}, "parameters.r"),
        ({"b": "2"}, "parameters.b"),
        ({"c": 1.0}, "parameters.c"),
    ],
)
def test_broken_parameters_are_named(changed, path):
    with pytest.raises(BadParameters) as refused:
        PurchaseModel.from_parameters(CDNOW.to_parameters() | changed)
    assert (refused.value.code, refused.value.path) == ("value.bad_parameters", path)


@pytest.mark.parametrize(
    "repeats, last, age, refusal, path",
    [
        (column(1, np.nan), column(1, 1), column(2, 2), NotFinite, "histories.repeats[1]"),
        (column(1, 1), column(1, 1), column(2, np.inf), NotFinite, "histories.age[1]"),
        (column(1, -1), column(1, 0), column(2, 2), ImpossibleHistory, "histories.repeats[1]"),
        (column(1.5), column(1), column(2), ImpossibleHistory, "histories.repeats[0]"),
        (column(1), column(3), column(2), ImpossibleHistory, "histories.last[0]"),
        (column(1), column(-1), column(2), ImpossibleHistory, "histories.last[0]"),
        (column(0), column(1), column(2), ImpossibleHistory, "histories.last[0]"),
        (column(1, 2), column(1), column(2), WrongShape, ""),
    ],
)
def test_histories_that_nobody_can_have_are_refused_with_their_row(repeats, last, age, refusal, path):
    with pytest.raises(refusal) as refused:
        Histories(repeats, last, age)
    assert refused.value.path == path
    assert refused.value.detail


@pytest.mark.parametrize("horizon, refusal", [(-1.0, ImpossibleHistory), (float("nan"), NotFinite)])
def test_a_horizon_that_is_no_length_of_time_is_refused(horizon, refusal):
    with pytest.raises(refusal):
        CDNOW.expected(history(0, 0, 1), horizon)


def test_too_few_customers_are_refused():
    histories, _ = simulated(CDNOW, 99, seed=1)
    with pytest.raises(TooFewCustomers, match="99 customers"):
        purchase_model.fit(histories)


def test_customers_of_whom_nobody_came_back_are_refused():
    nobody = Histories(np.zeros(500), np.zeros(500), np.linspace(1, 50, 500))
    with pytest.raises(TooFewRepeatBuyers) as refused:
        purchase_model.fit(nobody)
    assert refused.value.code == "value.too_few_repeat_buyers"


def test_customers_who_all_bought_equally_often_are_refused():
    alike = Histories(np.full(500, 2.0), np.linspace(1, 40, 500), np.full(500, 50.0))
    with pytest.raises(ConstantColumn, match=r"histories\.repeats"):
        purchase_model.fit(alike)


def test_customers_whom_the_model_does_not_fit_are_refused_with_what_ran_away():
    """All buy at one pace and nobody ever leaves: no spread of paces and no leaving can be told."""
    random = np.random.default_rng(2)
    repeats = random.poisson(20, 2_000).astype(float) + 1
    age = np.full(2_000, 40.0)
    faithful = Histories(repeats, age - random.exponential(0.1, 2_000).clip(0, 1), age)
    with pytest.raises(NotConverged, match="longer history") as refused:
        purchase_model.fit(faithful)
    assert refused.value.code == "value.not_converged"
    assert refused.value.path

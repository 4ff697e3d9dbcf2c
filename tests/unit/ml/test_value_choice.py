"""Which model tells the value: boosting only where an older cohort proves it, and always with a reason."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from ml.value import boosting
from ml.value.choice import OlderCohort, choose
from ml.value.histories import Histories, Spending, Summary
from ml.value.judging import ZERO
from ml.value.refusals import ConstantColumn, ImpossibleHistory, NotFinite, TooFewCustomers, WrongShape

HORIZON = 90.0


def lived(pace: float, leaving: float, age: float, random: np.random.Generator) -> list[float]:
    """When a customer bought again, up to the end of the window; after each purchase he may leave."""
    at, times = random.exponential(1 / pace), []
    while at < age + HORIZON:
        times.append(at)
        if random.random() < leaving:
            break
        at += random.exponential(1 / pace)
    return times


def cohort(*, informed: bool, customers: int = 2_000) -> OlderCohort:
    """Customers who buy at a pace of their own; where `informed`, a column knows who is about to buy far more."""
    random = np.random.default_rng(1)
    age = random.uniform(100, 300, customers)
    pace, leaving = random.gamma(0.8, 1 / 30, customers).clip(1e-6), random.beta(0.8, 2.5, customers)
    lives = [lived(*row, random) for row in zip(pace, leaving, age, strict=True)]
    seen = [[at for at in life if at < cut] for life, cut in zip(lives, age, strict=True)]
    repeats = np.array([len(times) for times in seen], dtype=float)
    last = np.array([max(times, default=0.0) for times in seen])
    price = 20 * random.gamma(4, 0.25, customers)
    moves_in = random.random(customers) < 0.1
    bought = np.array([len(life) for life in lives]) - repeats + (10.0 if informed else 0.0) * moves_in

    def mean_of(count: np.ndarray) -> np.ndarray:
        return np.where(
            count > 0, price * random.gamma(3 * np.maximum(count, 1)) / (3 * np.maximum(count, 1)), 0
        )

    spending = Spending(repeats + 1, mean_of(repeats + 1))
    summary = Summary(
        customers=pl.Series([f"c{n}" for n in range(customers)]),
        histories=Histories(repeats, last, age),
        spending=spending,
        after_first=Spending(repeats, mean_of(repeats)),
        money=spending.purchases * spending.mean,
    )
    features = np.column_stack([repeats, last, age, spending.mean, moves_in.astype(float)])
    return OlderCohort(summary, features, bought, bought * price, HORIZON)


def test_without_an_older_cohort_the_papers_models_are_chosen():
    choice = choose(cohort(informed=True).summary.histories, None, HORIZON, seed=1)
    assert choice.model == "bg_nbd"
    assert choice.because.startswith("No older cohort")


def test_boosting_is_chosen_where_it_finds_more_money_in_an_older_cohort():
    older = cohort(informed=True)
    choice = choose(older.summary.histories, older, HORIZON, seed=1)
    assert choice.model == "boosting"
    assert choice.gain is not None
    assert choice.gain.low > 0
    assert "2,000 customers of an older cohort" in choice.because
    assert [judgement.model for judgement in choice.judgements] == ["bg_nbd", "boosting", "own_past", ZERO]


def test_the_papers_models_stay_where_boosting_finds_no_more_money():
    older = cohort(informed=False)
    choice = choose(older.summary.histories, older, HORIZON, seed=1)
    assert choice.model == "bg_nbd"
    assert "no more than chance" in choice.because


def test_a_cohort_followed_for_half_as_long_is_no_teacher():
    older = cohort(informed=True)
    choice = choose(older.summary.histories, older, HORIZON * 2, seed=1)
    assert (choice.model, choice.judgements) == ("bg_nbd", ())
    assert "followed for 90, not for 180" in choice.because


def test_a_cohort_that_was_younger_than_todays_customers_is_no_teacher():
    older = cohort(informed=True)
    now = older.summary.histories
    choice = choose(Histories(now.repeats, now.last, now.age + 150), older, HORIZON, seed=1)
    assert choice.model == "bg_nbd"
    assert "of today's customers have an age that was usual in the older cohort" in choice.because


def test_a_cohort_too_small_to_learn_from_is_told():
    older = cohort(informed=True, customers=900)
    choice = choose(older.summary.histories, older, HORIZON, seed=1)
    assert choice.model == "bg_nbd"
    assert "900 customers" in choice.because


def test_boosting_is_chosen_where_the_papers_models_cannot_be_fitted():
    older = cohort(informed=True)
    once = np.zeros(len(older.bought))
    histories = Histories(once, once, older.summary.histories.age)
    older = replace(older, summary=replace(older.summary, histories=histories))
    choice = choose(histories, older, HORIZON, seed=1)
    assert choice.model == "boosting"
    assert "0 of 2000 bought again" in choice.because


def test_outcomes_of_other_customers_are_refused():
    older = cohort(informed=True)
    with pytest.raises(WrongShape):
        choose(older.summary.histories, replace(older, bought=older.bought[1:]), HORIZON, seed=1)


def test_boosting_foretells_the_money_of_those_it_learnt_from_in_total():
    older = cohort(informed=True)
    model = boosting.fit(older.features, older.bought, older.money, seed=1)
    assert model.expected_purchases(older.features).sum() == pytest.approx(older.bought.sum(), rel=0.03)
    assert model.expected_money(older.features).sum() == pytest.approx(older.money.sum(), rel=0.05)


def test_boosting_gives_the_same_again_from_one_seed_and_one_row_as_in_a_batch():
    older = cohort(informed=True)
    model, again = (boosting.fit(older.features, older.bought, older.money, seed=1) for _ in range(2))
    foretold = model.expected_money(older.features)
    assert foretold.tolist() == again.expected_money(older.features).tolist()
    assert model.expected_money(older.features[5:6])[0] == foretold[5]


def test_boosting_refuses_what_it_cannot_learn_from():
    older = cohort(informed=True)
    features, bought, money = older.features, older.bought, older.money
    cases = [
        (features[1:], bought, money, WrongShape, "features"),
        (np.where(features > 299, np.inf, features), bought, money, NotFinite, "features["),
        (np.ones_like(features), bought, money, ConstantColumn, "features"),
        (features, bought - 1, money, ImpossibleHistory, "bought"),
        (features, bought, np.where(bought > 0, np.nan, money), NotFinite, "money["),
        (features, np.zeros_like(bought), np.zeros_like(money), TooFewCustomers, "bought"),
    ]
    for columns, counts, paid, refusal, path in cases:
        with pytest.raises(refusal) as refused:
            boosting.fit(columns, counts, paid, seed=1)
        assert refused.value.path.startswith(path)


def test_an_unknown_feature_is_no_reason_to_refuse():
    older = cohort(informed=True)
    features = older.features.copy()
    features[::3, 3] = np.nan
    assert np.isfinite(
        boosting.fit(features, older.bought, older.money, seed=1).expected_money(features)
    ).all()

"""Figures of a value that was foretold, on cases small enough to count by hand."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from ml.value.judging import ZERO, Judgement, judge, top_gain
from ml.value.refusals import NotFinite, NothingToJudge, WrongShape

TEN = np.array([50, 0, 0, 30, 0, 20, 0, 0, 0, 0], dtype=float)


def judged(true: np.ndarray, foretold: np.ndarray) -> tuple[Judgement, Judgement]:
    one, zero = judge(true, {"one": foretold}, seed=1, resamples=50)
    return one, zero


def test_the_figures_are_those_counted_by_hand():
    foretold = np.array([40, 10, 0, 60, 0, 10, 0, 0, 0, 0], dtype=float)
    one, zero = judged(TEN, foretold)
    assert (one.model, one.customers) == ("one", 10)
    assert one.total.value == pytest.approx(120 / 100)
    assert one.top_tenth.value == pytest.approx(0.3)
    assert one.mean_error.value == pytest.approx((10 + 10 + 30 + 10) / 10)
    assert one.correlation is not None
    assert one.rank_correlation is not None
    assert one.correlation.value == pytest.approx(np.corrcoef(TEN, foretold)[0, 1])
    assert one.rank_correlation.value == pytest.approx(spearmanr(TEN, foretold).statistic)
    assert zero.model == ZERO
    assert zero.mean_error.value == pytest.approx(10)


def test_foretelling_nothing_has_no_order_and_the_luck_of_the_draw():
    _, zero = judged(TEN, TEN)
    assert (zero.rank_correlation, zero.correlation) == (None, None)
    assert (zero.total.value, zero.top_tenth.value) == (0, pytest.approx(0.1))


def test_the_truth_itself_is_foretold_without_fault():
    one, _ = judged(TEN, TEN)
    assert one.rank_correlation is not None
    assert one.correlation is not None
    for figure in (one.total, one.rank_correlation, one.correlation):
        assert (figure.value, figure.low, figure.high) == pytest.approx((1, 1, 1))
    assert (one.mean_error.value, one.top_tenth.value) == (0, pytest.approx(0.5))


def test_no_order_among_equals_matters():
    random = np.random.default_rng(2)
    true, foretold = random.poisson(1, 300).astype(float), random.integers(0, 4, 300).astype(float)
    order = random.permutation(300)
    first, again = judged(true, foretold)[0], judged(true[order], foretold[order])[0]
    assert first.top_tenth.value == pytest.approx(again.top_tenth.value)
    assert first.rank_correlation is not None
    assert again.rank_correlation is not None
    assert first.rank_correlation.value == pytest.approx(again.rank_correlation.value)


def test_intervals_hold_the_figure_and_are_repeatable():
    random = np.random.default_rng(3)
    true = random.poisson(2, 500).astype(float)
    foretold = {"near": true + random.normal(size=500), "far": true + 5 * random.normal(size=500)}
    told = judge(true, foretold, seed=4, resamples=100)
    assert told == judge(true, foretold, seed=4, resamples=100)
    for judgement in told[:2]:
        for figure in (
            judgement.total,
            judgement.rank_correlation,
            judgement.top_tenth,
            judgement.mean_error,
        ):
            assert figure is not None
            assert figure.low < figure.value < figure.high


def test_an_interval_covers_the_truth_about_as_often_as_it_says():
    """Forty samples of one population: nearly all intervals of the total hold the population's own."""
    random = np.random.default_rng(5)
    held = 0
    for seed in range(40):
        pace = random.gamma(1, 1, 400)
        (one, _) = judge(random.poisson(pace).astype(float), {"pace": pace}, seed=seed, resamples=100)
        held += one.total.low <= 1 <= one.total.high
    assert held >= 33


def test_a_model_gains_nothing_over_itself_and_something_over_a_poor_one():
    random = np.random.default_rng(6)
    true = random.gamma(0.5, 20, 800)
    poor = random.normal(size=800)
    same = top_gain(true, true, true, seed=1, resamples=50)
    assert (same.value, same.low, same.high) == (0, 0, 0)
    assert top_gain(true, true, poor, seed=1, resamples=50).low > 0.1


@pytest.mark.parametrize(
    "true, foretold, refusal",
    [
        (np.zeros(5), np.ones(5), NothingToJudge),
        (np.zeros(0), np.zeros(0), NothingToJudge),
        (np.ones(5), np.ones(4), WrongShape),
        (np.ones(5), np.full(5, np.nan), NotFinite),
    ],
)
def test_what_cannot_be_judged_is_refused(true, foretold, refusal):
    with pytest.raises(refusal):
        judge(true, {"one": foretold}, seed=1, resamples=10)

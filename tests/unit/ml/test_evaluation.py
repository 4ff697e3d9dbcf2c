"""Figures of a judgement, on cases small enough to count by hand."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from ml.evaluation import auc_gain, calibration_error, gains, lift, reliability

TEN = np.array([1, 1, 0, 1, 0, 0, 0, 0, 0, 0])
DESCENDING = np.linspace(0.95, 0.05, 10)


def test_lift_is_the_share_of_leavers_at_the_top_over_the_share_in_all():
    assert lift(TEN, DESCENDING, 0.1) == pytest.approx(1 / 0.3)
    assert lift(TEN, DESCENDING, 0.3) == pytest.approx((2 / 3) / 0.3)


def test_customers_tied_at_the_border_count_with_their_mean():
    assert lift(TEN, np.full(10, 0.5), 0.1) == pytest.approx(1)


def test_gains_end_with_all_leavers_found():
    assert gains(TEN, DESCENDING, np.array([0.0, 0.2, 1.0])) == pytest.approx([0, 2 / 3, 1])


def test_calibration_error_is_the_weighted_distance_of_ten_bins():
    left = np.array([1, 0, 0, 0, 1, 1])
    probability = np.array([0.15, 0.15, 0.15, 0.15, 0.95, 1.0])
    assert [b.customers for b in reliability(left, probability)] == [4, 2]
    assert calibration_error(left, probability) == pytest.approx((4 * 0.10 + 2 * 0.025) / 6)


def test_the_gain_is_the_difference_of_aucs_and_its_interval_is_repeatable():
    random = np.random.default_rng(5)
    left = random.integers(0, 2, 400)
    good, poor = left + random.normal(size=400), np.round(left + 3 * random.normal(size=400))
    gain = auc_gain(left, good, poor, seed=1, resamples=200)
    assert gain.value == pytest.approx(roc_auc_score(left, good) - roc_auc_score(left, poor))
    assert gain.low < gain.value < gain.high
    assert auc_gain(left, good, poor, seed=1, resamples=200) == gain


def test_a_model_gains_nothing_over_itself():
    gain = auc_gain(TEN.repeat(20), DESCENDING.repeat(20), DESCENDING.repeat(20), seed=1, resamples=50)
    assert (gain.value, gain.low, gain.high) == (0, 0, 0)

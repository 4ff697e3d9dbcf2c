"""The average effect and the smallest one that could be shown."""

import numpy as np
import pytest
from scipy.stats import norm, ttest_ind

from ml.uplift.effect import average_effect, planned_error, smallest_effect


def test_where_all_had_the_same_chance_it_is_the_difference_in_means_with_its_usual_error():
    random = np.random.default_rng(3)
    treated = random.random(2000) < 0.8
    outcome = random.gamma(1, 20 + 5 * treated)
    found = average_effect(outcome, treated, np.where(treated, 1 / 0.8, 1 / 0.2), np.arange(2000))
    welch = ttest_ind(outcome[treated], outcome[~treated], equal_var=False)
    assert found.value == pytest.approx(outcome[treated].mean() - outcome[~treated].mean())
    assert found.value / found.standard_error == pytest.approx(welch.statistic)
    assert (found.treated, found.held_out) == (int(treated.sum()), int((~treated).sum()))


def test_propensities_undo_whom_the_treatment_was_given_to():
    # Two sorts of customers, 32 of each: half of the first come anyway, none of the second does; the
    # treatment moves a quarter of either. Of the first 24 were treated, of the second 8.
    treated = np.repeat([True, False, True, False], [24, 8, 8, 24])
    outcome = np.concatenate([np.repeat([1.0, 0], pair) for pair in ((18, 6), (4, 4), (2, 6), (0, 24))])
    propensity = np.repeat([0.75, 0.25], 32)
    weight = np.where(treated, 1 / propensity, 1 / (1 - propensity))
    assert outcome[treated].mean() - outcome[~treated].mean() == pytest.approx(20 / 32 - 4 / 32)
    assert average_effect(outcome, treated, weight, np.arange(64)).value == pytest.approx(0.25)


def test_the_same_customer_counted_four_times_makes_nothing_surer():
    random = np.random.default_rng(4)
    treated, outcome = random.random(400) < 0.5, random.normal(size=400)
    once = average_effect(outcome, treated, np.full(400, 2.0), np.arange(400))
    often = np.repeat(np.arange(400), 4)
    repeated = average_effect(outcome[often], treated[often], np.full(1600, 2.0), often)
    assert repeated.standard_error == pytest.approx(once.standard_error, rel=0.01)


def test_an_empty_arm_tells_no_effect():
    alone = average_effect(np.ones(5), np.ones(5, dtype=bool), np.ones(5), np.arange(5))
    assert np.isnan(alone.value)
    assert not alone.interval().above_zero


def test_the_smallest_effect_is_found_in_eighty_of_a_hundred():
    error = planned_error(spread=0.4, treated=9000, held_out=1000)
    assert error == pytest.approx(0.4 * np.sqrt(1 / 9000 + 1 / 1000))
    found = norm.sf(1.959964 - smallest_effect(error) / error)
    assert found == pytest.approx(0.8, abs=1e-4)

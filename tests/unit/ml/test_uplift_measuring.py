"""What a draw brought, in shares and in money."""

import numpy as np
import pytest

from ml.uplift.measuring import brought, to_be_shown


def test_shares_and_money_are_those_of_everybody_drawn_contacted_or_not():
    kept = np.array([True, True, True, False, True, False, False, False])
    held_out = np.array([False] * 4 + [True] * 4)
    value, spent = np.full(8, 100.0), np.array([5.0, 0, 1, 2, 0, 0, 0, 0])
    found = brought(kept, held_out, value, spent, np.arange(8))
    assert (found.drawn, found.held_out, found.kept_drawn, found.kept_held_out) == (4, 4, 0.75, 0.25)
    assert found.effect.value == 0.5
    assert found.earned.value == pytest.approx((300 - 8) - 100)


def test_the_interval_of_the_money_holds_the_truth_as_often_as_it_says():
    random = np.random.default_rng(5)
    inside = 0
    for _ in range(300):
        held_out = random.random(600) < 0.3
        value = random.gamma(2.0, 50.0, 600)
        kept = random.random(600) < np.where(held_out, 0.5, 0.6)
        spent = np.where(held_out, 0.0, 3.0)
        found = brought(kept, held_out, value, spent, np.arange(600))
        truth = found.drawn * (0.1 * 100.0 - 3.0)
        inside += found.earned.low <= truth <= found.earned.high
    assert 0.91 <= inside / 300 <= 0.985


def test_an_effect_that_can_be_shown_is_shown_in_eighty_of_a_hundred_draws():
    random = np.random.default_rng(6)
    smallest = to_be_shown([0.3] * 20, 1_000, 250)
    shown = 0
    for _ in range(300):
        held_out = np.arange(1_250) < 250
        kept = random.random(1_250) < np.where(held_out, 0.7, 0.7 + smallest)
        found = brought(kept, held_out, np.ones(1_250), np.zeros(1_250), np.arange(1_250))
        shown += found.effect.low > 0
    assert 0.74 <= shown / 300 <= 0.92


@pytest.mark.parametrize("arms", [(0, 10), (10, 0)])
def test_without_a_hold_out_nothing_can_be_shown(arms):
    assert to_be_shown([0.5], *arms) is None

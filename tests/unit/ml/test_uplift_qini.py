"""The Qini coefficient, reckoned by hand on tables small enough to follow."""

import numpy as np
import pytest

from ml.uplift.qini import Ranking, in_hindsight, qini

# Six customers in the order of their score. Gained after each: outcomes of the treated so far minus
# outcomes of those held out x treated / held out so far (nobody held out yet: nothing to take away).
#   treated, outcome     taken 1: 1             taken 4: 1 - 1 x 2/2 = 0
#   T1 H0 T0 H1 T1 H0    taken 2: 1 - 0 = 1     taken 5: 2 - 1 x 3/2 = 0.5
#                        taken 3: 1 - 0 = 1     taken 6: 2 - 1 x 3/3 = 1
TREATED = np.array([True, False, True, False, True, False])
OUTCOME = np.array([1.0, 0.0, 0.0, 1.0, 1.0, 0.0])
SCORE = np.array([6.0, 5.0, 4.0, 3.0, 2.0, 1.0])
ONCE = np.ones(6)


def curve(score: np.ndarray, weight: np.ndarray = ONCE):
    return Ranking.by(score, OUTCOME, TREATED, weight).curve(ONCE)


def test_the_curve_is_the_one_on_paper():
    drawn = curve(SCORE)
    assert drawn.customers.tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert drawn.gained.tolist() == [0, 1, 1, 1, 0, 0.5, 1]


def test_the_coefficient_is_the_area_over_chance_beside_the_best_one():
    # Under the curve .5 + 1 + 1 + .5 + .25 + .75 = 4, under the line 6 x 1 / 2 = 3. In hindsight both
    # treated who came are first (2), then three without an outcome (2), then who came though held out (1):
    # under it 2 x 2 / 2 + 3 x 2 + (2 + 1) / 2 = 9.5, so 6.5 above the line.
    assert curve(SCORE).area == pytest.approx(1)
    assert curve(in_hindsight(OUTCOME, TREATED)).area == pytest.approx(6.5)
    assert qini(OUTCOME, TREATED, SCORE) == pytest.approx(1 / 6.5)


def test_the_best_order_has_one_and_the_same_score_for_all_has_nothing():
    assert qini(OUTCOME, TREATED, in_hindsight(OUTCOME, TREATED)) == pytest.approx(1)
    assert qini(OUTCOME, TREATED, np.zeros(6)) == pytest.approx(0)


def test_customers_with_the_same_score_come_in_together():
    drawn = curve(np.array([3.0, 3.0, 3.0, 2.0, 2.0, 1.0]))
    assert drawn.customers.tolist() == [0, 3, 5, 6]
    assert drawn.gained.tolist() == [0, 1, 0.5, 1]


def test_only_the_order_counts_not_the_size_of_the_score():
    assert qini(OUTCOME, TREATED, np.exp(SCORE)) == qini(OUTCOME, TREATED, SCORE)


def test_the_same_weight_for_everybody_in_an_arm_changes_nothing():
    weight = np.where(TREATED, 1 / 0.7, 1 / 0.3)
    assert qini(OUTCOME, TREATED, SCORE, weight) == pytest.approx(qini(OUTCOME, TREATED, SCORE))


def test_a_customer_drawn_twice_counts_as_two_customers():
    times = np.array([2.0, 1, 0, 3, 1, 1])
    again = np.repeat(np.arange(6), times.astype(int))
    drawn = Ranking.by(SCORE, OUTCOME, TREATED, ONCE).curve(times)
    written_out = Ranking.by(SCORE[again], OUTCOME[again], TREATED[again], np.ones(len(again)))
    assert drawn.area == pytest.approx(written_out.curve(np.ones(len(again))).area)


def test_where_nobody_has_an_outcome_no_order_is_better_than_another():
    assert np.isnan(qini(np.zeros(6), TREATED, SCORE))


def test_money_is_gained_as_money():
    spent = np.array([50.0, 0, 0, 20, 30, 0])
    drawn = Ranking.by(SCORE, spent, TREATED, ONCE).curve(ONCE)
    assert drawn.gained.tolist() == [0, 50, 50, 50, 30, 50, 60]

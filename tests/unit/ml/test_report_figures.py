"""Figures of the report: what was foretold of rows not seen, how sure they are, what a list earns, what pushes."""

from typing import get_args

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from ml.definition import Family
from ml.evaluation import figures, lift
from ml.kit import OURS
from ml.model import BASELINE
from ml.profit import Terms
from ml.reports import intervals
from ml.reports.money import money
from ml.reports.slices import Judged, Slice, slices
from ml.reports.why import WORDS, examples, families
from ml.training import Trained


@pytest.fixture(scope="module")
def sliced(trained: Trained) -> tuple[tuple[Slice, ...], Judged]:
    return slices(trained, OURS)


def test_the_judge_slice_is_the_judgement(trained, sliced):
    last = sliced[0][-1]
    assert not last.taught
    for kind in (trained.model.kind, BASELINE):
        assert last.by_model[kind] == trained.judgement.of(kind).active


def test_a_training_slice_is_foretold_by_models_that_did_not_see_its_customers(trained, spec, sliced):
    rows = trained.dataset.at(spec.train_cuts)
    rows = rows.where(rows.active)
    for one in sliced[0][:-1]:
        here = rows.at([one.cut])
        seen = figures(here.labels, trained.model.probability(here.features, here.names))
        assert one.taught
        assert one.customers == len(here)
        assert one.by_model[trained.model.kind].auc < seen.auc


@pytest.mark.parametrize("levels", [4, 1000])
def test_intervals_surround_the_figures_that_scikit_learn_gives(levels):
    """With few levels most customers are tied."""
    random = np.random.default_rng(5)
    probability = np.round(random.uniform(0.02, 0.98, 900) * levels) / levels
    left = (random.uniform(size=900) < probability).astype(int)
    told = intervals.bootstrap(left, probability, seed=1)
    assert told["auc"].value == pytest.approx(roc_auc_score(left, probability))
    assert told["ap"].value == pytest.approx(average_precision_score(left, probability))
    assert told["brier"].value == pytest.approx(brier_score_loss(left, probability))
    assert told["lift10"].value == pytest.approx(lift(left, probability, 0.1))
    assert told["gap"].value == pytest.approx(probability.mean() - left.mean())
    assert all(one.low < one.value < one.high for one in told.values())
    assert told == intervals.bootstrap(left, probability, seed=1)


def test_a_share_has_the_interval_that_wilson_gave():
    told = intervals.share(10, 50)
    assert (told.value, round(told.low, 4), round(told.high, 4)) == (0.2, 0.1124, 0.3304)
    assert intervals.share(0, 20).low == 0
    assert intervals.share(20, 20).high == 1


def test_the_list_that_could_have_been_planned_never_earns_more_than_the_best_known_afterwards(
    trained, sliced
):
    told = money(sliced[1], trained.model.kind, None, None)
    assert told.planned.profit <= told.best.profit
    assert told.tenth.profit <= told.best.profit
    assert told.curves[trained.model.kind][0] == 0
    assert told.curves[trained.model.kind][-1] == pytest.approx(told.everybody.a_customer)


def test_where_an_offer_costs_more_than_a_customer_is_worth_the_planned_list_is_empty(trained, sliced):
    told = money(sliced[1], trained.model.kind, Terms(value=5, offer_cost=10), None)
    assert (told.planned.listed, told.best.listed) == (0, 0)


def test_every_family_of_features_has_words():
    assert set(WORDS) == set(get_args(Family))


def test_the_families_of_a_shop_are_led_by_what_its_customers_do(trained, sliced):
    told = families(trained.model, sliced[1], OURS)
    assert sum(one.share for one in told) == pytest.approx(1)
    assert told[0].push == max(one.push for one in told)
    assert {one.family for one in told[:3]} & {"recency", "frequency", "rhythm"}
    longer = next(one for one in told if one.family == "recency")
    assert longer.way == "more: likelier to leave"


def test_examples_are_in_the_order_of_their_probability(trained, sliced):
    told = examples(trained.model, sliced[1], OURS)
    assert [one.where for one in told] == ["highest"] * 2 + ["middle"] * 2 + ["lowest"] * 2
    assert [one.rank for one in told] == sorted(one.rank for one in told)
    assert [one.probability for one in told] == sorted((one.probability for one in told), reverse=True)
    assert told[0].rank == 1
    assert told[-1].rank == told[-1].of

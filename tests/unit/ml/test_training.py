"""Training on earlier cuts, judging on a later one."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from ml import model as candidates
from ml.dataset import Dataset
from ml.histories import Histories
from ml.model import CANDIDATES
from ml.training import ChurnSpec, TooLittleHistory, cuts_for, spec_for, train


def day(year: int, month: int, number: int = 1) -> datetime:
    return datetime(year, month, number, tzinfo=UTC)


def test_the_judge_cut_is_the_latest_first_of_a_month_with_a_full_window():
    train_cuts, judge_cut = cuts_for(day(1997, 1), day(1998, 7), 180)
    assert judge_cut == day(1998, 1)
    assert train_cuts == (day(1997, 5), day(1997, 6), day(1997, 7))


def test_where_data_reach_back_an_earlier_cut_lets_the_past_choose_the_champion():
    spec = spec_for(day(1996, 1), day(1998, 7))
    assert spec.train_cuts == (day(1997, 1), day(1997, 5), day(1997, 6), day(1997, 7))
    assert spec.earlier_cuts == (day(1997, 1),)


def test_a_history_shorter_than_two_horizons_trains_nothing():
    with pytest.raises(TooLittleHistory):
        cuts_for(day(2025, 1), day(2025, 12), 180)


def test_a_training_label_never_overlaps_the_judges_window():
    with pytest.raises(ValueError, match="judge cut"):
        ChurnSpec(
            data_start=day(2024, 1), data_end=day(2025, 7), train_cuts=(day(2024, 8),), judge_cut=day(2025, 1)
        )
    with pytest.raises(ValueError, match="beyond the data"):
        ChurnSpec(
            data_start=day(2024, 1), data_end=day(2025, 6), train_cuts=(day(2024, 7),), judge_cut=day(2025, 1)
        )


def test_the_champion_beats_chance_and_the_baseline(trained):
    champion = trained.judgement.of(trained.judgement.champion).active
    assert champion.auc > 0.6
    assert champion.lift10 > 1.2
    assert trained.judgement.gain.low > 0
    assert trained.judgement.champion != "recency"


def test_the_champion_is_chosen_before_the_judge_cut_where_history_allows(trained, spec):
    assert trained.judgement.chosen_at == max(spec.train_cuts)
    assert not trained.judgement.chosen_on_judge_cut


def test_a_short_history_says_that_the_judge_chose(told, spec):
    short = ChurnSpec(
        data_start=spec.data_start, data_end=spec.data_end, train_cuts=spec.train_cuts[-1:],
        judge_cut=spec.judge_cut, horizon_days=90, population_days=120,
    )  # fmt: skip
    judgement = train(Histories.of(told), short).judgement
    assert judgement.chosen_on_judge_cut
    assert judgement.chosen_at == spec.judge_cut
    best = max(judgement.evaluations, key=lambda evaluation: evaluation.active.auc)
    assert judgement.champion == best.candidate


def test_training_again_gives_the_same_model_whatever_the_customers_are_called(told, spec, trained):
    renamed = {f"{number:x}": history for number, history in enumerate(reversed(told.values()))}
    again = train(Histories.of(renamed), spec)
    rows = trained.dataset.features
    names = trained.dataset.names
    assert np.array_equal(again.model.log_odds(rows, names), trained.model.log_odds(rows, names))
    assert again.judgement == trained.judgement


def in_order_of_outcome(rows: Dataset) -> Dataset:
    order = np.argsort(rows.labels, kind="stable")
    return replace(
        rows, **{name: getattr(rows, name)[order] for name in rows.__dataclass_fields__ if name != "names"}
    )


@pytest.mark.parametrize("kind", CANDIDATES, ids=lambda one: one.name)
def test_calibration_keeps_the_ranking_even_with_rows_in_the_order_of_outcome(trained, spec, kind):
    """Folds that follow the order of the rows would be worlds of their own; ours are drawn by customer."""
    rows, judge = trained.dataset.at(spec.train_cuts), trained.dataset.at([spec.judge_cut])
    model = candidates.fit(kind, in_order_of_outcome(rows), seed=0)
    told = model.estimator.decision_function(model.inputs(model.select(judge.features, judge.names)))
    auc = roc_auc_score(judge.labels, model.probability(judge.features, judge.names))
    assert model.slope > 0.5
    assert auc == pytest.approx(roc_auc_score(judge.labels, told))
    assert auc == pytest.approx(trained.judgement.of(kind.name).everyone.auc, abs=0.02)


def test_the_probabilities_hold_on_the_whole(trained):
    assert trained.judgement.of("logistic").active.ece < 0.15
    assert trained.judgement.of("boosting").active.ece < 0.15


def test_too_few_leavers_train_nothing(told, spec):
    few = dict(list(told.items())[:30])
    with pytest.raises(TooLittleHistory, match="of each are needed"):
        train(Histories.of(few), spec)


def test_values_beyond_those_seen_in_training_count_as_the_nearest_seen(trained):
    model = trained.model
    beyond = np.array([np.where(np.isnan(model.highest), 0, model.highest)])
    assert model.log_odds_of(beyond * 100 + 1) == pytest.approx(model.log_odds_of(beyond + 0.5))

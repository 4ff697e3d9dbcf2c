"""Scores: everyone, ranked, with reasons that hold."""

from datetime import timedelta

import numpy as np
import pytest

from events.holding import PurchaseRecorded
from events.identity import CustomersMerged
from events.prediction import ChurnScored
from events.touch import TouchRecorded, TouchRetracted
from ml import model as candidates
from ml import scoring
from ml.explanation import pushes
from ml.features.catalogue import BY_NAME, features
from ml.histories import Histories
from ml.model import CANDIDATES

BY_KIND = {one.name: one for one in CANDIDATES}


def score(model, told, at):
    return scoring.score(model, Histories.of(told), at)


@pytest.fixture(scope="module")
def scores(trained, told, spec):
    return score(trained.model, told, spec.data_end)


def test_everyone_who_ever_bought_is_scored_once_and_ranked(scores, told):
    assert {s.customer for s in scores} == {customer for customer, history in told.items() if history}
    assert [s.rank for s in scores] == list(range(1, len(scores) + 1))
    assert [s.probability for s in scores] == sorted((s.probability for s in scores), reverse=True)
    assert all(s.of == len(scores) for s in scores)


def test_those_who_bought_nothing_before_the_moment_are_not_scored(trained, fact, spec):
    history = [fact(PurchaseRecorded(), spec.data_end)]
    assert score(trained.model, {"later": history}, spec.data_end) == []
    assert score(trained.model, {}, spec.data_end) == []


def test_facts_after_the_moment_change_no_score(trained, told, spec, fact):
    later = {c: [*h, fact(PurchaseRecorded(), spec.data_end + timedelta(days=1))] for c, h in told.items()}
    before = {c: h for c, h in later.items() if len(h) > 1}
    assert score(trained.model, before, spec.data_end) == score(
        trained.model, {c: told[c] for c in before}, spec.data_end
    )


def test_a_retraction_changes_a_score_only_after_it_was_known(trained, fact, spec):
    at = spec.data_end
    bought = fact(PurchaseRecorded(), at - timedelta(days=10))
    touch = fact(TouchRecorded(reason="complaint.price", outcome="unresolved"), at - timedelta(days=3))
    retracted = fact(TouchRetracted(touch_id=touch.event_id, why="a test"), at, number=1)
    later = at + timedelta(microseconds=1)
    history = {"a": [bought, touch, retracted]}
    assert score(trained.model, history, at) == score(trained.model, {"a": [bought, touch]}, at)
    assert score(trained.model, history, later) == score(trained.model, {"a": [bought]}, later)


def test_one_who_was_absorbed_is_scored_until_that_was_known(trained, fact, spec):
    at = spec.data_end
    bought = fact(PurchaseRecorded(), at - timedelta(days=10))
    merged = fact(CustomersMerged(survivor="a", absorbed="b"), at, number=1)
    histories = {"a": [bought, merged], "b": [bought, merged]}
    later = at + timedelta(microseconds=1)
    assert {one.customer for one in score(trained.model, histories, at)} == {"a", "b"}
    assert {one.customer for one in score(trained.model, histories, later)} == {"a"}


def test_the_ranking_does_not_know_what_customers_are_called(trained, told, spec, scores):
    names = {customer: f"{number:x}" for number, customer in enumerate(reversed(told))}
    renamed = score(trained.model, {names[c]: h for c, h in reversed(told.items())}, spec.data_end)
    assert [names[s.customer] for s in scores] == [s.customer for s in renamed]
    assert [s.probability for s in scores] == [s.probability for s in renamed]


def test_equals_are_ranked_by_who_came_first_not_by_their_id(trained, fact, spec):
    at = spec.data_end - timedelta(days=10)
    first, second = (fact(PurchaseRecorded(), at, number=number) for number in (1, 2))
    ranked = score(trained.model, {"a": [second], "b": [first]}, spec.data_end)
    assert [s.customer for s in ranked] == ["b", "a"]


def test_reasons_tell_the_customers_own_values_and_push_where_the_score_lies(scores, told, spec):
    for one in (scores[0], scores[-1]):
        row = features(told[one.customer], spec.data_end)
        assert 1 <= len(one.reasons) <= 3
        for reason in one.reasons:
            assert reason.says == BY_NAME[reason.feature].phrase(row[reason.feature])
        assert len({BY_NAME[reason.feature].family for reason in one.reasons}) == len(one.reasons)
    assert all(reason.contribution > 0 for reason in scores[0].reasons)
    assert all(reason.contribution < 0 for reason in scores[-1].reasons)


def test_the_pushes_of_the_logistic_model_add_up_exactly(trained, spec):
    model = candidates.fit(BY_KIND["logistic"], trained.dataset.at(spec.train_cuts), seed=0)
    rows = trained.dataset.at([spec.judge_cut]).features
    selected = model.select(rows, trained.dataset.names)
    constant = model.log_odds_of(selected) - pushes(model, selected).by_family.sum(axis=1)
    assert np.ptp(constant) == pytest.approx(0, abs=1e-9)


def test_a_reason_of_the_boosting_is_the_loss_when_its_family_becomes_usual(trained, spec):
    model = candidates.fit(BY_KIND["boosting"], trained.dataset.at(spec.train_cuts), seed=0)
    rows = trained.dataset.at([spec.judge_cut]).features[:5]
    recency = [i for i, name in enumerate(model.columns) if BY_NAME[name].family == "recency"]
    selected = model.select(rows, trained.dataset.names)
    usual = selected.copy()
    usual[:, recency] = model.reference[recency]
    expected = model.log_odds_of(selected) - model.log_odds_of(usual)
    assert BY_NAME[model.columns[0]].family == "recency"
    assert pushes(model, selected).by_family[:, 0] == pytest.approx(expected)


def test_a_score_is_recorded_as_an_event(scores, spec):
    event = scores[0].event(run="r1", artifact="churn-1", as_of=spec.data_end, horizon_days=90)
    assert event == ChurnScored(
        run="r1", artifact="churn-1", as_of=spec.data_end, horizon_days=90, rank=1, of=len(scores),
        probability=scores[0].probability, reasons=scores[0].reasons,
    )  # fmt: skip

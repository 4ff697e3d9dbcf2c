"""Trials whose truth is known: what is there is found, what is not is not."""

from dataclasses import replace

import numpy as np
import pytest
import skops.io

from bench.ml.uplift import World, world
from ml.uplift.admission import Admitted, admit
from ml.uplift.effect import average_effect
from ml.uplift.judging import Foretold, Judgement, folds, judge, judged, out_of_fold
from ml.uplift.learning import CANDIDATES, learn
from ml.uplift.rows import rows, sentences

RESAMPLES = 100


@pytest.fixture(scope="module")
def subscribers() -> World:
    return world(seed=1, customers=4000)


@pytest.fixture(scope="module")
def admitted(subscribers: World) -> Admitted:
    return admit(subscribers.trial)


@pytest.fixture(scope="module")
def foretold(admitted: Admitted) -> Foretold:
    return out_of_fold(admitted, seed=1)


@pytest.fixture(scope="module")
def judgement(admitted: Admitted, foretold: Foretold) -> Judgement:
    return judged(admitted, foretold, seed=1, resamples=RESAMPLES)


def test_an_effect_that_differs_by_customer_is_shown(judgement: Judgement):
    assert judgement.effect_shown
    assert judgement.average_shown
    assert judgement.order_shown
    assert sentences(judgement)[0] == "An effect is shown."


def test_the_true_average_effect_lies_in_the_interval(subscribers: World, judgement: Judgement):
    assert judgement.average.low <= subscribers.true_effect.mean() <= judgement.average.high


def test_persuadables_are_told_more_uplift_than_sure_things(subscribers: World, foretold: Foretold):
    for learner in CANDIDATES:
        score = foretold.scores[learner]
        assert score[subscribers.kind == 0].mean() > score[subscribers.kind == 1].mean()


def test_those_told_to_be_moved_most_are_moved_more_than_those_told_least(judgement: Judgement):
    fifths = judgement.standing("two_model").fifths
    assert fifths[4].low > fifths[0].value


def test_response_only_is_always_printed_as_the_thing_to_beat(judgement: Judgement):
    named = {row.of for row in rows(judgement)}
    assert "response only (no hold-out): to be beaten" in named
    best = judgement.standing(judgement.champion)
    assert best.qini.value - best.over_response.value == pytest.approx(
        judgement.standing("response_only").qini.value
    )


def test_every_row_tells_its_interval(judgement: Judgement):
    told = rows(judgement)
    assert len(told) == 1 + 2 * 8 + 7
    assert all(row.figure.low <= row.figure.value <= row.figure.high for row in told)


@pytest.mark.parametrize("seed", [2, 3])
def test_an_offer_that_moves_nobody_is_told_to_show_none(seed: int):
    trial = world(seed=seed, moved=False, logged=seed % 2 == 0, customers=1000).trial
    found = judge(trial, seed=seed, resamples=RESAMPLES)
    assert not found.effect_shown
    told = sentences(found)
    assert told[0] == "No effect is shown."
    assert "none is shown" in told[1]
    assert "the same for everyone" in told[2]


@pytest.mark.parametrize("logged", [False, True], ids=["held out at random", "logged propensity"])
def test_the_interval_covers_the_truth_in_seventeen_of_twenty(logged: bool):
    covered = 0
    for seed in range(1, 21):
        one = world(seed=seed, logged=logged, customers=3000)
        sound = admit(one.trial)
        found = average_effect(sound.outcome, sound.treated, sound.weight, sound.customers).interval()
        covered += found.low <= one.true_effect.mean() <= found.high
    assert covered >= 17


def test_the_same_seed_says_the_same(admitted: Admitted, foretold: Foretold, judgement: Judgement):
    assert judged(admitted, foretold, seed=1, resamples=RESAMPLES) == judgement
    unseen = foretold.fold == 2
    for learner in CANDIDATES:
        again = learn(admitted, learner, seed=1, rows=~unseen).score(admitted.features[unseen])
        assert (again == foretold.scores[learner][unseen]).all()


def test_a_customer_with_several_rows_is_never_judged_by_a_model_that_saw_them(subscribers: World):
    fold = folds(admit(replace(subscribers.trial, customers=np.arange(4000) // 2)), seed=1)
    assert (fold[::2] == fold[1::2]).all()
    assert np.bincount(fold).tolist() == [800] * 5


def test_folds_hold_the_same_share_of_each_arm_and_outcome(admitted: Admitted, foretold: Foretold):
    by_fold = [
        (admitted.treated[foretold.fold == number].mean(), admitted.outcome[foretold.fold == number].mean())
        for number in range(5)
    ]
    assert np.ptp(by_fold, axis=0).max() < 0.005


def test_a_model_keeps_nothing_of_the_rows_it_is_judged_on(admitted: Admitted):
    """Turning the outcomes of the rows that were kept away changes nothing."""
    kept = np.arange(4000) < 3000
    turned = replace(admitted, outcome=np.where(kept, admitted.outcome, 1 - admitted.outcome))
    for learner in CANDIDATES:
        first, second = (learn(one, learner, seed=1, rows=kept) for one in (admitted, turned))
        assert (first.score(admitted.features) == second.score(admitted.features)).all()


def test_money_is_judged_as_money():
    trial = world(seed=1, customers=1000).trial
    kept = np.random.default_rng(6).lognormal(3, 0.7, 1000) * trial.outcome
    found = judge(replace(trial, outcome=kept), seed=1, resamples=50)
    assert found.money
    assert rows(found)[0].unit == "money a row"
    assert found.average.low < found.average.value < found.average.high
    assert "points" not in " ".join(sentences(found))


@pytest.mark.parametrize("learner", [*CANDIDATES, "response_only"])
def test_a_model_comes_back_from_its_file_as_it_was(admitted: Admitted, learner):
    """Its parts are of types that the artifacts allow."""
    model = learn(admitted, learner, seed=1)
    packed = skops.io.dumps(list(model.parts))
    unknown = skops.io.get_untrusted_types(data=packed)
    assert set(unknown) <= {
        "numpy.dtype",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    }
    again = replace(model, parts=tuple(skops.io.loads(packed, trusted=unknown)))
    assert (again.score(admitted.features) == model.score(admitted.features)).all()


def test_rows_with_gaps_and_values_never_seen_get_a_score(admitted: Admitted):
    strange = np.array([[np.nan] * 6, [1e9] * 6, [-5.0] * 6])
    for learner in CANDIDATES:
        assert np.isfinite(learn(admitted, learner, seed=1).score(strange)).all()


def test_sentences_say_what_was_shown_and_no_more(judgement: Judgement):
    told = " ".join(sentences(judgement))
    assert "On average, an effect is shown: +" in told
    assert "That some are moved more than others is shown (Qini " in told
    assert (
        f"{judgement.treated} assigned rows, contacted or not, against {judgement.held_out} held out" in told
    )
    assert "would show an average effect of" in told


def test_two_looks_more_have_to_be_surer_than_one(admitted: Admitted, foretold: Foretold):
    """Just outside the 95 % interval is not enough where three things are looked at."""
    plain = judged(admitted, foretold, seed=1, resamples=20).average
    reach = plain.value - plain.low
    moved_back = admitted.outcome - np.where(admitted.treated, plain.value - 1.05 * reach, 0)
    barely = judged(replace(admitted, outcome=moved_back, money=True), foretold, seed=1, resamples=20)
    assert barely.average.above_zero
    assert not barely.average_shown

"""What another choice would have earned, on logs whose truth is known."""

import numpy as np
import pytest

from ml.offer.replay import Log, certain, estimate, judge, same_for_everyone
from models.errors import Refused

OFFERS = ("pass", "phone", "plan")
SEEDS = range(20)


def log_of(
    seed: int, effect: float, customers: int = 6000, base: tuple[float, float, float] = (0.2, 0.2, 0.2)
) -> tuple[Log, np.ndarray]:
    """A log that preferred the plan for some, and each presentation's chance of a yes by offer.

    Each customer has one offer out of three that suits better than its base, by `effect`.
    """
    random = np.random.default_rng(seed)
    suits = np.arange(customers) % 3
    truth = np.tile(base, (customers, 1))
    truth[np.arange(customers), suits] += effect
    chances = np.where((suits == 0)[:, None], [0.2, 0.2, 0.6], [0.5, 0.3, 0.2])
    shown = (random.random(customers)[:, None] > chances.cumsum(axis=1)).sum(axis=1)
    rows = np.arange(customers)
    earned = (random.random(customers) < truth[rows, shown]).astype(float)
    return Log(OFFERS, shown, chances[rows, shown], earned), truth


def personal(truth: np.ndarray) -> np.ndarray:
    """A choice that knows whom which offer suits; where all are alike, it chooses by customer just so."""
    best = truth.argmax(axis=1)
    return certain(np.where(np.ptp(truth, axis=1) > 0, best, np.arange(len(truth)) % 3), 3)


def test_by_hand():
    """The log made a one time in four; the policy would make it every second time.

    60 of 200 were shown a (weight 2), and 30 took it; 140 were shown b (weight 2/3), and 28 took it.
    """
    shown = np.repeat([0, 1], [60, 140])
    earned = np.concatenate([np.arange(60) < 30, np.arange(140) < 28]).astype(float)
    found = estimate(Log(("a", "b"), shown, np.where(shown == 0, 0.25, 0.75), earned), np.full((200, 2), 0.5))
    assert found.plain == pytest.approx((2 * 30 + 2 / 3 * 28) / 200)
    assert found.value == pytest.approx((2 * 30 + 2 / 3 * 28) / (2 * 60 + 2 / 3 * 140))
    assert found.effective == pytest.approx((2 * 60 + 2 / 3 * 140) ** 2 / (4 * 60 + 4 / 9 * 140))


def test_the_true_worth_of_a_policy_lies_in_its_interval():
    """At least 17 of 20 seeds, where 19 are expected."""
    inside = plain = 0
    for seed in SEEDS:
        log, truth = log_of(seed, effect=0.2)
        policy = np.tile([0.1, 0.7, 0.2], (len(truth), 1))
        found, worth = estimate(log, policy), (policy * truth).sum(axis=1).mean()
        inside += found.low <= worth <= found.high
        plain += abs(found.plain - worth) <= 1.96 * found.plain_error
    assert min(inside, plain) >= 17


def test_the_standard_error_is_the_spread_over_many_logs():
    found = [estimate(log_of(seed, 0.2)[0], np.tile([0.0, 1.0, 0.0], (6000, 1))) for seed in range(200)]
    spread = np.std([one.value for one in found])
    assert np.mean([one.error for one in found]) == pytest.approx(spread, rel=0.15)


def test_where_personal_choice_gains_the_verdict_says_how_much():
    """The phone is the best for everyone; who it suits not is lost to it. The truth inside at least 17 of 20 times."""
    inside = 0
    for seed in SEEDS:
        log, truth = log_of(seed, effect=0.2, base=(0.2, 0.26, 0.2))
        gain = truth.max(axis=1).mean() - truth.mean(axis=0).max()
        verdict = judge(log, personal(truth))
        assert (verdict.best_fixed, verdict.same_for_everyone) == ("phone", False)
        assert verdict.says.startswith("choose for each customer: +0.")
        inside += verdict.gain.low <= gain <= verdict.gain.high
    assert inside >= 17


def test_against_the_luckiest_of_equal_offers_a_gain_is_told_too_small_never_too_large():
    """The best of three equals in a log is lucky; over many logs the gain is below the true 0.1333."""
    gains = [judge(log, personal(truth)).gain.value for log, truth in (log_of(n, 0.2) for n in range(60))]
    assert 0.11 < np.mean(gains) < 0.2 * 2 / 3


def test_where_it_gains_nothing_the_verdict_is_the_same_for_everyone():
    """At least 18 of 20 seeds."""
    verdicts = [judge(log, personal(truth)) for log, truth in (log_of(seed, effect=0) for seed in SEEDS)]
    assert sum(verdict.same_for_everyone for verdict in verdicts) >= 18
    assert verdicts[0].says.startswith(f"the same for everyone: {verdicts[0].best_fixed}, which earns 0.2")


def test_a_choice_that_loses_is_told_so():
    log, truth = log_of(1, effect=0.2)
    worst = certain((personal(truth).argmax(axis=1) + 1) % 3, 3)
    verdict = judge(log, worst)
    assert verdict.same_for_everyone
    assert "a personal choice loses: -0.0" in verdict.says


def test_the_same_for_everyone_gains_exactly_nothing_over_itself():
    log, _ = log_of(2, effect=0.2)
    best = judge(log, np.tile([0.0, 1.0, 0.0], (6000, 1))).best_fixed
    same = judge(log, np.tile(np.array(OFFERS) == best, (6000, 1)).astype(float))
    assert (same.gain.value, same.gain.low, same.gain.high) == (0, 0, 0)
    assert same.same_for_everyone


def test_a_gain_that_hangs_on_a_few_heavy_presentations_is_not_proven():
    """The phone had one chance in 300 where it suits, and was taken each time: ten answers are no proof."""
    first = np.arange(6000) < 3000
    phone = np.where(first, np.arange(6000) % 300 == 0, np.arange(6000) % 50 == 0)
    chance = np.where(first, 1 / 300, 1 / 50)
    earned = np.where(first, phone, 0.5 * ~phone).astype(float)
    log = Log(("pass", "phone"), phone.astype(int), np.where(phone, chance, 1 - chance), earned)
    verdict = judge(log, certain(first.astype(int), 2))
    assert verdict.gain.low > 0
    assert verdict.personal.effective < 50
    assert verdict.same_for_everyone


def test_four_presentations_to_one_customer_are_not_four_answers():
    log, _ = log_of(3, effect=0.2, customers=600)
    policy = np.tile([0.3, 0.3, 0.4], (2400, 1))
    rows = np.tile(np.arange(600), 4)
    repeated = (OFFERS, log.shown[rows], log.chance[rows], log.earned[rows])
    naive, honest = estimate(Log(*repeated), policy), estimate(Log(*repeated, customers=rows), policy)
    once = estimate(log, policy[:600])
    assert honest.error == pytest.approx(once.error)
    assert naive.error == pytest.approx(once.error / 2)


def test_an_offer_hardly_shown_is_not_made_to_everyone():
    log, _ = log_of(4, effect=0.2)
    rare = Log((*OFFERS, "tablet"), log.shown, log.chance, log.earned)
    verdict = judge(rare, np.tile([0.5, 0.5, 0.0, 0.0], (6000, 1)))
    assert set(verdict.fixed) == set(OFFERS)


def test_a_policy_that_makes_an_offer_the_log_hardly_knows_is_refused():
    log, _ = log_of(4, effect=0.2)
    rare = Log((*OFFERS, "tablet"), log.shown, log.chance, log.earned)
    with pytest.raises(Refused, match="tablet was shown 0 times") as refused:
        judge(rare, np.tile([0.5, 0.4, 0.0, 0.1], (6000, 1)))
    assert (refused.value.code, refused.value.path) == ("replay.hardly_shown", "offers/3")


def test_where_the_best_offer_had_no_chance_the_next_follows_in_one_order_for_all():
    """Every second customer has the phone already; everyone gets the plan then, and that is what is told."""
    random = np.random.default_rng(8)
    possible = np.ones((6000, 3), dtype=bool)
    possible[::2, 1] = False
    chances = possible / possible.sum(axis=1, keepdims=True)
    shown = (random.random(6000)[:, None] > chances.cumsum(axis=1)).sum(axis=1)
    earned = (random.random(6000) < np.array([0.1, 0.4, 0.2])[shown]).astype(float)
    log = Log(OFFERS, shown, chances[np.arange(6000), shown], earned, possible=possible)
    phone_then_plan = same_for_everyone(log, [1, 2, 0])
    assert (phone_then_plan[:3] == [[0, 0, 1], [0, 1, 0], [0, 0, 1]]).all()
    verdict = judge(log, phone_then_plan)
    assert (verdict.best_fixed, verdict.gain.value) == ("phone", 0)
    assert verdict.fixed["phone"].low < 0.3 < verdict.fixed["phone"].high
    assert verdict.fixed["pass"].high < 0.2


def test_a_policy_that_makes_an_offer_where_it_had_no_chance_is_refused():
    log, _ = log_of(8, effect=0)
    possible = np.ones((6000, 3), dtype=bool)
    possible[np.flatnonzero(log.shown != 1)[0], 1] = False
    barred = Log(OFFERS, log.shown, log.chance, log.earned, possible=possible)
    with pytest.raises(Refused) as refused:
        judge(barred, np.tile([0.0, 1.0, 0.0], (6000, 1)))
    assert (refused.value.code, refused.value.path) == ("replay.bad_policy", "policy")


def test_a_log_that_never_left_anything_to_chance_cannot_be_replayed():
    """Every offer was certain for its customers: nobody knows what another would have earned."""
    log, _ = log_of(5, effect=0.2)
    rule = Log(OFFERS, np.arange(6000) % 3, np.ones(6000), log.earned)
    with pytest.raises(Refused, match="weights that should be 1 in the mean") as refused:
        judge(rule, np.tile([0.0, 1.0, 0.0], (6000, 1)))
    assert refused.value.code == "replay.propensities_do_not_fit"


def test_propensities_that_are_not_those_of_the_choice_are_refused():
    log, _ = log_of(6, effect=0.2)
    made_up = Log(OFFERS, log.shown, np.full(6000, 0.9), log.earned)
    with pytest.raises(Refused) as refused:
        estimate(made_up, np.tile([1 / 3, 1 / 3, 1 / 3], (6000, 1)))
    assert refused.value.code == "replay.propensities_do_not_fit"


SHOWN, EVEN, EARNED = np.array([0, 1, 2]), np.full(3, 1 / 3), np.ones(3)


@pytest.mark.parametrize(
    "columns, code, path",
    [
        ((SHOWN, None, EARNED), "replay.no_propensity", "propensity"),
        ((SHOWN, np.array([0.5, np.nan, 0.5]), EARNED), "replay.no_propensity", "propensity/1"),
        ((SHOWN, np.array([0.5, 0.5, 0.0]), EARNED), "replay.bad_propensity", "propensity/2"),
        ((SHOWN, np.array([1.5, 0.5, 0.5]), EARNED), "replay.bad_propensity", "propensity/0"),
        ((SHOWN, EVEN[:2], EARNED), "replay.bad_log", "shown"),
        ((SHOWN[:0], EVEN[:0], EARNED[:0]), "replay.bad_log", "shown"),
        ((SHOWN, EVEN, EARNED, SHOWN[:1]), "replay.bad_log", "shown"),
        ((SHOWN + 1, EVEN, EARNED), "replay.bad_log", "shown"),
        ((SHOWN, EVEN, EARNED, None, np.ones((3, 2))), "replay.bad_log", "possible"),
        ((SHOWN, EVEN, EARNED, None, np.eye(3)[::-1]), "replay.bad_log", "possible"),
        ((SHOWN, EVEN, EARNED * np.nan), "replay.bad_log", "earned"),
    ],
)
def test_a_log_that_cannot_be_replayed_is_refused_with_the_cause(columns, code, path):
    with pytest.raises(Refused) as refused:
        Log(OFFERS, *columns)
    assert (refused.value.code, refused.value.path) == (code, path)


@pytest.mark.parametrize("row", [[0.5, 0.6, 0.0], [1.2, -0.2, 0.0], [np.nan, 0.5, 0.5], [0.5, 0.5]])
def test_a_policy_whose_chances_do_not_add_up_is_refused(row):
    log, _ = log_of(7, effect=0)
    with pytest.raises(Refused) as refused:
        estimate(log, np.tile(row, (6000, 1)))
    assert (refused.value.code, refused.value.path) == ("replay.bad_policy", "policy")

"""What is no trial is refused, with what is wrong and what would help."""

from dataclasses import replace

import numpy as np
import pytest

from bench.ml.uplift import world
from ml.uplift.admission import admit
from ml.uplift.balance import SUSPECT
from ml.uplift.judging import judge
from ml.uplift.trial import AfterAssignment, LoggedPropensity, RandomHoldout, Trial, UpliftRefused


@pytest.fixture(scope="module")
def trial() -> Trial:
    return world(seed=7, customers=2000).trial


def refusal(trial: Trial) -> UpliftRefused:
    with pytest.raises(UpliftRefused) as refused:
        admit(trial)
    assert refused.value.cause
    assert refused.value.fix
    return refused.value


def test_a_draw_is_admitted_and_those_who_were_not_in_it_are_counted(trial: Trial):
    some = np.arange(2000) % 10 != 0
    admitted = admit(replace(trial, eligible=some))
    assert (len(admitted.treated), admitted.left_out) == (1800, 200)
    assert admitted.share == pytest.approx(0.7)
    assert not admitted.money


def test_being_reached_is_no_assignment(trial: Trial):
    refused = refusal(replace(trial, assignment=AfterAssignment("reached")))
    assert (refused.code, refused.path) == ("uplift.after_assignment", "assignment")
    assert "reached" in refused.cause


def test_nobody_knowing_how_units_were_assigned_is_refused(trial: Trial):
    assert refusal(replace(trial, assignment=None)).code == "uplift.assignment_unknown"


def test_reached_claimed_to_be_drawn_is_seen_by_how_the_reached_differ(trial: Trial):
    """The old answer the phone more often; nobody wrote that down."""
    age = np.nan_to_num(trial.features[:, 5], nan=45)
    reached = np.random.default_rng(1).random(2000) < np.clip(age / 90, 0.05, 0.95)
    claimed = RandomHoldout(held_out=1 - float(reached.mean()))
    refused = refusal(replace(trial, treated=reached, assignment=claimed))
    assert refused.code == "uplift.out_of_balance"
    assert "age (+" in refused.cause


def test_only_the_reached_among_the_assigned_are_fewer_than_were_drawn(trial: Trial):
    reached = trial.treated & (np.arange(2000) % 3 == 0)
    assert refusal(replace(trial, treated=reached)).code == "uplift.share_differs"


def test_what_was_not_known_of_one_arm_only_puts_it_out_of_balance(trial: Trial):
    features = trial.features.copy()
    features[trial.treated & (np.arange(2000) % 4 == 0), 1] = np.nan
    refused = refusal(replace(trial, features=features))
    assert refused.code == "uplift.out_of_balance"
    assert "spend not known (+" in refused.cause


def test_logged_propensities_explain_why_arms_differ():
    logged = world(seed=8, logged=True, customers=2000).trial
    assert admit(logged).balance.omnibus_p > SUSPECT
    share = RandomHoldout(held_out=1 - float(logged.treated.mean()))
    assert refusal(replace(logged, assignment=share)).code == "uplift.out_of_balance"


def test_a_customer_whose_arm_is_drawn_once_for_all_rows_counts_once(trial: Trial):
    """Ten rows each, all alike: as ten draws any arm would look loaded."""
    rows = np.repeat(np.arange(2000), 10)
    many = replace(
        trial, features=trial.features[rows], customers=trial.customers[rows],
        treated=trial.treated[rows], outcome=trial.outcome[rows], eligible=trial.eligible[rows],
    )  # fmt: skip
    assert admit(many).balance.omnibus_p > SUSPECT
    assert refusal(replace(many, customers=np.arange(20_000))).code in (
        "uplift.out_of_balance", "uplift.share_differs",
    )  # fmt: skip


@pytest.mark.parametrize("impossible", [0.0, 1.0, -0.2, np.nan])
def test_who_could_not_have_been_drawn_otherwise_is_refused(trial: Trial, impossible: float):
    propensity = np.full(2000, 0.7)
    propensity[3] = impossible
    refused = refusal(replace(trial, assignment=LoggedPropensity(propensity)))
    assert (refused.code, refused.path) == ("uplift.propensity_out_of_range", "assignment.propensity")
    assert "1 rows" in refused.cause
    others = np.arange(2000) != 3
    assert admit(replace(trial, assignment=LoggedPropensity(propensity), eligible=others)).left_out == 1


@pytest.mark.parametrize("held_out", [0.0, 1.0])
def test_holding_out_nobody_or_everybody_is_refused(trial: Trial, held_out: float):
    refused = refusal(replace(trial, assignment=RandomHoldout(held_out)))
    assert (refused.code, refused.path) == ("uplift.propensity_out_of_range", "assignment.held_out")


def test_an_outcome_that_is_not_known_yet_is_refused(trial: Trial):
    outcome = trial.outcome.copy()
    outcome[[5, 9]] = np.nan
    assert refusal(replace(trial, outcome=outcome)).code == "uplift.outcome_unknown"
    eligible = ~np.isnan(outcome)
    assert admit(replace(trial, outcome=outcome, eligible=eligible)).left_out == 2


def test_a_hold_out_of_a_handful_is_refused(trial: Trial):
    few = trial.treated | (np.cumsum(~trial.treated) <= 40)
    refused = refusal(replace(trial, eligible=few, assignment=RandomHoldout(0.03)))
    assert (refused.code, refused.path) == ("uplift.too_few", "held out")
    assert "40 customers" in refused.cause


def test_propensities_so_rare_that_few_count_alike_are_refused(trial: Trial):
    propensity = np.where(np.arange(2000) < 1995, 0.7, 1e-4)
    treated = trial.treated | (propensity < 0.1)
    refused = refusal(replace(trial, treated=treated, assignment=LoggedPropensity(propensity)))
    assert (refused.code, refused.path) == ("uplift.too_few", "treated")


def test_nobody_in_the_draw_is_refused(trial: Trial):
    assert refusal(replace(trial, eligible=np.zeros(2000, dtype=bool))).code == "uplift.too_few"


@pytest.mark.parametrize("everyone", [0.0, 1.0])
def test_the_same_outcome_for_all_is_refused(trial: Trial, everyone: float):
    assert refusal(replace(trial, outcome=np.full(2000, everyone))).code == "uplift.one_outcome"


def test_many_outcomes_of_one_customer_are_one(trial: Trial):
    one = np.where(np.arange(2000) < 200, 0, np.arange(2000))
    outcome = (np.arange(2000) < 200).astype(float)
    assert refusal(replace(trial, customers=one, outcome=outcome)).code == "uplift.one_outcome"


def test_twenty_outcomes_in_each_arm_are_enough_to_be_judged(trial: Trial):
    """The rarest that is admitted leaves every fold something to learn from."""
    outcome = np.zeros(2000)
    for arm in (trial.treated, ~trial.treated):
        outcome[np.flatnonzero(arm)[:20]] = 1
    assert not judge(replace(trial, outcome=outcome), seed=1, resamples=20).order_shown


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("customers", np.arange(1999)),
        ("outcome", np.zeros((2000, 1))),
        ("features", np.zeros((2000, 5))),
        ("features", np.full((2000, 6), np.inf)),
        ("treated", np.ones(2000)),
        ("eligible", np.ones(2000, dtype=int)),
    ],
)
def test_parts_that_do_not_fit_together_are_refused(trial: Trial, part: str, value: np.ndarray):
    refused = refusal(replace(trial, **{part: value}))
    assert (refused.code, refused.path) == ("uplift.malformed", part)


def test_a_refusal_names_no_customer(trial: Trial):
    outcome = trial.outcome.copy()
    outcome[5] = np.nan
    named = np.array([f"+1415555{number:04d}" for number in range(2000)])
    assert "+1415" not in str(refusal(replace(trial, outcome=outcome, customers=named)))

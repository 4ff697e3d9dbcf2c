"""The truth beside the world: the probabilities are those by which it goes, and chance alone decides who is treated."""

from collections import defaultdict
from math import sqrt
from statistics import fmean

import pytest

from services.simulator.campaigns import WINDOW_DAYS, planned
from services.simulator.secret import Assignment, Kind
from services.simulator.spec import Spec
from tests.unit.simulator.living import BEGIN, live_through

KINDS: tuple[Kind, ...] = ("persuadable", "sure", "lost", "do_not_disturb")


@pytest.fixture(scope="module")
def assignments() -> list[Assignment]:
    """Those of two thousand five hundred customers."""
    return live_through(Spec(begin=BEGIN, customers=2_500, months=12, seed=21)).assignments


def expected(one: Assignment) -> float:
    return one.probability_held_out if one.held_out else one.probability_treated


@pytest.mark.parametrize("purpose", ["retention", "win_back"])
@pytest.mark.parametrize("held_out", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_what_happens_is_as_likely_as_the_side_file_says(assignments, purpose, held_out, kind):
    mine = [
        one
        for one in assignments
        if (one.purpose, one.held_out, one.kind) == (purpose, held_out, kind)
    ]  # fmt: skip
    chance = [expected(one) for one in mine]
    deviation = sqrt(sum(p * (1 - p) for p in chance))
    assert abs(sum(one.happened for one in mine) - sum(chance)) <= 4 * deviation


def test_chance_treats_as_many_as_the_propensity_says(assignments):
    by_propensity = defaultdict(list)
    for one in assignments:
        by_propensity[one.propensity].append(not one.held_out)
    assert set(by_propensity) == {0.5, 0.6, 0.7}
    for propensity, treated in by_propensity.items():
        assert fmean(treated) == pytest.approx(propensity, abs=4 * 0.5 / sqrt(len(treated)))


@pytest.mark.parametrize("propensity", [0.5, 0.6, 0.7])
def test_treated_and_held_out_are_alike_before_the_treatment(assignments, propensity):
    """Within a plan, for which the propensity is the same, they differ by chance alone."""
    mine = [one for one in assignments if one.purpose == "retention" and one.propensity == propensity]
    arms = [[one for one in mine if one.held_out is side] for side in (True, False)]
    traits = [
        lambda one: one.probability_held_out,
        *(lambda one, kind=kind: one.kind == kind for kind in KINDS),
    ]
    for trait in traits:
        means, overall = [fmean(map(trait, arm)) for arm in arms], fmean(map(trait, mine))
        spread = sqrt(fmean((trait(one) - overall) ** 2 for one in mine))
        assert abs(means[0] - means[1]) <= 4 * spread * sqrt(1 / len(arms[0]) + 1 / len(arms[1]))


def test_a_treatment_helps_harms_or_does_nothing_by_kind(assignments):
    for one in assignments:
        gain = one.probability_held_out - one.probability_treated
        if one.purpose == "win_back":
            gain = -gain
        match one.kind:
            case "persuadable":
                assert gain > 0
            case "do_not_disturb":
                assert gain < 0
            case _:
                assert gain == pytest.approx(0, abs=1e-12)


def test_the_mean_effect_is_there_to_be_found(assignments):
    retention = [one for one in assignments if one.purpose == "retention"]
    assert fmean(one.probability_treated - one.probability_held_out for one in retention) < -0.02


def test_a_world_without_effect_has_none_for_anybody():
    lived = live_through(Spec(begin=BEGIN, customers=200, months=9, seed=4, effect=0.0))
    assert lived.assignments
    assert {one.kind for one in lived.assignments} == set(KINDS)
    for one in lived.assignments:
        assert one.probability_treated == pytest.approx(one.probability_held_out, abs=1e-12)
        assert one.probability_reached == one.probability_held_out


def test_what_happened_is_what_the_company_is_told(lived):
    """Who left or came back in a window did so in the log, at that moment; nobody else did within it."""
    told = defaultdict(list)
    for item in lived.items:
        if item["type"] in ("holding.ended", "holding.started"):
            told[item["identifiers"][0]["value"], item["type"]].append(item["occurred_at"])
    for one in lived.assignments:
        moments = told[one.account, "holding.ended" if one.purpose == "retention" else "holding.started"]
        begin, end = (at.isoformat().replace("+00:00", "Z") for at in (one.assigned_at, one.until))
        within = [at for at in moments if begin <= at < end]
        first = one.happened_at.isoformat().replace("+00:00", "Z") if one.happened_at else None
        assert (within[0] if within else None) == first


def test_only_those_to_be_treated_are_tried(lived):
    tried = {(item["identifiers"][0]["value"], item["data"]["campaign"]) for item in lived.of("attempt.made")}
    assert tried == {(one.account, one.campaign) for one in lived.assignments if not one.held_out}


def test_every_customer_has_one_fate(lived):
    assert len({one.account for one in lived.fates}) == len(lived.fates) == 1_500
    gone = [one for one in lived.fates if one.left_at]
    assert 0.1 < len(gone) / len(lived.fates) < 0.35
    assert all(one.why for one in gone)


@pytest.mark.parametrize("months", range(1, 14))
def test_no_campaign_begins_whose_window_the_world_does_not_see_to_its_end(months):
    for begin_month in range(1, 13):
        spec = Spec(begin=BEGIN.replace(month=begin_month), months=months)
        for month in range(months):
            if planned(month, spec):
                assert spec.month(month) + WINDOW_DAYS * 86_400 <= spec.month(months)
    assert any(planned(month, Spec(begin=BEGIN, months=months)) for month in range(months)) == (months >= 6)

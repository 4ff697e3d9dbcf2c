"""Which offer to make: eligible, allowed, then money; and chance, whose share is told exactly."""

from collections import Counter

import pytest

from ml.offer.choice import Choice, Exploration, Option, Weighed, choose
from models.errors import Refused

NEVER = Exploration(epsilon=0, seed="spring")
TENTH = Exploration(epsilon=0.1, seed="spring")
PHONE = Option(offer="phone", probability=0.02, value=200, cost=1)
PLAN = Option(offer="plan", probability=0.2, value=30, cost=1)
ROAMING = Option(offer="roaming", probability=0.5, value=4, cost=1)


def test_money_decides_not_the_likelier_yes():
    assert choose([ROAMING, PHONE, PLAN], contact_refused="", key="c1", exploration=NEVER) == Choice(
        offer="plan",
        propensity=1.0,
        expected=5.0,
        weighed=(
            Weighed(offer="plan", expected=5.0, propensity=1.0),
            Weighed(offer="phone", expected=3.0),
            Weighed(offer="roaming", expected=1.0),
        ),
    )


def test_an_offer_whose_rule_says_no_is_not_made_by_chance_either():
    refused = Option(offer="plan", probability=0.9, value=30, refused="has_this_plan")
    every = Exploration(epsilon=1, seed="spring")
    for customer in range(50):
        found = choose([refused, PHONE, ROAMING], contact_refused="", key=f"c{customer}", exploration=every)
        assert found.offer != "plan"
        assert found.weighed[0] == Weighed(offer="plan", expected=27.0, rule="has_this_plan")


@pytest.mark.parametrize(
    "options, contact, rule",
    [
        (
            [Option(offer="plan", probability=1, value=9, refused="has_it")],
            "consent_withdrawn",
            "no_offer_eligible",
        ),
        ([], "", "no_offer_eligible"),
        ([PLAN], "consent_withdrawn", "consent_withdrawn"),
        ([Option(offer="plan", probability=0.01, value=9, cost=1)], "", "nothing_pays"),
        ([Option(offer="plan", probability=0.5, value=2, cost=1)], "", "nothing_pays"),
    ],
)
def test_no_offer_is_an_answer_and_names_its_rule(options, contact, rule):
    found = choose(options, contact_refused=contact, key="c1", exploration=Exploration(epsilon=1, seed="s"))
    assert (found.offer, found.rule, found.propensity, found.expected) == (None, rule, 1.0, 0.0)
    assert [one.rule for one in found.weighed] == [one.refused or rule for one in options]


def test_asked_again_for_the_same_occasion_the_answer_is_the_same():
    options = [PHONE, PLAN, ROAMING]
    half = Exploration(epsilon=0.5, seed="spring")
    for customer in range(100):
        first = choose(options, contact_refused="", key=f"c{customer}", exploration=half)
        assert choose(options[::-1], contact_refused="", key=f"c{customer}", exploration=half) == first


def test_each_offer_is_made_as_often_as_its_propensity_says():
    """One in ten is left to chance among three: 0.9333, 0.0333, 0.0333."""
    found = [
        choose([PHONE, PLAN, ROAMING], contact_refused="", key=f"c{n}", exploration=TENTH)
        for n in range(20_000)
    ]
    told = {one.offer: one.propensity for one in found[0].weighed}
    assert told == pytest.approx({"plan": 1 - 0.2 / 3, "phone": 0.1 / 3, "roaming": 0.1 / 3})
    assert sum(told.values()) == pytest.approx(1)
    made = Counter(one.offer for one in found)
    for offer, propensity in told.items():
        assert made[offer] / len(found) == pytest.approx(propensity, abs=4 * (propensity / len(found)) ** 0.5)
    assert all(one.propensity == told[one.offer] for one in found)
    assert all(one.explored == (one.offer != "plan") for one in found)


def test_chance_leaves_out_what_could_never_pay():
    dear = Option(offer="visit", probability=0.9, value=20, cost=25)
    found = choose([PLAN, dear], contact_refused="", key="c1", exploration=Exploration(epsilon=1, seed="s"))
    assert found.weighed[1] == Weighed(offer="visit", expected=-7.0, rule="cannot_pay")
    assert (found.offer, found.propensity) == ("plan", 1.0)


def test_equals_go_by_name():
    twins = [Option(offer=name, probability=0.5, value=10) for name in ("b", "a")]
    assert choose(twins, contact_refused="", key="c1", exploration=NEVER).offer == "a"


@pytest.mark.parametrize(
    "options, code, path",
    [
        ([PLAN, Option(offer="x", probability=1.2, value=1)], "offer.bad_option", "options/1/probability"),
        ([Option(offer="x", probability=float("nan"), value=1)], "offer.bad_option", "options/0/probability"),
        ([Option(offer="x", probability=0.5, value=float("inf"))], "offer.bad_option", "options/0/value"),
        ([Option(offer="x", probability=0.5, value=1, cost=-1)], "offer.bad_option", "options/0/cost"),
        ([PLAN, PLAN], "offer.named_twice", "options"),
    ],
)
def test_an_option_that_cannot_be_is_refused_with_its_place(options, code, path):
    with pytest.raises(Refused) as refused:
        choose(options, contact_refused="", key="c1", exploration=NEVER)
    assert (refused.value.code, refused.value.path) == (code, path)


@pytest.mark.parametrize("epsilon", [-0.1, 1.5, float("nan")])
def test_chance_is_a_share(epsilon):
    with pytest.raises(ValueError, match="between 0 and 1"):
        Exploration(epsilon=epsilon, seed="s")

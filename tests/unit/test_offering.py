"""To whom an offer may be made, told by the company's rules, and what rules are refused."""

from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import pytest

from models.domain.offering import (
    Candidate,
    Offer,
    refused_by,
    require_known_features,
    speaks_against_offering,
)
from models.domain.permission import Reachable
from models.domain.rules import load_rules
from models.errors import Refused
from models.projections.customer_360_row import ConsentState

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
PASS = Offer(
    offer="hk_day_pass", title="Hong Kong day pass", purposes=("cross_sell",), value=Decimal("2.90"),
    cost=Decimal("0.40"),
    stages=("developing", "retained"), not_holding=("hk_pass",), holding_any=("plan_m", "plan_l"),
    at_least={"calls_to_hk_60d": 6}, at_most={"offers_declined_365d": 1},
    valid_from=datetime(2026, 1, 1, tzinfo=UTC), valid_until=datetime(2026, 12, 31, tzinfo=UTC),
)  # fmt: skip
CALLER = Candidate(
    stage="retained",
    products=frozenset({"plan_m"}),
    features={"calls_to_hk_60d": 6.0, "offers_declined_365d": 1.0},
)


def changed(**what):
    return msgspec.structs.replace(CALLER, **what)


def test_whoever_the_rule_admits_may_be_made_the_offer():
    assert refused_by(PASS, CALLER, "cross_sell", NOW) == ""


@pytest.mark.parametrize(
    "customer, purpose, now, rule",
    [
        (CALLER, "retention", NOW, "purposes"),
        (CALLER, "cross_sell", datetime(2025, 12, 31, tzinfo=UTC), "valid_from"),
        (CALLER, "cross_sell", datetime(2026, 12, 31, tzinfo=UTC), "valid_until"),
        (changed(stage="lost"), "cross_sell", NOW, "stages"),
        (changed(stage=""), "cross_sell", NOW, "stages"),
        (changed(products=frozenset({"plan_m", "hk_pass"})), "cross_sell", NOW, "not_holding.hk_pass"),
        (changed(products=frozenset()), "cross_sell", NOW, "holding_any"),
        (changed(features={"calls_to_hk_60d": 5.9, "offers_declined_365d": 0.0}), "cross_sell", NOW,
         "at_least.calls_to_hk_60d"),
        (changed(features={"calls_to_hk_60d": 6.0, "offers_declined_365d": 1.1}), "cross_sell", NOW,
         "at_most.offers_declined_365d"),
        (changed(features={"calls_to_hk_60d": None}), "cross_sell", NOW, "at_least.calls_to_hk_60d"),
        (changed(features={"calls_to_hk_60d": float("nan")}), "cross_sell", NOW, "at_least.calls_to_hk_60d"),
        (changed(stage="lost", products=frozenset()), "retention", NOW, "purposes"),
    ],
)  # fmt: skip
def test_the_first_rule_that_says_no_is_named(customer, purpose, now, rule):
    assert refused_by(PASS, customer, purpose, now) == rule


def test_an_acceptance_brings_its_value_or_the_margin_on_the_price_less_what_it_costs():
    assert PASS.worth == Decimal("2.50")
    by_price = Offer(
        offer="a", title="A", purposes=("cross_sell",), price=Decimal(10), margin=0.3, cost=Decimal(1)
    )
    assert by_price.worth == Decimal("2.0")


def word(granted, *, channel="", purpose="", scope=""):
    return ConsentState(
        channel=channel, purpose=purpose, granted=granted, basis="call", since=NOW, event_id="e", scope=scope
    )


@pytest.mark.parametrize(
    "customer, rule",
    [
        (Reachable(), ""),
        (Reachable(consents=(word(True, purpose="cross_sell"),)), ""),
        (Reachable(consents=(word(False, purpose="retention"), word(False, channel="email"))), ""),
        (Reachable(consents=(word(False, purpose="cross_sell"),)), "consent_withdrawn"),
        (Reachable(consents=(word(False, channel="voice", purpose="cross_sell"),)), "consent_withdrawn"),
        (Reachable(consents=(word(False),)), "consent_withdrawn"),
        (Reachable(consents=(word(True, purpose="cross_sell"), word(False, channel="voice"))), "consent_withdrawn"),
        (Reachable(open_complaint=True), "open_complaint"),
        (Reachable(suppressed=True), "suppressed"),
        (Reachable(suppressed=True, consents=(word(True, scope="brand-b"),)), "suppressed"),
        (Reachable(suppressed=True, consents=(word(True),)), ""),
    ],
)  # fmt: skip
def test_in_a_contact_of_the_customers_own_only_their_no_and_a_complaint_speak_against_an_offer(
    customer, rule
):
    assert speaks_against_offering(customer, "voice", "cross_sell") == rule


RULES = """
[[offers]]
offer = "hk_day_pass"
title = "Hong Kong day pass"
purposes = ["cross_sell"]
value = 2.9
"""


@pytest.mark.parametrize(
    "more, told",
    [
        ("colour = 'red'", "unknown field `colour` - at `$.offers[0]`"),
        ("cost = -1", "hk_day_pass: cost must be a number, and not negative - at `$.offers[0]`"),
        ("cost = nan", "cost must be a number"),
        ("stages = ['asleep']", "'asleep' - at `$.offers[0].stages[0]`"),
        ("acceptance = 1.5", "<= 1.0 - at `$.offers[0].acceptance`"),
        ("at_least = {touches_90d = inf}", "a limit of at_least or at_most must be a number"),
        ("valid_until = 2026-01-01", "`$.offers[0].valid_until`"),
        (
            "valid_from = 2026-02-01T00:00:00Z\nvalid_until = 2026-01-01T00:00:00Z",
            "valid_until must be later",
        ),
        (RULES, "two are called 'hk_day_pass'"),
        (RULES.replace("value = 2.9", "").replace("hk", "us"), "say what an acceptance earns"),
        (RULES.replace("['cross_sell']", "[]").replace('["cross_sell"]', "[]"), "`$.offers[1].purposes`"),
    ],
)
def test_a_wrong_offer_is_refused_with_file_and_key_when_rules_are_loaded(tmp_path, more, told):
    path = tmp_path / "rules.toml"
    path.write_text(f"{RULES}{more}\n")
    with pytest.raises(ValueError) as refused:
        load_rules(path)
    assert str(refused.value).startswith(f"{path}: ")
    assert told in str(refused.value)


def test_a_feature_that_is_not_there_is_refused_with_file_and_key():
    with pytest.raises(Refused) as refused:
        require_known_features((PASS,), {"calls_to_hk_60d"}, "rules.toml")
    assert (refused.value.code, refused.value.path) == (
        "offer.unknown_feature",
        "offers/0/at_most/offers_declined_365d",
    )
    assert refused.value.detail.startswith(
        "rules.toml: offers[0].at_most: there is no feature 'offers_declined_365d'"
    )

"""Who is on a list, in which order, and which rule kept everybody else off it."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.domain.calling_window import Place, times_for
from models.domain.permission import Permitted, Reachable, Way, permission
from models.domain.rules import REACH, ListRules, Tier, load_rules
from models.domain.target_list import Brief, Candidate, ListRow, build, canonical, digest, drawn, still_open
from models.domain.worth import expected, money_at_stake
from models.projections.customer_360 import ConsentState

AS_OF = datetime(1998, 7, 1, tzinfo=UTC)
OPEN = ListRules(
    offer="gesture", channels=("email", "sms"), legal_basis={"email": "contract", "sms": "contract"},
    contact_cost={"email": Decimal("1"), "sms": Decimal("1")}, holdout=0.0,
)  # fmt: skip


def said(channel="", purpose="", *, granted=False, scope="", by="", others=(), event_id="consent-1"):
    return ConsentState(
        channel=channel, purpose=purpose, granted=granted, basis="form", since=AS_OF, event_id=event_id,
        scope=scope, side=by, others=others,
    )  # fmt: skip


def ways(*kinds, of=""):
    return tuple(Way(kinds=(kind,), side=of) for kind in kinds)


def candidate(
    customer="a",
    *,
    probability=0.5,
    value="100",
    kinds=("email",),
    order=0,
    effects=None,
    claimed_by="",
    held_out=False,
    **reachable,
):
    return Candidate(
        effects=effects or {}, claimed_by=claimed_by, held_out=held_out,
        customer=customer, stage="retained", probability=probability, order=order,
        value=None if value is None else Decimal(value),
        reachable=Reachable(ways=ways(*kinds), **reachable), place=Place(("UTC",), "US"), because=("silence",),
        why=("quiet",), because_events=("score-1",),
    )  # fmt: skip


def listed(*candidates, rules=OPEN, purpose="retention", seed="s", reach=REACH, measured=False):
    brief = Brief(
        purpose=purpose, as_of=AS_OF, rules=rules, reach=reach, currency="USD", seed=seed, measured=measured
    )
    return build(brief, candidates)


def changed(**settings):
    return msgspec.structs.replace(OPEN, **settings)


def outcome(rows):
    return {row.customer: (row.part, row.rule) for row in rows}


def asked(*, kinds=("email", "phone", "mobile"), basis=None, **reachable):
    """May they be contacted for retention, by mail or else by text message?"""
    customer = Reachable(**{"ways": ways(*kinds), **reachable})
    return permission(customer, "retention", ("email", "sms"), basis or {}, REACH)


# May they be contacted at all?


def test_no_word_of_the_customer_is_not_a_yes():
    assert asked() == "no_legal_basis"


def test_a_legal_basis_that_the_company_has_set_allows_its_channel_only():
    assert asked(basis={"sms": "contract"}) == Permitted("sms", "contract")


def test_a_consent_allows_exactly_its_channel_and_purpose_and_is_named():
    assert asked(consents=(said("sms", "retention", granted=True),)) == Permitted("sms", "consent-1")
    assert asked(consents=(said("sms", "survey", granted=True),)) == "no_legal_basis"


def test_a_consent_for_one_brand_does_not_speak_for_the_company():
    assert asked(consents=(said("sms", "retention", granted=True, scope="brand-b"),)) == "no_legal_basis"


@pytest.mark.parametrize("no", [said("email", "retention"), said("email", ""), said("", "retention"), said()])
def test_a_withdrawal_beats_a_consent_and_a_legal_basis(no):
    yes = said("email", "retention", granted=True)
    customer = Reachable(ways=ways("email"), consents=(yes, no))
    assert permission(customer, "retention", ("email",), {"email": "contract"}, REACH) == "consent_withdrawn"


def test_a_withdrawal_on_one_channel_leaves_the_next_one():
    both = {"email": "contract", "sms": "contract"}
    assert asked(basis=both, consents=(said("email"),)) == Permitted("sms", "contract")


def test_a_withdrawal_for_another_purpose_does_not_matter():
    assert asked(basis={"email": "contract"}, consents=(said("", "survey"),)) == Permitted(
        "email", "contract"
    )


def test_an_allowed_channel_without_an_identifier_for_it_reaches_nobody():
    assert asked(kinds=("account",), basis={"email": "contract"}) == "not_reachable"


def test_an_address_where_nothing_arrives_reaches_nobody_on_that_channel_alone():
    both = {"email": "contract", "sms": "contract"}
    bounced = Way(kinds=("email",), dead_on=frozenset({"email"}))
    dead = (bounced, *ways("phone", "mobile"))
    assert asked(basis=both, ways=dead) == Permitted("sms", "contract")
    assert asked(basis={"email": "contract"}, ways=dead) == "not_reachable"
    assert asked(basis=both, ways=(*dead, *ways("email"))) == Permitted("email", "contract")


def yes(by, *others, channel="email", **more):
    return said(channel, "retention", granted=True, by=by, others=others, **more)


def test_a_consent_does_not_reach_the_address_of_somebody_who_did_not_say_it():
    """Two are one since; one of them said yes, the other has the address."""
    assert asked(ways=ways("email", of="ann"), consents=(yes("bob"),)) == "not_reachable"
    assert asked(ways=ways("email", of="bob"), consents=(yes("bob"),)) == Permitted("email", "consent-1")


def test_a_consent_said_by_the_one_customer_reaches_all_that_they_have():
    assert asked(ways=ways("email", of="ann"), consents=(yes("bob", "ann"),)) == Permitted(
        "email", "consent-1"
    )


def test_of_two_consents_the_one_that_reaches_an_address_is_the_basis():
    both = (yes("bob", event_id="his"), yes("ann", event_id="hers"))
    assert asked(ways=ways("email", of="ann"), consents=both) == Permitted("email", "hers")


def test_a_consent_that_reaches_nothing_leaves_the_legal_basis_and_the_next_channel():
    hers = ways("email", "mobile", of="ann")
    basis = {"email": "contract"}
    assert asked(ways=hers, consents=(yes("bob"),), basis=basis) == Permitted("email", "contract")
    both = (yes("bob", event_id="his"), yes("ann", channel="sms", event_id="hers"))
    assert asked(ways=hers, consents=both) == Permitted("sms", "hers")


def test_a_no_holds_for_every_address_whoever_said_it():
    no = said("email", "retention", by="bob")
    assert asked(ways=ways("email", of="ann"), consents=(yes("ann"), no)) == "consent_withdrawn"


def test_a_text_message_needs_a_mobile_line():
    assert asked(kinds=("phone",), basis={"sms": "contract"}) == "not_reachable"


def test_a_complaint_is_answered_before_anything_is_offered():
    assert asked(basis={"email": "contract"}, open_complaint=True) == "open_complaint"


# What is it worth?


def test_a_customers_own_past_is_carried_over_the_horizon():
    """730 in 365 days are 2 a day; the company keeps half of what 180 days bring."""
    value = money_at_stake(
        spent=Decimal(730), first_at=AS_OF - timedelta(days=365), last_at=AS_OF - timedelta(days=1),
        monthly=None, as_of=AS_OF, horizon_days=180, active_days=180, margin=0.5,
    )  # fmt: skip
    assert value == Decimal("180.00")


def test_one_purchase_yesterday_is_spread_over_the_whole_activity_window():
    value = money_at_stake(
        spent=Decimal(90), first_at=AS_OF - timedelta(days=1), last_at=AS_OF - timedelta(days=1),
        monthly=None, as_of=AS_OF, horizon_days=180, active_days=180, margin=1.0,
    )  # fmt: skip
    assert value == Decimal("90.00")


def test_the_years_since_a_lost_customers_last_purchase_do_not_dilute_their_past():
    first = AS_OF - timedelta(days=2_000)
    value = money_at_stake(
        spent=Decimal(400), first_at=first, last_at=first + timedelta(days=220), monthly=None, as_of=AS_OF,
        horizon_days=100, active_days=180, margin=1.0,
    )  # fmt: skip
    assert value == Decimal("100.00")


def test_holdings_count_by_the_month():
    value = money_at_stake(
        spent=None, first_at=None, last_at=None, monthly=Decimal(40), as_of=AS_OF, horizon_days=365,
        active_days=180, margin=0.5,
    )  # fmt: skip
    assert value == Decimal("239.84")


def test_returns_never_make_a_negative_value_and_no_price_is_no_data():
    common = {"as_of": AS_OF, "horizon_days": 180, "active_days": 180, "margin": 1.0, "monthly": None}
    assert money_at_stake(spent=Decimal(-5), first_at=AS_OF, last_at=AS_OF, **common) == Decimal("0.00")
    assert money_at_stake(spent=None, first_at=None, last_at=None, **common) is None


def test_those_who_would_have_stayed_anyway_cost_the_offer():
    """0.6 leave, a fifth of them is kept for 100; 0.12 + 0.4 take the offer for 2; the contact costs 1."""
    rules = changed(acceptance=0.2, offer_cost=Decimal(2))
    profit, spend = expected("retention", 0.6, Decimal(100), rules, Decimal(1))
    assert (profit, spend) == (Decimal("9.9600"), Decimal("2.04"))


def test_those_who_would_have_come_back_by_themselves_cost_the_offer():
    rules = changed(acceptance=0.2, offer_cost=Decimal(2))
    profit, spend = expected("win_back", 0.5, Decimal(100), rules, Decimal(1))
    assert (profit, spend) == (Decimal("7.8000"), Decimal("2.20"))


# Who is on the list?


def test_members_are_ranked_by_expected_profit_and_carry_all_that_contacting_them_needs():
    rows = listed(candidate("a", value="50"), candidate("b", value="80"))
    begin = datetime(1998, 7, 2, tzinfo=UTC)
    assert rows[0] == ListRow(
        customer="b", part="member", stage="retained", rank=1, probability=0.5, value=Decimal(80),
        profit=Decimal("5.8000"), currency="USD", because=("silence",), why=("quiet",),
        because_events=("score-1",), offer="gesture", channel="email", basis="contract", window_from=begin,
        window_until=begin + timedelta(days=28), contact_from=begin, contact_until=begin + timedelta(days=28),
    )  # fmt: skip
    assert [(row.customer, row.rank) for row in rows] == [("b", 1), ("a", 2)]


def test_of_equals_the_score_decides_before_the_random_id():
    rows = listed(candidate("a", order=2), candidate("b", order=1))
    assert [row.customer for row in rows] == ["b", "a"]


def test_each_candidate_left_out_has_the_rule_that_said_no():
    rows = listed(
        candidate("no word", kinds=("phone",)),
        candidate("withdrawn", consents=(said(),)),
        candidate("complains", open_complaint=True),
        candidate("no score", probability=None, value=None),
        candidate("no price", value=None),
        candidate("too small", value="1"),
        candidate("member"),
    )
    assert outcome(rows) == {
        "no word": ("suppressed", "not_reachable"),
        "withdrawn": ("suppressed", "consent_withdrawn"),
        "complains": ("suppressed", "open_complaint"),
        "no score": ("suppressed", "no_score"),
        "no price": ("suppressed", "no_value"),
        "too small": ("beyond", "does_not_pay"),
        "member": ("member", ""),
    }


def test_whom_another_list_has_already_is_left_to_it():
    rows = listed(candidate("a", claimed_by="list-9"), candidate("b"))
    assert outcome(rows) == {"a": ("suppressed", "other_list"), "b": ("member", "")}
    silenced = listed(candidate("a", claimed_by="list-9", consents=(said(),)))
    assert outcome(silenced) == {"a": ("suppressed", "consent_withdrawn")}


def test_who_is_still_held_out_of_something_for_the_same_purpose_is_not_contacted():
    assert outcome(listed(candidate("a", held_out=True), candidate("b"))) == {
        "a": ("suppressed", "held_out"), "b": ("member", ""),
    }  # fmt: skip


TIERS = (
    Tier(least_value=Decimal(50), offer="month_free", offer_cost=Decimal(5), acceptance=0.3),
    Tier(least_value=Decimal(500), offer="own_adviser", offer_cost=Decimal(40), acceptance=0.5),
)


def test_who_is_worth_more_is_made_the_offer_of_the_highest_tier_they_reach():
    rules = changed(tiers=TIERS[::-1])
    rows = listed(*(candidate(str(value), value=str(value)) for value in (49, 50, 499, 500)), rules=rules)
    assert {row.customer: row.offer for row in rows} == {
        "49": "gesture", "50": "month_free", "499": "month_free", "500": "own_adviser",
    }  # fmt: skip
    dear = next(row for row in rows if row.customer == "500")
    own = changed(offer="own_adviser", offer_cost=Decimal(40), acceptance=0.5)
    assert dear.profit == expected("retention", 0.5, Decimal(500), own, Decimal(1))[0]


def test_a_measured_effect_decides_instead_of_the_likeliest_to_leave():
    """Half of either would leave; the offer keeps one of ten of b, and drives a away."""
    rows = listed(
        candidate("a", probability=0.9, effects={"gesture": -0.05}),
        candidate("b", probability=0.5, effects={"gesture": 0.1}),
        candidate("c", effects={"another": 0.4}), measured=True,
    )  # fmt: skip
    assert outcome(rows) == {
        "a": ("beyond", "does_not_pay"), "b": ("member", ""), "c": ("suppressed", "no_effect"),
    }  # fmt: skip
    b = next(row for row in rows if row.customer == "b")
    assert (b.effect, b.profit) == (0.1, Decimal("0.1") * 100 - (Decimal("0.1") + Decimal("0.5")) * 2 - 1)


def test_nobody_is_kept_twice_by_a_measured_effect():
    (row,) = listed(candidate("a", probability=0.02, value="1000", effects={"gesture": 0.3}), measured=True)
    assert row.profit == Decimal("0.02") * 1000 - (Decimal("0.02") + Decimal("0.98")) * 2 - 1


def test_beyond_the_capacity_the_less_profitable_are_cut():
    rows = listed(
        candidate("a", value="90"), candidate("b"), candidate("c", value="80"), rules=changed(capacity=2)
    )
    assert outcome(rows) == {"b": ("member", ""), "a": ("member", ""), "c": ("beyond", "over_capacity")}


def test_after_the_first_who_is_over_budget_everyone_is():
    """Each costs 2.2 in contact and offer; a budget of 5 is enough for two."""
    rules = changed(budget=Decimal(5))
    rows = listed(
        candidate("a", value="90"),
        candidate("b"),
        candidate("c", value="80"),
        candidate("d", value="70"),
        rules=rules,
    )
    assert outcome(rows) == {
        "b": ("member", ""),
        "a": ("member", ""),
        "c": ("beyond", "over_budget"),
        "d": ("beyond", "over_budget"),
    }


def test_the_holdout_is_drawn_from_those_who_would_have_been_contacted():
    many = [candidate(f"c{n}", value=str(60 + n)) for n in range(40)]
    blocked = [candidate(f"x{n}", consents=(said(),)) for n in range(40)]
    rows = listed(*many, *blocked, rules=changed(capacity=20, holdout=0.25))
    chosen = {f"c{n}" for n in range(20, 40)}
    held = {row.customer for row in rows if row.part == "holdout"}
    members = [row for row in rows if row.part == "member"]
    assert len(held) == 5
    assert held < chosen
    assert {row.customer for row in members} == chosen - held
    assert [row.rank for row in members] == list(range(1, 16))


def test_a_seed_gives_the_same_holdout_again_whatever_the_order_and_another_seed_another():
    people = [f"c{n}" for n in range(200)]
    assert drawn(people, 0.1, "one") == drawn(people[::-1], 0.1, "one")
    assert drawn(people, 0.1, "one") != drawn(people, 0.1, "two")


def test_the_order_in_which_candidates_come_changes_no_byte():
    people = [candidate(f"c{n}", value=str(n), consents=(said(),) if n % 3 else ()) for n in range(50)]
    rules = changed(holdout=0.2, capacity=12)
    assert canonical(listed(*people, rules=rules)) == canonical(listed(*people[::-1], rules=rules))


def test_the_digest_covers_those_left_out():
    one = listed(candidate("a"), candidate("b", consents=(said(),)))
    other = listed(candidate("a"), candidate("c", consents=(said(),)))
    assert digest(canonical(one)) != digest(canonical(other))


people = st.builds(
    candidate,
    customer=st.uuids().map(str),
    probability=st.none() | st.floats(0, 1).map(lambda p: round(p, 9)),
    value=st.none() | st.decimals(0, 10_000, places=2).map(str),
    kinds=st.sets(st.sampled_from(["email", "phone", "mobile", "account"])),
    order=st.integers(0, 3),
    consents=st.lists(
        st.builds(
            said, st.sampled_from(["", "email", "sms", "post"]), st.sampled_from(["", "retention", "care"]),
            granted=st.booleans(),
        ),
        max_size=2,
    ).map(tuple),
    open_complaint=st.booleans(),
    effects=st.dictionaries(st.sampled_from(["gesture", "month_free"]), st.floats(-1, 1), max_size=2),
    claimed_by=st.sampled_from(["", "", "list-9"]),
    held_out=st.booleans(),
)  # fmt: skip
settings = st.builds(
    changed,
    holdout=st.floats(0, 1),
    capacity=st.integers(0, 30),
    budget=st.none() | st.decimals(0, 50, places=2),
    legal_basis=st.sampled_from([{}, {"email": "contract"}, {"email": "contract", "sms": "contract"}]),
    tiers=st.sampled_from([(), TIERS]),
)


@given(
    candidates=st.lists(people, unique_by=lambda one: one.customer, max_size=40),
    rules=settings,
    seed=st.text(),
    purpose=st.sampled_from(["retention", "win_back"]),
    measured=st.booleans(),
)
def test_every_candidate_is_in_exactly_one_part(candidates, rules, seed, purpose, measured):
    rows = listed(*candidates, rules=rules, purpose=purpose, seed=seed, measured=measured)
    assert sorted(row.customer for row in rows) == sorted(one.customer for one in candidates)
    chosen = [row for row in rows if row.part in ("member", "holdout")]
    assert len(chosen) <= rules.capacity
    assert all(row.profit > 0 for row in chosen)
    assert all((row.rule == "") == (row.part == "member") for row in rows)
    members = [row for row in rows if row.part == "member"]
    assert [row.rank for row in members] == list(range(1, len(members) + 1))
    assert [row.profit for row in members] == sorted((row.profit for row in members), reverse=True)


# Settings


@pytest.mark.parametrize(
    "wrong", ["offer_cost = -1", "budget = nan", "holdout = 1.5", "capacity = -1", 'channels = ["pigeon"]']
)
def test_a_setting_that_makes_no_sense_is_refused_with_its_file(tmp_path, wrong):
    path = tmp_path / "rules.toml"
    path.write_text(f'[retention]\noffer = "gesture"\n{wrong}\n')
    with pytest.raises(ValueError, match=r"rules\.toml"):
        load_rules(path)


# The hours of a member, asked again


def kept(place=Place(("America/Los_Angeles",), "US"), now=AS_OF, *, days=28, channel="sms"):
    row = ListRow(customer="a", part="member", stage="retained", window_from=AS_OF + timedelta(days=1),
                  window_until=AS_OF + timedelta(days=days))  # fmt: skip
    return still_open(row, place, times_for(channel, "retention"), now)


def test_a_members_hours_are_those_that_are_open_or_come_next():
    """The list is good from 17 o'clock of the first of July in California; text messages from 9 until 22."""
    first, second = kept(now=AS_OF), kept(now=AS_OF + timedelta(days=1, hours=6))
    assert (first.begin, first.end) == (AS_OF + timedelta(days=1), AS_OF + timedelta(days=1, hours=5))
    assert (second.begin, second.end) == (
        AS_OF + timedelta(days=1, hours=16),
        AS_OF + timedelta(days=2, hours=5),
    )


def test_hours_stay_the_same_while_they_are_open():
    at = AS_OF + timedelta(days=1, hours=17)
    assert kept(now=at) == kept(now=at + timedelta(hours=5))


def test_an_expired_row_and_one_without_a_further_hour_have_none():
    assert kept(now=AS_OF + timedelta(days=28)) is None
    # The fourth is a holiday, and the row expires on it.
    assert kept(now=AS_OF + timedelta(days=3, hours=6), days=4) is None

"""Who came onto a list, who went, and which rule said so before and after."""

from collections import Counter
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from models.domain.list_diff import NO_CANDIDATE, diff, settings_changed
from models.domain.target_list import ListRow


def member(customer, rank=1, profit="10", currency="USD"):
    return ListRow(
        customer=customer,
        part="member",
        stage="at_risk",
        rank=rank,
        profit=Decimal(profit),
        currency=currency,
    )


def out(customer, rule):
    parts = {"holdout": "holdout", "does_not_pay": "beyond", "over_budget": "beyond"}
    return ListRow(customer=customer, part=parts.get(rule, "suppressed"), stage="at_risk", rule=rule)


def told(moved):
    return [(one.customer, one.was, one.now) for one in moved]


def test_who_entered_is_told_with_the_rule_that_kept_them_out_before():
    found = diff([out("a", "open_complaint")], [member("a"), member("b", 2)])
    assert told(found.entered) == [("a", "open_complaint", "member"), ("b", NO_CANDIDATE, "member")]
    assert found.entered_from() == {"no_candidate": 1, "open_complaint": 1}
    assert found.entered[0].before == out("a", "open_complaint")
    assert found.entered[1].before is None


def test_who_left_is_told_with_the_rule_that_keeps_them_out_now():
    older = [member("a"), member("b", 2), member("c", 3), member("d", 4)]
    newer = [out("a", "holdout"), out("b", "does_not_pay"), out("c", "consent_withdrawn")]
    found = diff(older, newer)
    assert told(found.left) == [
        ("a", "member", "holdout"),
        ("b", "member", "does_not_pay"),
        ("c", "member", "consent_withdrawn"),
        ("d", "member", NO_CANDIDATE),
    ]
    assert found.left_by() == {"consent_withdrawn": 1, "does_not_pay": 1, "holdout": 1, "no_candidate": 1}


def test_who_stayed_has_both_rows_so_that_rank_and_figures_compare():
    found = diff([member("a", 1, "10")], [member("b", 1, "20"), member("a", 2, "9")])
    assert told(found.stayed) == [("a", "member", "member")]
    assert (found.stayed[0].before.rank, found.stayed[0].after.rank) == (1, 2)
    assert (found.profit_before, found.profit_after) == (Decimal(10), Decimal(29))


def test_whoever_is_out_on_both_sides_is_no_change():
    found = diff([out("a", "no_score")], [out("a", "does_not_pay")])
    assert (found.entered, found.left, found.stayed) == ((), (), ())


def test_a_customer_whose_id_changed_has_stayed():
    found = diff([member("old")], [member("new")], survivors={"old": "new"})
    assert told(found.stayed) == [("new", "member", "member")]


def test_two_members_who_are_one_since_are_counted():
    found = diff([member("a"), member("b", 2)], [member("a")], survivors={"b": "a"})
    assert told(found.stayed) == [("a", "member", "member")]
    assert found.stayed[0].before.rank == 1
    assert (found.members_before, found.merged_before, found.left) == (2, 1, ())


def test_a_member_stays_one_though_the_other_half_of_them_was_left_out():
    found = diff([out("a", "no_score"), member("b")], [out("a", "over_budget")], survivors={"b": "a"})
    assert told(found.left) == [("a", "member", "over_budget")]


def test_amounts_in_different_currencies_are_not_compared():
    found = diff([member("a")], [member("a", currency="EUR")])
    assert (found.profit_before, found.profit_after) == (None, None)


def test_the_settings_that_differ_are_told_with_both_values():
    before = {"offer_cost": "2", "capacity": "100", "formula": "1"}
    after = {"offer_cost": "3", "capacity": "100", "window": "9-12"}
    assert settings_changed(before, after) == {
        "formula": ("1", None), "offer_cost": ("2", "3"), "window": (None, "9-12"),
    }  # fmt: skip


names = st.sampled_from("abcdefghij")
rules = st.sampled_from(["", "holdout", "does_not_pay", "over_budget", "no_score", "open_complaint"])
lists = st.dictionaries(names, rules).map(
    lambda said: sorted(
        (out(who, rule) if rule else member(who, rank) for rank, (who, rule) in enumerate(said.items(), 1)),
        key=lambda row: row.part != "member",
    )
)


@given(lists, lists, st.dictionaries(names, st.sampled_from("xy")))
def test_the_counts_balance(before, after, survivors):
    found = diff(before, after, survivors)
    assert found.members_before == sum(row.part == "member" for row in before)
    assert found.members_before == len(found.stayed) + len(found.left) + found.merged_before
    assert found.members_after == len(found.stayed) + len(found.entered) + found.merged_after
    everyone = [one.customer for one in (*found.entered, *found.left, *found.stayed)]
    assert len(everyone) == len(set(everyone))
    assert sum(found.entered_from().values()) == len(found.entered)
    assert Counter(found.left_by()).total() == len(found.left)
    assert all((one.was == "member") == (one not in found.entered) for one in (*found.entered, *found.stayed))


@given(lists, lists)
def test_the_other_way_round_who_entered_has_left(before, after):
    there, back = diff(before, after), diff(after, before)
    assert [(one.customer, one.now, one.was) for one in there.entered] == told(back.left)
    assert [(one.customer, one.now, one.was) for one in there.left] == told(back.entered)

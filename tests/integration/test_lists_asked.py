"""Asking a list: why is this customer on it or not, when may they be contacted, who entered and who left."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import get_args

import pytest

from infra.personal.erasure import Eraser
from infra.target_list.asking import ask
from infra.target_list.building import build
from infra.target_list.comparing import COLUMNS, compare
from infra.target_list.wording import RULES as WORDS
from models.domain.profit import Cut
from models.errors import Refused
from tests.support.calling import caller, read
from tests.support.folding import fold
from tests.support.listing import AS_OF, RULES, all_rows, commands, prepared, regulars, score, with_rules
from tests.support.sending import account, email, item, phone, purchase, send
from tests.support.workspaces import ruled

DAY = timedelta(days=1)
NOBODY = "00000000-0000-7000-8000-000000000000"


@pytest.fixture
def workspace(settings, clock, tmp_path):
    """A workspace whose rules allow text messages and mail."""
    with ruled(settings, clock, tmp_path, RULES) as opened:
        yield opened


@pytest.fixture
def api(workspace):
    return caller(workspace)


@pytest.fixture
def touchstone(workspace, monkeypatch):
    return commands(workspace, monkeypatch)


def test_a_member_is_told_with_rank_reasons_and_when_to_call(workspace, api, touchstone):
    customers = prepared(workspace)
    built = build(workspace, "retention", as_of=AS_OF)
    told = read(api, f"/v1/lists/{built.list_id}/customers/{customers[5]}")
    assert (told["part"], told["rule"], told["rank"]) == ("member", "member", 1)
    assert told["why"][-1] == "long ago"
    assert told["release"].keys() == {"formula", "holidays", "tzdata"}
    assert told["contact_from"] >= "2025-07-02"
    said = touchstone("why-not", customers[5], "--list", built.list_id)
    assert said.exit_code == 0, said.output
    assert f"{customers[5]} is on the list, rank 1 of 6" in said.output
    assert "long ago" in said.output


def test_everyone_left_out_is_told_the_rule_in_words(workspace, api):
    """One of each part, and the one who was no candidate at all."""
    customers = regulars(workspace)
    (newcomer,) = send(workspace, item("new", account("new"), email("new@example.com"), at=AS_OF - DAY, channel="chat",
                                       origin="import"))  # fmt: skip
    send(
        workspace,
        item("no", account("0"), type="consent.withdrawn", at=AS_OF - 2 * DAY, basis="call", origin="import"),
    )
    score(workspace, dict.fromkeys(customers, 0.6))
    fold(workspace)
    held = with_rules(workspace, holdout=0.5, capacity=4)
    built = build(held, "retention", as_of=AS_OF)
    told = {
        one: read(api, f"/v1/lists/{built.list_id}/customers/{one}")
        for one in (*customers, newcomer.customer)
    }
    assert sorted(one["rule"] for one in told.values()) == [
        "consent_withdrawn", "holdout", "holdout", "member", "member", "no_candidate", "over_capacity",
    ]  # fmt: skip
    assert all(one["told"] == WORDS[one["rule"]] for one in told.values())
    withdrawn, unknown = told[customers[0]], told[newcomer.customer]
    assert (withdrawn["part"], withdrawn["next_contact"]["rule"]) == ("suppressed", "consent_withdrawn")
    assert (unknown["part"], unknown["rank"], unknown["probability"]) == ("no_candidate", None, None)


def test_the_next_contact_keeps_to_the_hours_where_the_customer_is(workspace, api, clock):
    """Monday, 05:00 in California: a text message may come from 9 on their clock."""
    customers = prepared(workspace)
    built = build(workspace, "retention", as_of=AS_OF)
    clock.at = datetime(2026, 3, 2, 13, 0, tzinfo=UTC)
    after = read(api, f"/v1/lists/{built.list_id}/customers/{customers[1]}")["next_contact"]
    assert (after["allowed"], after["channel"], after["rule"]) == (True, "sms", "")
    assert after["contact_from"] == "2026-03-02T17:00:00Z"
    assert after["contact_until"] == "2026-03-03T06:00:00Z"


def test_a_no_since_the_list_says_when_asked_that_they_may_not_be_contacted_now(
    workspace, api, clock, touchstone
):
    customers = prepared(workspace)
    built = build(workspace, "retention", as_of=AS_OF)
    send(workspace, item("no", account("3"), type="consent.withdrawn", at=clock.now(), basis="call"))
    told = read(api, f"/v1/lists/{built.list_id}/customers/{customers[3]}")
    assert (told["part"], told["next_contact"]["allowed"]) == ("member", False)
    assert told["next_contact"]["told"] == WORDS["consent_withdrawn"]
    said = touchstone("why-not", customers[3])
    assert "may not be contacted now" in said.output
    assert built.list_id in said.output, "without --list, the one built last"


def test_who_was_merged_since_is_found_under_either_id(workspace, api, clock):
    ann, bob = send(
        workspace, purchase("a", phone(), at=AS_OF - 5 * DAY, amount="300"),
        purchase("b", email(), at=AS_OF - 5 * DAY, amount="300"),
    )  # fmt: skip
    score(workspace, {bob.customer: 0.6})
    built = build(workspace, "retention", as_of=AS_OF)
    send(workspace, item("both", phone(), email(), at=clock.now(), channel="store"))
    fold(workspace)
    asked = {
        who.customer: read(api, f"/v1/lists/{built.list_id}/customers/{who.customer}") for who in (ann, bob)
    }
    assert asked[bob.customer]["rule"] == "member"
    assert (asked[ann.customer]["rule"], asked[ann.customer]["customer"]) == ("no_score", ann.customer)


def test_who_was_forgotten_is_still_found_by_their_id_and_may_never_be_contacted(workspace, api):
    customers = prepared(workspace)
    built = build(workspace, "retention", as_of=AS_OF)
    assert api.post(f"/v1/customers/{customers[5]}/erasure", json={"asked_by": "ann"}).status_code == 202
    Eraser(workspace).turn()
    told = read(api, f"/v1/lists/{built.list_id}/customers/{customers[5]}")
    assert (told["rank"], told["next_contact"]["allowed"], told["next_contact"]["rule"]) == (
        1,
        False,
        "suppressed",
    )


def test_an_unknown_customer_and_an_unknown_list_are_not_found(workspace, api, touchstone):
    with pytest.raises(Refused, match="no list was built here yet"):
        ask(workspace, NOBODY)
    customers = prepared(workspace)
    built = build(workspace, "retention", as_of=AS_OF)
    for customer in (NOBODY, "no-uuid"):
        answer = api.get(f"/v1/lists/{built.list_id}/customers/{customer}")
        assert (answer.status_code, answer.json()["code"]) == (404, "customer.unknown")
    answer = api.get(f"/v1/lists/nothing/customers/{customers[0]}")
    assert (answer.status_code, answer.json()["code"]) == (404, "list.unknown")
    said = touchstone("why-not", NOBODY)
    assert (said.exit_code, "no customer has this id" in said.output) == (1, True)


# Two lists beside each other


@pytest.fixture
def two(workspace):
    """An offer that costs two, with a newcomer and a no in between; then one of three, with room for three."""
    customers = prepared(workspace)
    before = build(workspace, "retention", as_of=AS_OF)
    (newcomer,) = send(
        workspace,
        purchase("new", account("new"), phone("+1 415 555 2699"), at=AS_OF + 2 * DAY, amount="2000"),
    )
    send(
        workspace,
        item("no", account("5"), type="consent.withdrawn", at=AS_OF + 2 * DAY, basis="call", origin="import"),
    )
    score(workspace, dict.fromkeys([*customers, newcomer.customer], 0.6), as_of=AS_OF + 3 * DAY)
    fold(workspace)
    later = build(with_rules(workspace, offer_cost=Decimal("3"), capacity=3), "retention", AS_OF + 4 * DAY)
    return customers, newcomer.customer, before, later


def test_who_entered_and_who_left_is_told_with_why_and_the_counts_balance(workspace, api, two):
    customers, newcomer, before, later = two
    found = read(api, f"/v1/lists/{before.list_id}/diff/{later.list_id}")
    assert found["members_before"] == found["stayed"] + found["left"] + found["merged_before"] == 6
    assert found["members_after"] == found["stayed"] + found["entered"] + found["merged_after"] == 3
    assert found["entered_from"] == {"no_candidate": 1}
    assert found["left_by"] == {"consent_withdrawn": 1, "over_capacity": 3}
    assert {name: tuple(one.values()) for name, one in found["settings"].items() if name not in SETTLED} == {
        "offer_cost": ("2", "3"), "capacity": ("1000", "3"),
    }  # fmt: skip
    items = {one["customer"]: one for one in found["items"]}
    assert (items[newcomer]["change"], items[newcomer]["was"]) == ("entered", "no_candidate")
    assert items[newcomer]["because"] == WORDS["no_candidate"]
    assert (items[customers[5]]["change"], items[customers[5]]["is"]) == ("left", "consent_withdrawn")
    assert (items[customers[5]]["rank_before"], items[customers[5]]["rank_after"]) == (1, None)


SETTLED = ("as_of", "holdout_seed")
"""What differs because the moment does."""


def test_a_diff_comes_as_csv_and_ndjson_with_the_same_records(workspace, api, two):
    *_, before, later = two
    place = f"/v1/lists/{before.list_id}/diff/{later.list_id}"
    items = read(api, place, stayed=True)["items"]
    assert [json.loads(line) for line in api.get(place, params={"format": "ndjson", "stayed": True}).text.splitlines()
            ] == items  # fmt: skip
    told = list(csv.DictReader(io.StringIO(api.get(place, params={"format": "csv", "stayed": True}).text)))
    assert [one["customer"] for one in told] == [one["customer"] for one in items]
    assert list(told[0]) == list(COLUMNS)
    assert len(items) == 5 + 2


def test_a_diff_comes_by_the_page(workspace, api, two):
    *_, before, later = two
    place = f"/v1/lists/{before.list_id}/diff/{later.list_id}"
    first = read(api, place, limit=3)
    rest = read(api, place, limit=3, cursor=first["next"])
    assert first["items"] + rest["items"] == read(api, place)["items"]
    assert (len(first["items"]), len(rest["items"]), rest["next"]) == (3, 2, None)


def test_who_is_one_customer_by_now_neither_entered_nor_left(workspace, clock):
    ann, bob = send(
        workspace, purchase("a", phone(), at=AS_OF - 5 * DAY, amount="300"),
        purchase("b", email(), at=AS_OF - 5 * DAY, amount="300"),
    )  # fmt: skip
    score(workspace, {ann.customer: 0.6, bob.customer: 0.6})
    before = build(workspace, "retention", as_of=AS_OF)
    send(workspace, item("both", phone(), email(), at=clock.now(), channel="store"))
    clock.pass_time(hours=1)
    send(workspace, purchase("c", phone(), at=clock.now(), amount="10", origin="live"))
    score(workspace, {ann.customer: 0.6}, as_of=clock.now())
    fold(workspace)
    found = compare(workspace, before.list_id, build(workspace, "retention").list_id).diff
    assert (len(found.stayed), found.merged_before, found.entered, found.left) == (1, 1, (), ())


def test_the_command_shows_the_diff_and_writes_everybody_into_a_file(workspace, touchstone, two, tmp_path):
    *_, before, later = two
    out = tmp_path / "moved.csv"
    said = touchstone("diff", before.list_id, later.list_id, "--out", out)
    assert said.exit_code == 0, said.output
    assert "offer_cost: 2 → 3" in said.output
    assert "before: 6 members = 2 stayed + 4 left + 0 merged since" in said.output
    assert "after: 3 members = 2 stayed + 1 entered + 0 merged since" in said.output
    assert f"3 left: {WORDS['over_capacity']}" in said.output
    assert len(out.read_text().splitlines()) == 1 + 5
    assert touchstone("diff", before.list_id, later.list_id, "--out", tmp_path / "moved.xls").exit_code == 1
    assert touchstone("diff", before.list_id, "nothing").exit_code == 1


def test_every_rule_has_words(workspace):
    """Else a customer would be told a code."""
    prepared(workspace)
    built = build(with_rules(workspace, budget=Decimal("3")), "retention", as_of=AS_OF)
    found = {row.rule for row in all_rows(workspace, built.list_id) if row.rule}
    assert found == {"over_budget"}
    assert found | set(get_args(Cut)) - {""} <= WORDS.keys()

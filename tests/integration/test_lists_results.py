"""What becomes of a list: who leaves it and comes back, which list goes before, and what it brought."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest

from events.case import CaseResolved
from infra.target_list.building import build, build_on, terms_for
from infra.target_list.deriving import derive
from infra.target_list.refreshing import refresh
from models.errors import Refused
from models.ports import By, Write
from models.tables.journal import journal
from services.measuring import measure
from tests.support.calling import caller, read
from tests.support.clock import SetClock
from tests.support.folding import fold
from tests.support.listing import RULES, all_rows, commands, regulars, score, with_rules
from tests.support.sending import account, email, item, phone, purchase, send
from tests.support.workspaces import ruled

TUESDAY = datetime(2025, 7, 1, 18, 0, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def workspace(settings, clock, tmp_path):
    """A workspace whose rules allow text messages and mail."""
    with ruled(settings, clock, tmp_path, RULES) as opened:
        clock.at = TUESDAY
        yield opened


@pytest.fixture
def api(workspace):
    return caller(workspace)


@pytest.fixture
def touchstone(workspace, monkeypatch):
    return commands(workspace, monkeypatch)


@pytest.fixture
def scored(workspace):
    """Six customers who may leave, the last ones worth most."""
    customers = regulars(workspace)
    score(workspace, dict.fromkeys(customers, 0.6), as_of=TUESDAY)
    fold(workspace)
    return customers


def told(workspace, list_id, kind):
    return [one for one in workspace.journal.read(journal.c.type == kind) if one.event.list_id == list_id]


def members(workspace, list_id):
    return [row.customer for row in all_rows(workspace, list_id) if row.part == "member"]


def complains(workspace, number, *, at=TUESDAY + DAY, **said):
    about = {"case_id": f"case-{number}", "kind": "complaint", "reason": "billing", "status": "open"} | said
    name = f"{about['case_id']}-{about['status']}"
    sent = item(name, account(str(number)), type="case.imported", at=at, origin="import", **about)
    answers = send(workspace, sent)
    assert [(one.verdict, one.code, one.detail) for one in answers] == [("accepted", "", "")]
    fold(workspace)


def settles(workspace, customer, case):
    by = By(source="desk", source_id=f"{case}-over", actor="an agent", customer=customer)
    over = (CaseResolved(case_id=case, outcome="refunded"), workspace.clock.now())
    workspace.log.record(by, [Write(stream=f"case-{case}", expected=1, events=[over])])
    fold(workspace)


# Who leaves, and who comes back


def test_whoever_says_no_has_left_and_the_topic_says_by_which_rule(workspace, scored, clock, api):
    built = build(workspace, "retention")
    assert refresh(workspace)[0].moves.left == 0
    clock.at = TUESDAY + 2 * DAY
    send(workspace, item("no", account("3"), type="consent.withdrawn", at=TUESDAY + DAY, basis="call"))
    fold(workspace)
    assert [(one.moves.left, one.moves.returned) for one in refresh(workspace)] == [(1, 0)]
    (left,) = told(workspace, built.list_id, "target_list.member_left")
    assert (left.customer, left.event.rule, left.event.replaced_by) == (scored[3], "consent_withdrawn", None)
    assert [(one.moves.left, one.moves.returned) for one in refresh(workspace)] == [(0, 0)]
    said = api.get(f"/v1/lists/{built.list_id}/changes").json()
    assert [one["change"] for one in said["items"]] == ["entered"] * 6 + ["left"]
    assert said["items"][-1]["told"] == "said no to contact on every channel of the list"
    later = api.get(f"/v1/lists/{built.list_id}/changes", params={"since": said["until"]}).json()
    assert (later["items"], later["until"]) == ([], said["until"])


def test_whose_complaint_is_settled_is_back_and_may_leave_again(workspace, scored, clock):
    built = build(workspace, "retention")
    clock.at = TUESDAY + 2 * DAY
    complains(workspace, 1)
    assert refresh(workspace)[0].moves.left == 1
    settles(workspace, scored[1], "case-1")
    assert refresh(workspace)[0].moves.returned == 1
    complains(workspace, 1, case_id="case-2", at=TUESDAY + 2 * DAY)
    assert refresh(workspace)[0].moves.left == 1
    assert len(told(workspace, built.list_id, "target_list.member_left")) == 2
    assert [one.customer for one in told(workspace, built.list_id, "target_list.member_returned")] == [
        scored[1]
    ]


def test_the_next_list_of_a_series_says_who_is_on_it_no_longer(workspace, scored, clock):
    first = build(workspace, "retention")
    clock.at = TUESDAY + DAY
    second = build(with_rules(workspace, capacity=4), "retention")
    assert (second.published.series, second.published.replaces) == ("retention", first.list_id)
    left = told(workspace, first.list_id, "target_list.member_left")
    gone = set(members(workspace, first.list_id)) - set(members(workspace, second.list_id))
    assert {one.customer for one in left} == gone
    assert len(gone) == 2
    assert {(one.event.rule, one.event.replaced_by) for one in left} == {("over_capacity", second.list_id)}


def test_a_list_of_the_past_replaces_nothing_and_draws_nobody(workspace, scored, clock):
    first = build(workspace, "retention")
    clock.at = TUESDAY + DAY
    held = with_rules(workspace, holdout=0.5)
    of_the_past = build(held, "retention", as_of=TUESDAY)
    assert of_the_past.published.replaces is None
    assert told(workspace, first.list_id, "target_list.member_left") == []
    assert workspace.journal.read(journal.c.type == "campaign.assigned") == []
    with pytest.raises(Refused, match="nobody was drawn"):
        measure(workspace, of_the_past.list_id)


# Which list goes before


def test_of_two_lists_the_one_of_the_higher_priority_has_the_customer(workspace, scored, clock, api):
    low = build(with_rules(workspace, capacity=3), "retention")
    clock.at = TUESDAY + DAY
    care = terms_for(workspace, "care")
    equal = build_on(workspace, care)
    assert {row.customer for row in all_rows(workspace, equal.list_id) if row.rule == "other_list"} == set(
        members(workspace, low.list_id)
    )
    high = build_on(workspace, msgspec.structs.replace(care, priority=5, title="Care first"))
    assert set(members(workspace, high.list_id)) == set(scored)
    clock.at = TUESDAY + 2 * DAY
    pulled = read(api, f"/v1/lists/{low.list_id}/members")
    assert (pulled["items"], pulled["left_out_at_pull"]) == ([], 3)
    refresh(workspace)
    assert {one.event.rule for one in told(workspace, low.list_id, "target_list.member_left")} == {
        "other_list"
    }
    build(workspace, "retention")
    assert derive(workspace, equal.list_id).same, (
        "whom the first list had then, though a newer one replaced it"
    )


def test_a_list_that_has_run_out_holds_nobody(workspace, scored, clock):
    build(workspace, "retention")
    clock.at = TUESDAY + 40 * DAY
    care = build_on(workspace, terms_for(workspace, "care"))
    assert set(members(workspace, care.list_id)) == set(scored)


def test_who_was_held_out_stays_so_in_the_next_list_until_the_first_has_been_measured(
    workspace, scored, clock
):
    held = with_rules(workspace, holdout=0.5)
    first = build(held, "retention")
    spared = {row.customer for row in all_rows(workspace, first.list_id) if row.part == "holdout"}
    assert len(spared) == 3
    clock.at = TUESDAY + 7 * DAY
    second = build(held, "retention")
    kept_out = {row.customer for row in all_rows(workspace, second.list_id) if row.rule == "held_out"}
    assert kept_out == spared
    clock.at = TUESDAY + 14 * DAY
    care = build_on(workspace, msgspec.structs.replace(terms_for(workspace, "care"), priority=9))
    assert set(members(workspace, care.list_id)) == set(scored), "they were held out of retention alone"
    clock.at = TUESDAY + 92 * DAY
    third = build(held, "retention")
    assert "held_out" not in {
        row.rule for row in all_rows(workspace, third.list_id) if row.customer in spared
    }
    assert derive(workspace, second.list_id).same


class Ticking(SetClock):
    """A little later each time it is asked."""

    def now(self):
        self.at += timedelta(microseconds=1)
        return self.at


def test_two_lists_built_at_once_come_one_after_the_other(workspace, scored):
    """The second knows the first: it replaces it, and leaves alone whom chance held out of it."""
    held = with_rules(workspace, holdout=0.5)
    held = type(held)(**{**vars(held), "clock": Ticking(TUESDAY)})
    with ThreadPoolExecutor(2) as both:
        first, second = (one.result() for one in [both.submit(build, held, "retention") for _ in range(2)])
    if second.published.replaces is None:
        first, second = second, first
    assert (first.published.replaces, second.published.replaces) == (None, first.list_id)
    spared = {row.customer for row in all_rows(workspace, first.list_id) if row.part == "holdout"}
    assert spared
    assert spared.isdisjoint(members(workspace, second.list_id))


# What it brought


@pytest.fixture
def drawn(workspace, clock):
    """Sixty who bought last month; half are held out, and of the others most come again and one takes the offer."""
    customers = [answer.customer for answer in send(workspace, *(
        purchase(f"{n}", account(str(n)), phone(f"+1 415 555 {n:04d}"), email(f"c{n}@example.com"),
                 at=TUESDAY - 20 * DAY, amount="100")
        for n in range(1000, 1060)
    ))]  # fmt: skip
    score(workspace, dict.fromkeys(customers, 0.6), as_of=TUESDAY)
    fold(workspace)
    built = build(with_rules(workspace, holdout=0.5), "retention")
    number = {customer: 1000 + place for place, customer in enumerate(customers)}
    staying = [*members(workspace, built.list_id)[:24],
               *(row.customer for row in all_rows(workspace, built.list_id) if row.part == "holdout")][:30]  # fmt: skip
    clock.at = TUESDAY + 40 * DAY
    send(workspace, *(
        purchase(f"again-{n}", account(str(n)), at=TUESDAY + 30 * DAY, origin="live")
        for n in (number[one] for one in staying)
    ))  # fmt: skip
    first = number[members(workspace, built.list_id)[0]]
    about = {"campaign": built.list_id, "channel": "sms", "offer": "loyalty_gesture"}
    send(
        workspace,
        item("try", account(str(first)), type="attempt.made", at=TUESDAY + 3 * DAY, attempt_id="t", **about),
        item("got", account(str(first)), type="attempt.answered", at=TUESDAY + 3 * DAY, attempt_id="t",
             outcome="reached"),
    )  # fmt: skip
    fold(workspace)
    return built


def test_everyone_of_a_live_list_is_drawn_members_and_hold_out(workspace, drawn):
    assigned = workspace.journal.read(journal.c.type == "campaign.assigned")
    assert sorted((one.customer, one.event.held_out) for one in assigned) == sorted(
        (row.customer, row.part == "holdout")
        for row in all_rows(workspace, drawn.list_id)
        if row.part in ("member", "holdout")
    )
    assert {(one.event.campaign, one.event.treatment, one.event.propensity) for one in assigned} == {
        (drawn.list_id, "loyalty_gesture", 0.5)
    }
    assert {one.event.until for one in assigned} == {datetime(2025, 7, 2, tzinfo=UTC) + 90 * DAY}


def test_before_its_time_is_over_a_report_tells_contacts_and_what_could_be_shown_and_no_effect(
    workspace, drawn, clock, api
):
    clock.at = TUESDAY + 40 * DAY
    found = measure(workspace, drawn.list_id)
    assert (found.contacted, found.reached, found.accepted, found.spent) == (1, 1, 0, Decimal("0.05"))
    assert found.brought is None
    assert 0.3 < found.smallest < 0.4
    assert api.get(f"/v1/lists/{drawn.list_id}/report").json()["code"] == "list.not_measured"


def test_afterwards_all_drawn_are_compared_with_all_held_out_contacted_or_not(
    workspace, drawn, clock, api, touchstone
):
    clock.at = TUESDAY + 100 * DAY
    found = measure(workspace, drawn.list_id)
    brought = found.brought
    assert (brought.drawn, brought.held_out, brought.kept_drawn, brought.kept_held_out) == (30, 30, 0.8, 0.2)
    assert brought.effect.value == pytest.approx(0.6)
    assert 0.35 < brought.effect.low < brought.effect.high < 0.85
    rows = {row.customer: row for row in all_rows(workspace, drawn.list_id)}
    value = float(next(row.value for row in rows.values() if row.value))
    assert brought.earned.value == pytest.approx(30 * 0.6 * value - 0.05, abs=0.01)
    said = read(api, f"/v1/lists/{drawn.list_id}/report")
    assert (said["effect"]["value"], said["drawn"], said["spent"]) == (pytest.approx(0.6), 30, "0.05")
    shown = touchstone("report", drawn.list_id)
    assert shown.exit_code == 0
    assert "An effect is shown." in shown.output
    assert len(told(workspace, drawn.list_id, "target_list.measured")) == 1


def test_without_a_hold_out_no_effect_is_told(workspace, scored, clock, touchstone):
    built = build(workspace, "retention")
    clock.at = TUESDAY + 100 * DAY
    said = touchstone("report", built.list_id)
    assert "Nobody was held out" in said.output
    assert workspace.journal.read(journal.c.type == "campaign.assigned") == []


def test_the_changes_of_an_unknown_list_are_not_found(api):
    found = api.get("/v1/lists/nothing/changes")
    assert (found.status_code, json.loads(found.content)["code"]) == (404, "list.unknown")

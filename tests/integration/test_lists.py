"""Target lists end to end: scored customers in the journal, a list out, pulled over HTTP."""

from datetime import timedelta

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import text

from infra.target_list.building import build
from infra.workspace import open_workspace
from models.errors import Refused
from models.tables.journal import journal
from services.api import lists, problems
from services.api.security import Guard
from tests.support.folding import fold, rows
from tests.support.listing import (
    AS_OF,
    RULES,
    all_rows,
    prepared,
    regulars,
    score,
    two_of_them,
    with_rules,
    withdraw,
)
from tests.support.sending import account, email, item, phone, purchase, send
from tests.support.workspaces import ruled

PHONE, MAIL = "+1 415 555 2671", "planted@example.com"


@pytest.fixture
def workspace(settings, clock, tmp_path):
    """A workspace whose rules allow text messages and mail."""
    with ruled(settings, clock, tmp_path, RULES) as opened:
        yield opened


@pytest.fixture
def api(workspace):
    """The lists' routes behind the API's guard."""
    app = FastAPI()
    problems.install(app)
    app.add_middleware(Guard, settings=workspace.settings)
    app.include_router(lists.router(workspace))
    return TestClient(app, headers={"X-API-Key": "test-key"}, raise_server_exceptions=False)


def recorded(workspace, kind):
    return workspace.journal.read(journal.c.type == kind)


def test_a_list_is_published_with_its_members_as_facts_of_each_customer(workspace):
    customers = prepared(workspace)
    built = build(workspace, "retention", as_of=AS_OF)
    (published,) = recorded(workspace, "target_list.published")
    members = recorded(workspace, "target_list.member_added")
    assert published.event == built.published
    assert (published.occurred_at, published.known_at, published.origin) == (AS_OF, AS_OF, "replay")
    assert published.stream == f"target_list-{built.list_id}"
    assert [one.event.rank for one in members] == [1, 2, 3, 4, 5, 6]
    assert [one.customer for one in members] == customers[::-1]
    first = members[0].event
    assert (first.channel, first.offer, first.currency) == ("sms", "loyalty_gesture", "USD")
    assert first.because == ("first_days", "days_since_purchase")
    evidence = {
        one.event_id: one.type for one in workspace.journal.read(journal.c.customer == members[0].customer)
    }
    assert evidence[first.because_events[0]] == "prediction.churn_scored"
    assert {evidence[one] for one in first.because_events[1:]} == {"purchase.recorded"}
    assert built.published.position < published.position
    said = built.published
    assert said.candidates == said.members + said.holdout + said.suppressed + said.beyond == 6


def test_building_again_gives_the_same_list_and_records_nothing(workspace):
    prepared(workspace)
    first = build(workspace, "retention", as_of=AS_OF)
    fold(workspace)
    send(workspace, purchase("later", account("1"), at=AS_OF + timedelta(days=40)))
    fold(workspace)
    head = workspace.journal.head()
    again = build(workspace, "retention", as_of=AS_OF)
    assert (again.list_id, again.published, again.new) == (first.list_id, first.published, False)
    assert again.top == first.top
    assert workspace.journal.head() == head


def test_a_list_does_not_wait_for_the_views(workspace, settings, clock):
    """What is not folded yet is folded for the list; the views catch up later and agree."""
    customers = regulars(workspace)
    score(workspace, dict.fromkeys(customers, 0.6))
    before = build(workspace, "retention", as_of=AS_OF)
    fold(workspace)
    assert build(workspace, "retention", as_of=AS_OF).list_id == before.list_id


def test_what_happened_or_became_known_later_changes_nothing(workspace):
    prepared(workspace)
    two_of_them(workspace)
    first = build(workspace, "retention", as_of=AS_OF)
    late = purchase("late", account("2"), at=AS_OF - timedelta(days=10), amount="9999")
    late["known_at"] = (AS_OF + timedelta(days=1)).isoformat()
    merging = item("both", phone(), email(), at=AS_OF + timedelta(days=2), origin="import")
    merging["data"]["channel"] = "store"
    send(workspace, late, merging, withdraw(5, AS_OF + timedelta(days=3)))
    fold(workspace)
    assert len(rows(workspace, "customer_360")) == 7
    again = build(workspace, "retention", as_of=AS_OF)
    assert (again.list_id, again.published.candidates) == (first.list_id, 8)


def test_a_win_back_list_is_of_the_lost_likeliest_to_return_first(workspace):
    answers = send(workspace, *(
        purchase(str(n), account(str(n)), email(f"c{n}@example.com"), amount="500",
                 at=AS_OF - timedelta(days=days))
        for n, days in enumerate((20, 300, 300))
    ))  # fmt: skip
    active, likely, unlikely = (answer.customer for answer in answers)
    score(workspace, {active: 0.5, likely: 0.3, unlikely: 0.6})
    fold(workspace)
    built = build(workspace, "winback", as_of=AS_OF)
    assert [(row.customer, row.probability, row.stage) for row in built.top] == [
        (likely, 0.7, "lost"), (unlikely, 0.4, "lost"),
    ]  # fmt: skip
    assert built.published.purpose == "win_back"
    assert built.published.candidates == 2


def test_each_one_left_out_has_the_rule_and_the_rules_add_up(workspace):
    customers = regulars(workspace, 6)
    send(
        workspace,
        withdraw(0, AS_OF - timedelta(days=2)),
        item("case", account("1"), type="case.imported", at=AS_OF - timedelta(days=3), origin="import",
             case_id="c1", kind="complaint", reason="billing", status="open"),
        item("fault", account("2"), type="case.imported", at=AS_OF - timedelta(days=3), origin="import",
             case_id="c2", kind="fault", reason="line", status="open"),
        purchase("unreachable", account("77"), at=AS_OF - timedelta(days=9)),
        purchase("unscored", account("88"), email("new@example.com"), at=AS_OF - timedelta(days=1)),
    )  # fmt: skip
    (unreachable,) = send(workspace, purchase("more", account("77"), at=AS_OF - timedelta(days=8)))
    score(workspace, dict.fromkeys([*customers, unreachable.customer], 0.6))
    fold(workspace)
    built = build(workspace, "retention", as_of=AS_OF)
    assert built.rules == {"consent_withdrawn": 1, "open_complaint": 1, "not_reachable": 1, "no_score": 1}
    assert (built.published.candidates, built.published.members) == (8, 4)
    assert len(all_rows(workspace, built.list_id)) == 8


def test_a_population_is_named_by_the_issuer_of_its_identifiers(workspace):
    customers = prepared(workspace, 3)
    (other,) = send(
        workspace, purchase("o", account("1", "bank"), email("o@example.com"), at=AS_OF - timedelta(days=3))
    )
    score(workspace, {other.customer: 0.6}, as_of=AS_OF - timedelta(days=1))
    fold(workspace)
    assert {
        row.customer for row in all_rows(workspace, build(workspace, "retention", AS_OF, "shop").list_id)
    } == set(customers)
    assert build(workspace, "retention", as_of=AS_OF).published.candidates == 4


def test_the_scores_of_a_named_artifact_count_though_another_scored_since(workspace):
    customers = regulars(workspace, 3)
    score(workspace, dict.fromkeys(customers, 0.3), artifact="old", as_of=AS_OF - timedelta(days=7))
    score(workspace, dict.fromkeys(customers, 0.6), artifact="new")
    fold(workspace)
    by_old = build(workspace, "retention", as_of=AS_OF, artifact="old")
    by_latest = build(workspace, "retention", as_of=AS_OF)
    assert {row.probability for row in by_old.top} == {0.3}
    assert {row.probability for row in by_latest.top} == {0.6}
    assert (by_old.published.artifact, by_latest.published.artifact) == ("old", "new")


def test_without_scores_no_list_is_published(workspace):
    regulars(workspace)
    fold(workspace)
    with pytest.raises(Refused) as refused:
        build(workspace, "retention", as_of=AS_OF)
    assert refused.value.code == "list.no_scores"
    assert recorded(workspace, "target_list.published") == []


def test_a_seed_draws_the_same_holdout_again(workspace):
    workspace = with_rules(workspace, holdout=0.5)
    prepared(workspace, 60)  # so many that two seeds never draw the same by chance
    one, two = build(workspace, "retention", AS_OF, seed="a"), build(workspace, "retention", AS_OF, seed="b")
    held = [
        {r.customer for r in all_rows(workspace, built.list_id) if r.part == "holdout"}
        for built in (one, two)
    ]
    assert [len(some) for some in held] == [30, 30]
    assert held[0] != held[1]
    assert build(workspace, "retention", AS_OF, seed="a").list_id == one.list_id


def test_frozen_rows_and_events_hold_no_personal_value(workspace):
    (answer,) = send(
        workspace, purchase("1", phone(PHONE), email(MAIL), at=AS_OF - timedelta(days=5), amount="500")
    )
    score(workspace, {answer.customer: 0.6})
    fold(workspace)
    assert build(workspace, "retention", as_of=AS_OF).published.members == 1
    with workspace.engine.connect() as connection:
        for table in ("target_list", "target_list_row", "journal"):
            kept = connection.execute(text(f"SELECT string_agg(t::text, ' ') FROM {table} t")).scalar()
            raw = connection.execute(text(f"SELECT * FROM {table}")).all()
            for planted in (PHONE, PHONE[1:], "4155552671", MAIL):
                assert planted not in kept
                assert all(
                    planted.encode() not in bytes(v)
                    for row in raw
                    for v in row
                    if isinstance(v, bytes | memoryview)
                )


def test_a_list_that_was_interrupted_is_completed_by_the_next_run(workspace, api):
    """The database refuses the fourth member; the next run records the rest, each once."""
    prepared(workspace)
    _refuse_members(workspace, above=3)
    with pytest.raises(RuntimeError, match="could not be recorded"):
        build(workspace, "retention", as_of=AS_OF)
    assert len(recorded(workspace, "target_list.published")) == 1
    assert api.get("/v1/lists").json() == {"lists": []}
    _allow_members(workspace)
    built = build(workspace, "retention", as_of=AS_OF)
    assert not built.new
    assert [one.event.rank for one in recorded(workspace, "target_list.member_added")] == [1, 2, 3, 4, 5, 6]
    assert len(recorded(workspace, "target_list.published")) == 1
    assert [one["list_id"] for one in api.get("/v1/lists").json()["lists"]] == [built.list_id]


def test_a_live_list_that_was_interrupted_is_completed_too(workspace, clock):
    customers = regulars(workspace)
    clock.at = AS_OF + timedelta(days=1)
    workspace = open_workspace(workspace.settings, clock)
    score(workspace, dict.fromkeys(customers, 0.6))
    _refuse_members(workspace, above=3)
    with pytest.raises(RuntimeError, match="could not be recorded"):
        build(workspace, "retention")
    _allow_members(workspace)
    clock.pass_time(hours=1)
    build(workspace, "retention")
    first, second = recorded(workspace, "target_list.published")
    assert (first.origin, first.event.as_of) == ("live", AS_OF + timedelta(days=1))
    members = [one.event.list_id for one in recorded(workspace, "target_list.member_added")]
    assert members.count(first.event.list_id) == members.count(second.event.list_id) == 6
    workspace.close()


def _refuse_members(workspace, above):
    """From this rank on, the journal's database refuses the members of lists."""
    with workspace.engine.begin() as connection:
        connection.execute(text(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "IF NEW.type = 'target_list.member_added' AND "
            f"(convert_from(NEW.data, 'UTF8')::json->>'rank')::int > {above} "
            "THEN RAISE EXCEPTION 'no more members'; END IF; RETURN NEW; END $$"
        ))  # fmt: skip
        connection.execute(
            text("CREATE TRIGGER refuse BEFORE INSERT ON journal FOR EACH ROW EXECUTE FUNCTION refuse()")
        )


def _allow_members(workspace):
    with workspace.engine.begin() as connection:
        connection.execute(text("DROP TRIGGER refuse ON journal"))

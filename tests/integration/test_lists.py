"""Target lists end to end: scored customers in the journal, a list out, pulled over HTTP."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pyarrow import parquet
from sqlalchemy import text

from events.prediction import ChurnScored, ScoreReason
from infra.target_list import files as list_files
from infra.target_list.building import build, frozen
from infra.workspace import open_workspace
from models.errors import Refused
from models.ports import By, Write
from models.tables.journal import journal
from services.api import lists, problems
from services.api.security import Guard
from tests.support.folding import fold, rows
from tests.support.sending import account, email, item, phone, purchase, send
from tests.support.workspaces import ruled

AS_OF = datetime(2025, 7, 1, tzinfo=UTC)
PHONE, MAIL = "+1 415 555 2671", "planted@example.com"
RULES = """
[retention]
offer = "loyalty_gesture"
channels = ["sms", "email"]
legal_basis = {sms = "contract", email = "contract"}
contact_cost = {sms = 0.05, email = 0.01}
holdout = 0.0

[win_back]
offer = "welcome_back"
legal_basis = {sms = "contract", email = "contract"}
"""


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


def score(workspace, probabilities, *, artifact="churn-1", as_of=AS_OF):
    """A model's word on customers, likeliest to leave first."""
    ranked = sorted(probabilities.items(), key=lambda pair: -pair[1])
    workspace.log.record_batch([
        (
            By(source=f"churn:{artifact}:{as_of.isoformat()}", source_id=customer, actor="touchstone score",
               origin="replay", customer=customer),
            [Write(stream="", expected=0, events=[(ChurnScored(
                run="run", artifact=artifact, as_of=as_of, horizon_days=180, probability=probability,
                rank=rank, of=len(ranked),
                reasons=(ScoreReason(feature="days since purchase", says="long ago", contribution=1.0),),
            ), as_of)])],
        )
        for rank, (customer, probability) in enumerate(ranked, start=1)
    ])  # fmt: skip


def regulars(workspace, count=6):
    """Customers who bought last month, each with a phone and a mail address; the last ones spend most."""
    answers = send(workspace, *(
        purchase(f"{n}-{month}", account(str(n)), phone(f"+1 415 555 26{n:02d}"), email(f"c{n}@example.com"),
                 at=AS_OF - timedelta(days=30 * month), amount=str(100 + 10 * n))
        for n in range(count) for month in (1, 2, 3)
    ))  # fmt: skip
    return list(dict.fromkeys(answer.customer for answer in answers))


def prepared(workspace, count=6):
    """Regulars, scored and folded."""
    customers = regulars(workspace, count)
    score(workspace, dict.fromkeys(customers, 0.6))
    fold(workspace)
    return customers


def two_of_them(workspace):
    """Two customers, one known by a phone and one by a mail address, scored and folded."""
    answers = send(workspace, *(
        purchase(f"of-{who['kind']}", who, at=AS_OF - timedelta(days=5), amount="300")
        for who in (phone(PHONE), email(MAIL))
    ))  # fmt: skip
    customers = [answer.customer for answer in answers]
    score(workspace, dict.fromkeys(customers, 0.6), as_of=AS_OF - timedelta(hours=1))
    fold(workspace)
    return customers


def withdraw(workspace, number, at, **said):
    return item(
        f"no-{number}", account(str(number)), type="consent.withdrawn", at=at, basis="call", **said,
        origin="live" if at > AS_OF + timedelta(days=30) else "import",
    )  # fmt: skip


def recorded(workspace, kind):
    return workspace.journal.read(journal.c.type == kind)


def all_rows(workspace, list_id):
    with workspace.engine.connect() as connection:
        return [row for _, row in frozen(connection, list_id, ["member", "holdout", "beyond", "suppressed"])]


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
    merging = item("both", phone(PHONE), email(MAIL), at=AS_OF + timedelta(days=2), origin="import")
    merging["data"]["channel"] = "store"
    send(workspace, late, merging, withdraw(workspace, 5, AS_OF + timedelta(days=3)))
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
        withdraw(workspace, 0, AS_OF - timedelta(days=2)),
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
    workspace = _with(workspace, holdout=0.5)
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


# Pulling


def test_lists_are_read_newest_first_and_one_by_its_id(workspace, api, clock):
    prepared(workspace)
    older = build(workspace, "retention", as_of=AS_OF)
    clock.pass_time(days=1)
    newer = build(workspace, "retention", as_of=AS_OF, seed="another")
    found = api.get("/v1/lists").json()["lists"]
    assert [one["list_id"] for one in found] == [newer.list_id, older.list_id]
    one = api.get(f"/v1/lists/{older.list_id}").json()
    assert one == found[1]
    assert (one["members"], one["sha256"], one["position"]) == (
        6,
        older.published.sha256,
        older.published.position,
    )
    assert one["definition"]["offer"] == "loyalty_gesture"


def test_csv_ndjson_parquet_and_json_agree(workspace, api):
    prepared(workspace)
    place = f"/v1/lists/{build(workspace, 'retention', as_of=AS_OF).list_id}/members"
    as_json = api.get(place).json()["items"]
    as_ndjson = [json.loads(line) for line in api.get(place, params={"format": "ndjson"}).text.splitlines()]
    as_csv = list(csv.DictReader(io.StringIO(api.get(place, params={"format": "csv"}).text)))
    as_parquet = parquet.read_table(
        io.BytesIO(api.get(place, params={"format": "parquet"}).content)
    ).to_pylist()
    assert len(as_json) == 6
    assert as_ndjson == as_json
    assert [_plain(one) for one in as_csv] == [_plain(one) for one in as_json]
    assert [_plain(one) for one in as_parquet] == [_plain(one) for one in as_json]


def test_files_of_a_list_are_the_same_bytes_each_time(workspace, tmp_path):
    prepared(workspace)
    list_id = build(workspace, "retention", as_of=AS_OF).list_id
    first = list_files.write_all(workspace, list_id, tmp_path / "a")
    again = list_files.write_all(workspace, list_id, tmp_path / "b")
    assert [path.name for path in first] == ["retention.csv", "retention.ndjson", "retention.parquet"]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in again]


def test_members_come_by_the_page_until_there_are_no_more(workspace, api):
    prepared(workspace)
    place = f"/v1/lists/{build(workspace, 'retention', as_of=AS_OF).list_id}/members"
    page = api.get(place, params={"limit": 4}).json()
    last = api.get(place, params={"limit": 4, "cursor": page["next"]}).json()
    assert [one["rank"] for one in page["items"] + last["items"]] == [1, 2, 3, 4, 5, 6]
    assert last["next"] is None
    first = api.get(place, params={"limit": 4, "format": "ndjson"})
    rest = api.get(place, params={"limit": 4, "format": "ndjson", "cursor": first.headers["X-Next-Cursor"]})
    assert (len(first.text.splitlines()), len(rest.text.splitlines())) == (4, 2)
    assert "X-Next-Cursor" not in rest.headers


def test_what_was_pulled_before_is_not_sent_again_until_it_changes(workspace, api, clock):
    prepared(workspace)
    place = f"/v1/lists/{build(workspace, 'retention', as_of=AS_OF).list_id}/members?format=csv"
    first = api.get(place)
    tag = first.headers["ETag"]
    again = api.get(place, headers={"If-None-Match": tag})
    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
    assert api.get(place + "&addresses=true", headers={"If-None-Match": tag}).status_code == 200
    send(workspace, withdraw(workspace, 1, clock.now()))
    changed = api.get(place, headers={"If-None-Match": tag})
    assert changed.status_code == 200
    assert changed.headers["ETag"] != tag
    assert len(changed.text.splitlines()) == len(first.text.splitlines()) - 1


@pytest.mark.parametrize("folded", [True, False])
def test_a_consent_withdrawn_since_is_left_out_at_the_pull(workspace, api, clock, folded):
    """At once: the views need not have seen it."""
    customers = prepared(workspace)
    built = build(workspace, "retention", as_of=AS_OF)
    send(workspace, withdraw(workspace, 5, clock.now(), channel="sms"))
    if folded:
        fold(workspace)
    pulled = api.get(f"/v1/lists/{built.list_id}/members")
    assert pulled.headers["X-Left-Out-At-Pull"] == "1"
    assert customers[5] not in {one["customer"] for one in pulled.json()["items"]}
    assert pulled.json()["left_out_at_pull"] == 1
    assert len(all_rows(workspace, built.list_id)) == 6


def test_two_members_who_turned_out_to_be_one_are_contacted_once(workspace, api, clock):
    """The frozen rows name both; the pull keeps the one who ranks higher."""
    one, other = two_of_them(workspace)
    built = build(workspace, "retention", as_of=AS_OF)
    send(workspace, item("both", phone(PHONE), email(MAIL), at=clock.now(), channel="store"))
    fold(workspace)
    pulled = api.get(f"/v1/lists/{built.list_id}/members").json()
    assert {row.customer for row in built.top} == {one, other}
    assert [item["customer"] for item in pulled["items"]] == [built.top[0].customer]
    assert pulled["left_out_at_pull"] == 1


def test_a_merged_member_is_written_to_where_whoever_said_yes_has_their_mail(workspace, api, clock):
    """Ann and Bob turn out to be one; Bob said yes, and Ann's address is the newer one."""
    strict = _with(workspace, legal_basis={})
    bob, ann = send(
        workspace, purchase("b", account("2"), email("bob@example.com"), at=AS_OF - timedelta(days=9), amount="300"),
        purchase("a", phone(PHONE), email(MAIL), at=AS_OF - timedelta(days=3), amount="300"),
    )  # fmt: skip
    yes = {"channel": "email", "purpose": "retention", "basis": "consent", "proof": "form-7"}
    send(workspace, item("yes", account("2"), type="consent.granted", at=AS_OF - timedelta(days=2), origin="import",
                         **yes))  # fmt: skip
    send(workspace, item("both", account("2"), phone(PHONE), at=AS_OF - timedelta(days=1), origin="import",
                         channel="store"))  # fmt: skip
    score(workspace, {bob.customer: 0.6}, as_of=AS_OF - timedelta(hours=1))
    fold(workspace)
    assert ann.customer not in rows(workspace, "customer_360")
    built = build(strict, "retention", as_of=AS_OF)
    assert [(row.customer, row.channel) for row in built.top] == [(bob.customer, "email")]
    app = FastAPI()
    app.include_router(lists.router(strict))
    place = f"/v1/lists/{built.list_id}/members"
    [member] = TestClient(app).get(place, params={"addresses": True}).json()["items"]
    assert member["address"] == "bob@example.com"
    # Bob's address is none any more: what is left is Ann's, who said nothing.
    lost = {"channel": "email", "why": "bounced", "permanent": True}
    send(
        workspace, item("lost", email("bob@example.com"), type="identity.unreachable", at=clock.now(), **lost)
    )
    assert TestClient(app).get(place).json()["items"] == []


def test_addresses_come_only_when_asked_for_and_only_the_channels_own(workspace, api):
    prepared(workspace)
    place = f"/v1/lists/{build(workspace, 'retention', as_of=AS_OF).list_id}/members"
    assert "address" not in api.get(place).json()["items"][0]
    first = api.get(place, params={"addresses": True}).json()["items"][0]
    assert (first["address_kind"], first["address"]) == ("phone", "+14155552605")
    body = api.get(place, params={"addresses": True, "format": "csv"}).text
    assert next(csv.DictReader(io.StringIO(body)))["address"] == "14155552605"
    assert "@example.com" not in body


def test_those_left_out_are_read_by_part_with_their_rule(workspace, api):
    customers = regulars(workspace)
    send(workspace, withdraw(workspace, 0, AS_OF - timedelta(days=2)))
    score(workspace, dict.fromkeys(customers, 0.6))
    fold(workspace)
    place = f"/v1/lists/{build(workspace, 'retention', as_of=AS_OF).list_id}/left-out"
    (one,) = api.get(place, params={"part": "suppressed"}).json()["items"]
    assert (one["customer"], one["rule"], one["channel"]) == (customers[0], "consent_withdrawn", None)
    assert api.get(place, params={"part": "beyond"}).json()["items"] == []
    assert api.get(place, params={"part": "member"}).status_code == 422


def test_a_stranger_an_unknown_list_and_a_made_up_cursor_get_an_answer_that_says_so(workspace, api):
    prepared(workspace)
    list_id = build(workspace, "retention", as_of=AS_OF).list_id
    assert api.get("/v1/lists", headers={"X-API-Key": "wrong"}).status_code == 401
    assert api.get("/v1/lists/nothing").json()["code"] == "list.unknown"
    assert api.get("/v1/lists/nothing/members").status_code == 404
    for cursor in ("x", "cGxhY2U6LTE=", "é"):
        answer = api.get(f"/v1/lists/{list_id}/members", params={"cursor": cursor})
        assert (answer.status_code, answer.json()["code"]) == (422, "cursor.invalid")


def _plain(one):
    """A record in the words of the CSV form, whatever form it came in."""

    def word(value):
        if value is None:
            return ""
        if isinstance(value, list):
            return "; ".join(value)
        if isinstance(value, datetime):
            return value.isoformat().replace("+00:00", "Z")
        return str(value)

    return {name: word(value) for name, value in one.items()}


def _with(workspace, **settings):
    rules = msgspec.structs.replace(
        workspace.rules, retention=msgspec.structs.replace(workspace.rules.retention, **settings)
    )
    return type(workspace)(**{**vars(workspace), "rules": rules})


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

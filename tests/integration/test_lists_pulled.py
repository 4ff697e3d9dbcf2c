"""What is pulled is dated: who may be contacted today, in which hours, in which form."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pyarrow import parquet

from infra.target_list import files as list_files
from infra.target_list.building import build
from infra.target_list.pull import PAGE
from services.api import lists
from tests.support.calling import caller, read
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

TUESDAY = datetime(2025, 7, 1, 18, 0, tzinfo=UTC)
"""In California, 11 in the morning."""


@pytest.fixture
def workspace(settings, clock, tmp_path):
    """A workspace whose rules allow text messages and mail."""
    with ruled(settings, clock, tmp_path, RULES) as opened:
        yield opened


@pytest.fixture
def api(workspace):
    return caller(workspace)


@pytest.fixture
def live(workspace, clock):
    """A list of today, good from Wednesday for four weeks."""
    clock.at = TUESDAY
    score(workspace, dict.fromkeys(regulars(workspace), 0.6), as_of=TUESDAY)
    fold(workspace)
    return f"/v1/lists/{build(workspace, 'retention').list_id}/members"


def hours(api, place):
    return {(one["contact_from"], one["contact_until"]) for one in read(api, place)["items"]}


def test_a_live_lists_hours_are_those_that_are_next_where_the_customer_is(live, api, clock):
    """Text messages from 9 until 22 on a Californian's clock; the list is good from 17 o'clock there."""
    assert hours(api, live) == {("2025-07-02T00:00:00Z", "2025-07-02T05:00:00Z")}
    clock.at = datetime(2025, 7, 2, 20, 0, tzinfo=UTC)
    assert hours(api, live) == {("2025-07-02T16:00:00Z", "2025-07-03T05:00:00Z")}, "open now"
    clock.at = datetime(2025, 7, 3, 6, 0, tzinfo=UTC)
    assert hours(api, live) == {("2025-07-03T16:00:00Z", "2025-07-04T05:00:00Z")}
    clock.at = datetime(2025, 7, 4, 12, 0, tzinfo=UTC)
    assert hours(api, live) == {("2025-07-05T16:00:00Z", "2025-07-06T05:00:00Z")}, "the fourth is a holiday"


def test_the_etag_holds_for_a_day_and_changes_with_the_hours(live, api, clock):
    clock.at = datetime(2025, 7, 2, 17, 0, tzinfo=UTC)
    tag = api.get(live).headers["ETag"]
    clock.pass_time(hours=2)
    assert api.get(live, headers={"If-None-Match": tag}).status_code == 304
    clock.pass_time(days=1)
    assert api.get(live, headers={"If-None-Match": tag}).status_code == 200


def test_a_live_list_that_has_expired_has_nobody_to_contact(live, api, clock):
    clock.at = TUESDAY + timedelta(days=30)
    told = read(api, live)
    assert (told["items"], told["left_out_at_pull"]) == ([], 6)


def test_a_list_as_of_the_past_keeps_the_hours_of_its_own_time(workspace, api):
    """It is looked at, not called from."""
    prepared(workspace)
    place = f"/v1/lists/{build(workspace, 'retention', as_of=AS_OF).list_id}/members"
    assert hours(api, place) == {("2025-07-02T00:00:00Z", "2025-07-02T05:00:00Z")}


def test_arrow_comes_as_a_stream_with_the_same_records(workspace, api):
    """More members than a page has, so that there are several batches."""
    count = PAGE + 20
    answers = send(workspace, *(
        purchase(str(n), phone(f"+1415{5550000 + n}"), at=AS_OF - timedelta(days=9), amount="500") for n in range(count)
    ))  # fmt: skip
    score(workspace, dict.fromkeys((answer.customer for answer in answers), 0.6))
    built = build(workspace, "retention", as_of=AS_OF)
    place = f"/v1/lists/{built.list_id}/members"
    answer = api.get(place, params={"format": "arrow"})
    assert answer.headers["Content-Type"] == "application/vnd.apache.arrow.stream"
    with pa.ipc.open_stream(io.BytesIO(answer.content)) as stream:
        batches = list(stream)
    assert [batch.num_rows for batch in batches] == [PAGE, 20]
    assert [one for batch in batches for one in batch["customer"].to_pylist()] == [
        row.customer for row in all_rows(workspace, built.list_id)
    ]
    whole = parquet.read_table(io.BytesIO(api.get(place, params={"format": "parquet"}).content))
    assert pa.Table.from_batches(batches).to_pylist() == whole.to_pylist()


def test_an_empty_list_is_an_arrow_stream_without_rows(live, api, clock):
    clock.at = TUESDAY + timedelta(days=30)
    with pa.ipc.open_stream(io.BytesIO(api.get(live, params={"format": "arrow"}).content)) as stream:
        assert (stream.read_all().num_rows, "contact_from" in stream.schema.names) == (0, True)


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
    as_csv = list(csv.DictReader(io.StringIO(api.get(place, params={"format": "csv-raw"}).text)))
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
    send(workspace, withdraw(1, clock.now()))
    changed = api.get(place, headers={"If-None-Match": tag})
    assert changed.status_code == 200
    assert changed.headers["ETag"] != tag
    assert len(changed.text.splitlines()) == len(first.text.splitlines()) - 1


@pytest.mark.parametrize("folded", [True, False])
def test_a_consent_withdrawn_since_is_left_out_at_the_pull(workspace, api, clock, folded):
    """At once: the views need not have seen it."""
    customers = prepared(workspace)
    built = build(workspace, "retention", as_of=AS_OF)
    send(workspace, withdraw(5, clock.now(), channel="sms"))
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
    send(workspace, item("both", phone(), email(), at=clock.now(), channel="store"))
    fold(workspace)
    pulled = api.get(f"/v1/lists/{built.list_id}/members").json()
    assert {row.customer for row in built.top} == {one, other}
    assert [item["customer"] for item in pulled["items"]] == [built.top[0].customer]
    assert pulled["left_out_at_pull"] == 1


def test_a_merged_member_is_written_to_where_whoever_said_yes_has_their_mail(workspace, api, clock):
    """Ann and Bob turn out to be one; Bob said yes, and Ann's address is the newer one."""
    strict = with_rules(workspace, legal_basis={})
    bob, ann = send(
        workspace, purchase("b", account("2"), email("bob@example.com"), at=AS_OF - timedelta(days=9), amount="300"),
        purchase("a", phone(), email(), at=AS_OF - timedelta(days=3), amount="300"),
    )  # fmt: skip
    yes = {"channel": "email", "purpose": "retention", "basis": "consent", "proof": "form-7"}
    send(workspace, item("yes", account("2"), type="consent.granted", at=AS_OF - timedelta(days=2), origin="import",
                         **yes))  # fmt: skip
    send(workspace, item("both", account("2"), phone(), at=AS_OF - timedelta(days=1), origin="import",
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
    body = api.get(place, params={"addresses": True, "format": "csv"}).content.decode("utf-8-sig")
    assert next(csv.DictReader(io.StringIO(body)))["address"] == "14155552605"
    assert "@example.com" not in body


def test_those_left_out_are_read_by_part_with_their_rule(workspace, api):
    customers = regulars(workspace)
    send(workspace, withdraw(0, AS_OF - timedelta(days=2)))
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
    assert caller(workspace, None).get("/v1/lists", headers={"X-API-Key": "wrong"}).status_code == 401
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

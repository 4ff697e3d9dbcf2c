"""The door for other people's SDKs: what they send is taken or kept, and nothing makes them drop a batch."""

import gzip
import json
from collections import Counter
from datetime import timedelta

import httpx
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from infra.door import RECEIVED, VERDICTS
from infra.workspace import open_workspace
from services.gateway.app import create_app
from services.gateway.body import BATCH, BODY_BYTES
from services.gateway.segment import Dialect

BASIC = ("test-key", "")
COUNTERS = ("received", "accepted", "duplicates", "refused", "quarantined")


@pytest.fixture
def gateway(workspace):
    """The gateway as an SDK meets it; a redirect would lose what it posts."""
    with TestClient(create_app(workspace), follow_redirects=False) as client:
        yield client


def track(message_id: str, **fields):
    return {"type": "track", "event": "Plan Viewed", "userId": "u1", "messageId": message_id, **fields}


def batch(*messages, **top):
    return {"batch": list(messages), "sentAt": "2026-03-02T12:00:00Z", **top}


def journal(workspace):
    """Type, source id and origin of everything the journal has from this door."""
    with workspace.engine.connect() as connection:
        rows = connection.execute(text(
            "SELECT type, source_id, origin FROM journal WHERE source = 'segment' ORDER BY position"
        ))  # fmt: skip
        return [tuple(row) for row in rows]


def counts(answer: httpx.Response) -> tuple[int, ...]:
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert told["success"] is True
    assert told["received"] == sum(told[name] for name in COUNTERS[1:])
    return tuple(told[name] for name in COUNTERS)


PATHS = ("/v1/batch", "/v1/batch/", "/v1/import", "/v1/import/", "/batch/", "/batch", "/capture/", "/capture")
ALONE = ("track", "identify", "page", "screen", "group", "alias")
NO_KEYS = [
    ({}, {}), ({}, {"writeKey": "wrong"}), ({}, {"writeKey": 5}), ({"Authorization": "Basic %%%"}, {}),
    ({"Authorization": "Basic d3Jvbmc6"}, {"writeKey": "test-key"}), ({"Authorization": "Bearer "}, {}),
]  # fmt: skip


def test_a_batch_is_taken_with_and_without_a_slash(gateway, workspace, subtests):
    for path in PATHS:
        with subtests.test(path):
            message = track(path, timestamp=workspace.clock.now().isoformat())
            assert counts(gateway.post(path, json=batch(message), auth=BASIC)) == (1, 1, 0, 0, 0)


def test_a_message_alone_needs_no_type(gateway, subtests):
    for path in [f"/v1/{kind}{end}" for kind in ALONE for end in ("", "/")]:
        with subtests.test(path):
            message = {"userId": "u1", "event": "x", "previousId": "u0", "groupId": "g", "messageId": path}
            assert counts(gateway.post(path, json=message, auth=BASIC)) == (1, 1, 0, 0, 0)


def test_the_key_may_stand_in_a_header_or_in_the_body(gateway):
    for headers in (
        {"Authorization": "Basic dGVzdC1rZXk6"}, {"Authorization": "Bearer test-key"}, {"X-API-Key": "test-key"},
    ):  # fmt: skip
        assert counts(gateway.post("/v1/batch", json=batch(track("m1")), headers=headers))[0] == 1
    for name in ("writeKey", "api_key"):
        assert counts(gateway.post("/batch/", json=batch(track("m1"), **{name: "test-key"})))[0] == 1
        assert counts(gateway.post("/v1/track", json={**track("m2"), name: "test-key"}))[0] == 1


def test_without_a_key_of_the_workspace_nothing_is_taken(gateway, workspace, subtests):
    for headers, top in NO_KEYS:
        with subtests.test(headers=headers, top=top):
            answer = gateway.post("/v1/batch", json=batch(track("m1"), **top), headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (401, "no_key")
    assert journal(workspace) == []


def test_the_content_type_decides_nothing(gateway, subtests):
    body = json.dumps(batch(track("m1"))).encode()
    gateway.post("/v1/batch", content=body, auth=BASIC)
    for told in (
        "application/x-www-form-urlencoded",
        "text/plain",
        "multipart/form-data",
        "application/json",
    ):
        for content, encoding in ((gzip.compress(body), "identity"), (body, "gzip")):
            with subtests.test(told, encoding=encoding):
                headers = {"Content-Type": told, "Content-Encoding": encoding}
                answer = gateway.post("/v1/batch", content=content, auth=BASIC, headers=headers)
                assert counts(answer) == (1, 0, 1, 0, 0)


def test_every_message_has_its_verdict_and_harms_no_other(gateway, workspace):
    answer = gateway.post("/v1/batch", auth=BASIC, json=batch(
        track("m1"), track("m1"), track("m2", event=None), track("m3", userId=""), 5,
        track("m4", properties={"all": "x" * 300_000}), track("m5"),
    ))  # fmt: skip
    assert counts(answer) == (7, 2, 1, 1, 3)
    told = [(one["index"], one["messageId"], one["code"], one["path"]) for one in answer.json()["errors"]]
    assert told == [
        (2, "m2", "event_missing", "$.event"), (3, "m3", "identity_missing", "$.userId"), (4, "", "invalid", "$"),
        (5, "m4", "event_too_large", "$"),
    ]  # fmt: skip
    assert all(one["message"] for one in answer.json()["errors"])
    assert journal(workspace) == [("touch.recorded", "m1", "live"), ("touch.recorded", "m5", "live")]
    assert workspace.quarantine.counts() == {"event_missing": 1, "identity_missing": 1, "invalid": 1}


def test_what_was_sent_again_is_recorded_once(gateway, workspace):
    """An SDK that heard nothing sends the same batch, under a new sentAt."""
    messages = [track(f"m{number}", timestamp="2026-03-02T11:59:00Z") for number in range(30)]
    assert counts(gateway.post("/v1/batch", json=batch(*messages), auth=BASIC)) == (30, 30, 0, 0, 0)
    again = {**batch(*messages), "sentAt": "2026-03-02T12:00:20Z"}
    assert counts(gateway.post("/v1/batch", json=again, auth=BASIC)) == (30, 0, 30, 0, 0)
    assert len(journal(workspace)) == 30


def test_a_value_that_could_not_be_used_is_told(gateway):
    message = {"type": "identify", "userId": "u1", "messageId": "m1", "traits": {"phone": "n/a"}}
    other = {"type": "identify", "userId": "u1", "messageId": "m2", "traits": {"phone": "call me"}}
    answer = gateway.post("/v1/batch", json=batch(message, other), auth=BASIC)
    assert counts(answer) == (2, 2, 0, 0, 0)
    (warning,) = answer.json()["warnings"]
    assert (warning["index"], warning["messageId"], warning["code"], warning["path"]) == (
        1, "m2", "phone_invalid", "$.traits.phone",
    )  # fmt: skip


def test_history_is_imported_with_its_own_time(gateway, workspace):
    for path, top in (("/v1/import", {}), ("/batch/", {"historical_migration": True})):
        message = track(path, timestamp="2020-01-01T00:00:00Z")
        assert counts(gateway.post(path, json=batch(message, **top), auth=BASIC))[1] == 1
    assert journal(workspace) == [
        ("touch.recorded", "/v1/import", "import"), ("touch.recorded", "/batch/", "import"),
    ]  # fmt: skip
    answer = gateway.post("/v1/import", json=batch(track("m2")), auth=BASIC)
    assert answer.json()["errors"][0]["code"] == "time_missing"


def test_visitor_and_account_become_one_customer(gateway, workspace):
    """Anonymous visits belong to whom the visitor turns out to be."""
    gateway.post("/v1/batch", auth=BASIC, json=batch(
        {"type": "page", "anonymousId": "a-1", "messageId": "m1"},
        {"type": "identify", "anonymousId": "a-1", "userId": "u1", "messageId": "m2"},
        track("m3"),
    ))  # fmt: skip
    with workspace.engine.connect() as connection:
        found = connection.execute(text("SELECT customer FROM journal WHERE source = 'segment'")).scalars()
        assert len(set(found)) == 1


def test_two_people_whom_a_program_did_not_know_stay_two(gateway, workspace):
    gateway.post("/v1/batch", auth=BASIC, json=batch(
        track("m1", userId="undefined", anonymousId="a-1"), track("m2", userId="undefined", anonymousId="a-2"),
    ))  # fmt: skip
    with workspace.engine.connect() as connection:
        found = connection.execute(text("SELECT customer FROM journal WHERE source = 'segment'")).scalars()
        assert len(set(found)) == 2


def test_what_the_intake_does_not_take_is_kept_as_the_sender_wrote_it(gateway, workspace):
    """And is translated anew when it is replayed, with the clock of its batch."""
    late = (workspace.clock.now() + timedelta(days=9)).isoformat()
    message = track("m1", timestamp=late, context={"ip": "192.0.2.7"})
    now = workspace.clock.now().isoformat()
    answer = gateway.post("/v1/batch", json={"batch": [message], "sentAt": now}, auth=BASIC)
    assert counts(answer) == (1, 0, 0, 0, 1)
    assert (answer.json()["errors"][0]["code"], answer.json()["errors"][0]["path"]) == (
        "time_out_of_range", "$.timestamp",
    )  # fmt: skip
    (entry,) = workspace.quarantine.open_entries()
    assert (entry.source, entry.source_id) == ("segment", "m1")
    held = json.loads(entry.raw)
    assert (held["message"], held["sent_at"]) == (message, now)
    again = Dialect("app", "US").again(entry.raw, workspace.clock.now() + timedelta(days=9))
    assert isinstance(again, bytes)
    assert json.loads(again)["source_id"] == "m1"


BAD_BODIES = [
    (b"", 400, "empty_body"),
    (b"{", 400, "not_json"),
    (b'"text"', 400, "not_json"),
    (b'{"batch":{}}', 400, "batch_invalid"),
    (b"{}", 400, "no_batch"),
    (b"\x1f\x8b broken", 400, "bad_gzip"),
    (gzip.compress(b" " * (BODY_BYTES + 1)), 413, "body_too_large"),
    (b'{"batch":[' + b",".join([b"1"] * (BATCH + 1)) + b"]}", 413, "batch_too_large"),
]


def test_a_body_that_nobody_can_read_is_refused_as_one(gateway, workspace, subtests):
    def figures() -> tuple[float, float]:
        return RECEIVED.labels("segment")._value.get(), VERDICTS.labels("segment", "refused")._value.get()

    for body, status, code in BAD_BODIES:
        with subtests.test(code):
            before = figures()
            answer = gateway.post("/v1/batch", content=body, auth=BASIC)
            assert (answer.status_code, answer.json()["code"]) == (status, code)
            assert {"code", "message", "detail"} <= set(answer.json())  # each SDK reads another of them
            assert figures() == (before[0] + 1, before[1] + 1)
    assert journal(workspace) == []


def test_a_batch_as_large_as_an_sdk_makes_is_taken(gateway):
    """RudderStack's go up to 4 MB."""
    messages = [track(f"m{number}", properties={"all": "x" * 40_000}) for number in range(100)]
    body = json.dumps(batch(*messages)).encode()
    assert len(body) > 4_000_000
    assert counts(gateway.post("/v1/batch", content=body, auth=BASIC))[1] == 100


STRANGE = (
    b'{"type":"track","userId":"u1","messageId":"1","event":"x","properties":{"a":"\\u0000","b":"\\ud800"}}',
    b'{"type":"track","userId":"u1","messageId":"2","event":"a\\u0000b"}',
    b'{"type":"track","userId":"u\\u00001","messageId":"3","event":"x"}',
    b'{"type":"identify","userId":"u1","messageId":"4","traits":{"name":"a\\u0000","address":"\\u0000"}}',
    b'{"type":"track","userId":"u1","messageId":"\\u0000","event":"x"}',
    b'{"type":"track","userId":"u1","messageId":"6","event":"x","properties":{"a":"\xff"}}',
    b'{"type":"track","userId":"u1","messageId":"7","event":"x","timestamp":"9999-12-31T23:59:59-14:00"}',
    b'{"type":"track","userId":"u1","messageId":"8","event":"Order Completed","properties":{"total":1e300}}',
    b'{"type":"track","userId":"u1","messageId":"9","event":"Order Completed","properties":{"order_id":"a\\u0000"}}',
    b'{"type":"track","userId":"u1","messageId":"10","event":"x","context":{"campaign":{"name":"a\\u0000"}}}',
)


def test_strange_text_is_recorded_or_kept_and_never_our_fault(gateway, workspace):
    body = b'{"batch":[' + b",".join(STRANGE) + b"]}"
    answer = gateway.post("/v1/batch", content=body, auth=BASIC)
    assert counts(answer)[0] == len(STRANGE)
    assert "unrecordable" not in workspace.quarantine.counts()
    told = {one["messageId"]: (one["code"], one["path"]) for one in answer.json()["errors"]}
    assert told["2"] == ("invalid", "$.event")
    assert told["7"] == ("time_out_of_range", "$.timestamp")
    assert told["8"][1] == "$.properties"


def test_no_answer_repeats_a_personal_value(gateway, workspace):
    secret = "4155552671"
    misplaced = [
        track("m1", userId={secret: 1}), track("m2", event=f"{secret}\n"), track("m3", timestamp=secret),
        track("m4", properties=[secret]), {**track("m5"), "type": secret}, track("m6", context=secret),
        track("m7", event="Order Completed", properties={"total": secret + " x"}),
        {"type": "identify", "userId": "u1", "messageId": "m8", "traits": {"phone": secret * 3, "email": secret}},
    ]  # fmt: skip
    answer = gateway.post("/v1/batch", json=batch(*misplaced), auth=BASIC)
    assert counts(answer) == (8, 1, 0, 0, 7)
    assert len(answer.json()["warnings"]) == 2
    assert secret not in answer.text
    entries = workspace.quarantine.open_entries()
    assert all(secret not in repr((one.code, one.path, one.detail, one.source_id)) for one in entries)


def test_a_batch_that_is_none_is_told_with_its_place(gateway):
    answer = gateway.post("/v1/batch", json={"batch": 5}, auth=BASIC)
    assert (answer.status_code, answer.json()["code"], answer.json()["path"]) == (
        400,
        "batch_invalid",
        "$.batch",
    )
    assert "must be an array" in answer.json()["detail"]


def test_an_alias_makes_the_visitor_and_the_user_one_customer(gateway, workspace):
    """Whatever the site calls its visitors: no second account, and nothing for a person to decide."""
    seen = track("m1", userId=None, anonymousId="visitor-7")
    alias = {"type": "alias", "messageId": "m2", "userId": "u1", "previousId": "visitor-7"}
    later = track("m3", userId="u1")
    assert counts(gateway.post("/v1/batch", json=batch(seen, alias, later), auth=BASIC))[1] == 3
    with workspace.engine.connect() as connection:
        customers = connection.execute(text("SELECT count(*) FROM customer WHERE survivor = id"))
        assert customers.scalar_one() == 1


def test_an_empty_batch_is_nothing(gateway):
    assert counts(gateway.post("/v1/batch", json=batch(), auth=BASIC)) == (0, 0, 0, 0, 0)


def test_senders_are_asked_to_come_back_when_too_many_wait(gateway, workspace, monkeypatch):
    monkeypatch.setattr("services.gateway.reception.WAITING", 1)
    answer = gateway.post("/v1/batch", json=batch(track("m1"), track("m2")), auth=BASIC)
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_waiting")
    assert int(answer.headers["retry-after"]) > 0
    assert journal(workspace) == []


def test_senders_are_asked_to_come_back_when_the_journal_is_away(settings):
    away = open_workspace(settings.model_copy(update={
        "database_url": "postgresql+psycopg://nobody@127.0.0.1:1/nothing",
        "vault_url": "postgresql+psycopg://nobody@127.0.0.1:1/nothing",
    }))  # fmt: skip
    try:
        with TestClient(create_app(away)) as gateway:
            answer = gateway.post("/v1/batch", json=batch(track("m1")), auth=BASIC)
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert int(answer.headers["retry-after"]) > 0
    finally:
        away.close()


def test_whoever_asks_for_feature_flags_is_told_that_there_are_none(gateway):
    for path in ("/flags/?v=4", "/flags/", "/decide/?v=3", "/decide"):
        answer = gateway.post(path, json={"api_key": "test-key", "distinct_id": "u1"})
        assert answer.status_code == 200
        assert answer.json()["flags"] == {}
        assert answer.json()["errorsWhileComputingFlags"] is False


def test_the_documentation_shows_every_route_once(gateway):
    paths = gateway.get("/openapi.json").json()["paths"]
    shown = {path for path, routes in paths.items() if "in: SDKs" in routes.get("post", {}).get("tags", [])}
    assert shown == {*(f"/v1/{one}" for one in ALONE), "/v1/batch", "/v1/import", "/batch", "/capture"}
    assert all("requestBody" in paths[path]["post"] for path in shown)
    ids = Counter(route["operationId"] for routes in paths.values() for route in routes.values())
    assert set(ids.values()) == {1}


def test_an_order_of_a_shops_sdk_is_a_purchase(gateway, workspace):
    order = track(
        "m1", event="Order Completed", properties={"order_id": "o1", "total": 30.5, "currency": "EUR"}
    )
    assert counts(gateway.post("/v1/batch", json=batch(order), auth=BASIC))[1] == 1
    with workspace.engine.connect() as connection:
        (data,) = connection.execute(text("SELECT data FROM journal WHERE source = 'segment'")).scalars()
    found = data if isinstance(data, dict) else json.loads(bytes(data))
    assert (found["amount"], found["currency"], found["order_id"]) == ("30.5", "EUR", "o1")

"""The gateway: whatever is sent gets a verdict with a code and a path, and harms nothing beside it."""

import asyncio
import gzip
import itertools
import json

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from infra.settings import Settings
from infra.workspace import open_workspace
from models.tables.quarantine import quarantine
from services.gateway.app import create_app
from services.gateway.body import BATCH, BODY_BYTES
from tests.support.sending import item, phone, send

KEY = {"Authorization": "Bearer test-key"}
SECRET = "4155552671"


@pytest.fixture
def gateway(workspace):
    """The gateway as a sender meets it."""
    with TestClient(create_app(workspace), headers=KEY) as client:
        yield client


@pytest.fixture
def quarantined(workspace):
    """What the quarantine holds, as rows."""

    def rows():
        with workspace.engine.connect() as connection:
            return connection.execute(select(quarantine).order_by(quarantine.c.id)).all()

    return rows


def raw(source_id: str = "1", **fields: str) -> bytes:
    """A touch as text, its fields replaced by JSON that no encoder would write."""
    plain = {
        "type": '"touch.recorded"', "source": '"test"', "source_id": json.dumps(source_id), "data": "{}", **fields,
    }  # fmt: skip
    return ("{" + ",".join(f'"{name}":{value}' for name, value in plain.items()) + "}").encode()


def deep(opening: str, closing: str) -> str:
    return opening * 100_000 + closing * 100_000


def attributes(count: int) -> str:
    """A touch's data with so many attributes."""
    return '{"attributes":{' + ",".join(f'"{number}":""' for number in range(count)) + "}}"


BAD_ITEMS = {
    "a type nobody knows": (raw(type='"touch.invented"'), "quarantined", "unknown_type", "$.type"),
    "a type that is decided here": (raw(type='"case.opened"'), "quarantined", "not_from_outside", "$.type"),
    "no source": (b'{"type":"touch.recorded","source_id":"1"}', "quarantined", "invalid", "$"),
    "an unknown field": (raw(colour='"red"'), "quarantined", "invalid", "$.colour"),
    "an unknown field in data": (raw(data='{"colour":1}'), "quarantined", "invalid", "$.data.colour"),
    "a word for a number": (raw(data='{"talk_seconds":"long"}'), "quarantined", "invalid", "$.data.talk_seconds"),
    "a negative duration": (raw(data='{"talk_seconds":-1}'), "quarantined", "invalid", "$.data.talk_seconds"),
    "a channel there is none": (raw(data='{"channel":"pigeon"}'), "quarantined", "invalid", "$.data.channel"),
    "the year 9999": (
        raw(occurred_at='"9999-12-31T23:59:59-14:00"'), "quarantined", "time_out_of_range", "$.occurred_at",
    ),
    "the year 1": (
        raw(occurred_at='"0001-01-01T00:00:00+14:00"'), "quarantined", "time_out_of_range", "$.occurred_at",
    ),
    "a time without its offset": (raw(occurred_at='"2026-01-01T00:00:00"'), "quarantined", "invalid", "$.occurred_at"),
    "a 30th of February": (raw(occurred_at='"2026-02-30T00:00:00Z"'), "quarantined", "invalid", "$.occurred_at"),
    "history without its time": (raw(origin='"import"'), "quarantined", "time_missing", "$.occurred_at"),
    "a replay from outside": (raw(origin='"replay"'), "quarantined", "origin", "$.origin"),
    "history sent as live": (
        raw(type='"opportunity.imported"', data='{"opportunity_id":"1","subject":"loan"}'),
        "quarantined", "origin", "$.origin",
    ),
    "a phone that is none": (
        raw(identifiers='[{"kind":"phone","value":"12"}]'), "quarantined", "phone_invalid", "$.identifiers[0].value",
    ),
    "a mail address that is none": (
        raw(identifiers='[{"kind":"email","value":"at home"}]'),
        "quarantined", "email_invalid", "$.identifiers[0].value",
    ),
    "an account of no issuer": (
        raw(identifiers='[{"kind":"account","value":"7"}]'), "quarantined", "issuer_missing", "$.identifiers[0].issuer",
    ),
    "an identifier of no kind": (
        raw(identifiers='[{"kind":"\\u0000","value":""}]'), "quarantined", "identifier_kind", "$.identifiers[0].kind",
    ),
    "an identifier of 10^5 characters": (
        raw(identifiers=f'[{{"kind":"email","value":"{" " * 100_000}a@b.cc"}}]'),
        "quarantined", "identifier_empty", "$.identifiers[0].value",
    ),
    "a mail address in a name": (
        raw(data='{"queue":"zed@example.org"}'), "quarantined", "phone_in_name", "$.data.queue",
    ),
    "a phone among the attributes": (
        raw(data='{"attributes":{"phone":"+14155552671"}}'), "quarantined", "phone_in_name", "$.data.attributes",
    ),
    "a phone for a customer's name": (
        raw(type='"customer.described"', data='{"name":"+1 415 555 2671"}'),
        "quarantined", "phone_in_name", "$.data.name",
    ),
    "a phone in a name": (raw(data='{"agent":"+1 415 555 2671"}'), "quarantined", "phone_in_name", "$.data.agent"),
    "U+0000 in a text": (raw(data='{"text":"a\\u0000b"}'), "quarantined", "invalid", "$.data"),
    "U+0000 in the source id": (raw("a\x00b"), "quarantined", "invalid", "$.source_id"),
    "U+0000 in what an importer says": (
        b'{"source":"f","source_id":"1","unreadable":{"code":"\\u0000","path":"","detail":""}}',
        "quarantined", "invalid", "$.unreadable.code",
    ),
    "half a surrogate pair": (raw(source='"\\ud800"'), "quarantined", "not_json", "$"),
    "half a surrogate pair in data": (raw(data='{"text":"\\ud800"}'), "quarantined", "not_json", "$"),
    "not a number": (raw(data='{"talk_seconds":NaN}'), "quarantined", "not_json", "$"),
    "a number too large for a float": (
        raw(type='"usage.recorded"', data='{"service":"a","unit":"b","quantity":1e999}'),
        "quarantined", "invalid", "$.data.quantity",
    ),
    "a whole number of 10^4 digits": (
        raw(type='"purchase.recorded"', data='{"quantity":1%s}' % ("0" * 10_000)),
        "quarantined", "invalid", "$.data.quantity",
    ),
    "an amount that fills the memory": (
        raw(type='"purchase.recorded"', data='{"amount":"0E+999999999"}'),
        "quarantined", "invalid", "$.data.amount",
    ),
    "an amount that is not one": (
        raw(type='"purchase.recorded"', data='{"amount":"NaN"}'), "quarantined", "invalid", "$.data.amount",
    ),
    "a nesting of 10^5": (raw(data=deep('{"a":', "}").replace(":}", ":1}", 1)), "refused", "event_too_large", "$"),
    "a nesting that fits": (raw(data=f'{{"attributes":{"[" * 50_000}{"]" * 50_000}}}'), "quarantined", "too_deep", "$"),
    "bytes that are not UTF-8": (raw(data='{"text":"%"}').replace(b"%", b"\xff"), "quarantined", "not_utf8", "$.data"),
    "an event of 256 KB and more": (raw(data='{"text":"%s"}' % ("x" * 262_144)), "refused", "event_too_large", "$"),
    "a text cut off": (raw()[:-1], "quarantined", "not_json", "$"),
}  # fmt: skip


def test_a_bad_item_is_told_why_and_where(gateway, workspace, quarantined, subtests):
    for name, (body, verdict, code, path) in BAD_ITEMS.items():
        with subtests.test(name):
            before = len(quarantined())
            answer = gateway.post("/v1/touches", content=body)
            assert answer.status_code == 200
            (result,) = answer.json()["results"]
            assert (result["verdict"], result["code"], result["path"]) == (verdict, code, path)
            assert result["detail"]
            kept = [row.code for row in quarantined()[before:]]
            assert kept == ([code] if verdict == "quarantined" else [])
    assert workspace.journal.head() == 0


def test_a_bad_item_in_a_batch_leaves_its_neighbours_recorded_and_everything_counted(gateway, workspace):
    """Every bad one that is JSON as a whole, a good one on either side of each."""
    bad = [body for name, (body, *_) in BAD_ITEMS.items() if _is_json(body)]
    good = [raw(f"good-{n}") for n in range(len(bad) + 1)]
    woven = [one for pair in itertools.zip_longest(good, bad) for one in pair if one is not None]
    answer = gateway.post("/v1/touches", content=b"[" + b",".join(woven) + b"]").json()
    assert len(bad) > 20
    assert [one["verdict"] for one in answer["results"][::2]] == ["accepted"] * len(good)
    assert answer["received"] == len(woven) == sum(
        answer[verdict] for verdict in ("accepted", "duplicates", "refused", "quarantined")
    )  # fmt: skip
    assert answer["accepted"] == len(good) == workspace.journal.head()
    assert [one["index"] for one in answer["results"]] == list(range(len(woven)))


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return False
    return b"NaN" not in body and b"\\ud800" not in body and b"[[[" not in body


BAD_BODIES = {
    "nothing": (b"", 400, "empty_body"),
    "blanks": (b" \r\n\t ", 400, "empty_body"),
    "a number": (b"7", 400, "not_json"),
    "a page": (b"<html>", 400, "not_json"),
    "a batch cut off": (b"[" + raw(), 400, "not_json"),
    "a malformed line in a batch": (b"[" + raw() + b",{]", 400, "not_json"),
    "a batch with a comma too many": (b"[" + raw() + b",]", 400, "not_json"),
    "two batches": (b"[][]", 400, "not_json"),
    "a batch that is not UTF-8": (b"\xff\xfe[\x00]\x00", 400, "not_json"),
    "a nesting of 10^5": (b"[" * 100_000 + b"]" * 100_000, 400, "too_deep"),
    "2,501 events": (b"[" + b",".join([b"{}"] * (BATCH + 1)) + b"]", 413, "batch_too_large"),
    "more than 5 MB": (b"[" + b" " * BODY_BYTES + b"]", 413, "body_too_large"),
    "gzip that is none": (b"\x1f\x8b" + b"nonsense", 400, "bad_gzip"),
    "gzip cut off": (gzip.compress(raw() * 50)[:-9], 400, "bad_gzip"),
    "two gzip files in one": (gzip.compress(b"[]") + gzip.compress(raw()), 400, "bad_gzip"),
    "gzip with something behind it": (gzip.compress(b"[]") + raw(), 400, "bad_gzip"),
    "a gzip bomb": (gzip.compress(b"[" + b" " * 200_000_000 + b"]", 9), 413, "body_too_large"),
}


def test_a_body_that_is_no_batch_is_refused_as_a_whole(gateway, workspace, quarantined, subtests):
    for name, (body, status, code) in BAD_BODIES.items():
        with subtests.test(name):
            answer = gateway.post("/v1/facts", content=body)
            assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert workspace.journal.head() == 0
    assert quarantined() == []


def test_a_body_too_large_is_refused_without_waiting_for_its_end(workspace):
    said = []

    async def receive():
        return {"type": "http.request", "body": b" " * 65_536, "more_body": True}

    async def send(message):
        said.append(message)

    scope = {
        "type": "http", "method": "POST", "path": "/v1/touches", "query_string": b"", "root_path": "",
        "headers": [(b"authorization", b"Bearer test-key")],
    }  # fmt: skip
    asyncio.run(create_app(workspace)(scope, receive, send))
    assert said[0]["status"] == 413


def test_one_event_or_a_batch_is_taken_packed_or_not_whatever_its_headers_say(gateway):
    mark = b"\xef\xbb\xbf"
    shapes = [b"%s", b"[%s]", mark + b"%s", mark + b" [%s]\n"]
    headers = [{}, {"Content-Type": "text/plain"}, {"Content-Encoding": "gzip"}]
    ways = list(itertools.product(shapes, headers, (bytes, gzip.compress)))
    for number, (shape, header, pack) in enumerate(ways):
        body = pack(shape.replace(b"%s", raw(str(number))))
        answer = gateway.post("/v1/touches", content=body, headers=header)
        assert (answer.status_code, answer.json()["accepted"]) == (200, 1)


def test_an_event_with_20_000_attributes_is_an_event(gateway):
    assert gateway.post("/v1/touches", content=raw(data=attributes(20_000))).json()["accepted"] == 1


def test_10_to_the_5_keys_are_too_large_for_an_event(gateway, workspace):
    answer = gateway.post(
        "/v1/touches", content=b"[" + raw(data=attributes(100_000)) + b"," + raw("2") + b"]"
    ).json()
    assert [one["verdict"] for one in answer["results"]] == ["refused", "accepted"]


def test_a_key_written_twice_counts_as_written_last(gateway, workspace):
    answer = gateway.post("/v1/touches", content=raw(data='{"channel":"voice","channel":"chat"}')).json()
    assert answer["accepted"] == 1
    assert [one.event.channel for one in workspace.journal.read()] == ["chat"]


def test_the_same_event_three_times_in_any_order_is_recorded_once(gateway, workspace):
    orders = list(itertools.permutations(range(3)))
    for number, order in enumerate(orders):
        same, other = item(f"{number}-1", phone()), item(f"{number}-2", phone())
        batches = [[same], [same, same], [other, same]]
        answers = [gateway.post("/v1/touches", json=batches[n]).json() for n in order]
        assert sum(one["accepted"] for one in answers) == 2
        assert sum(one["duplicates"] for one in answers) == 3
        told = [one for answer in answers for one in answer["results"] if one["source_id"] == f"{number}-1"]
        assert len({one["event_id"] for one in told}) == 1
    assert [one.type for one in workspace.journal.read()].count("touch.recorded") == 2 * len(orders)


def test_who_has_no_key_of_the_workspace_may_send_nothing(workspace):
    wrong = [
        {}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer "}, {"X-API-Key": "wrong"},
        {"Authorization": "test-key"},
    ]  # fmt: skip
    with TestClient(create_app(workspace)) as client:
        for headers in wrong:
            answer = client.post("/v1/touches", json=item("1"), headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (401, "no_key")
    assert workspace.journal.head() == 0


def test_the_key_may_come_in_either_header(workspace):
    with TestClient(create_app(workspace), headers={"X-API-Key": "test-key"}) as client:
        assert client.post("/v1/touches", json=item("1")).json()["accepted"] == 1


def test_without_its_database_the_gateway_asks_senders_to_come_back(tmp_path):
    nowhere = "postgresql://nobody@127.0.0.1:1/nowhere"
    lost = open_workspace(
        Settings(
            DATABASE_URL=nowhere, VAULT_URL=nowhere, KAFKA_BOOTSTRAP="", var=tmp_path, api_keys="test-key"
        )
    )
    with TestClient(create_app(lost), headers=KEY) as client:
        for answer in (
            client.post("/v1/touches", json=item("1", phone())), client.post("/v1/touches", json={"bad": 1}),
            client.get("/health"),
        ):  # fmt: skip
            assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
            assert int(answer.headers["Retry-After"]) > 0
    lost.close()


def test_when_too_many_wait_for_the_journal_senders_are_asked_to_come_back(gateway, workspace, monkeypatch):
    monkeypatch.setattr("services.gateway.reception.WAITING", 2)
    answer = gateway.post("/v1/touches", json=[item(str(number)) for number in range(3)])
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_waiting")
    assert int(answer.headers["Retry-After"]) > 0
    assert workspace.journal.head() == 0
    assert gateway.post("/v1/touches", json=[item("1"), item("2")]).json()["accepted"] == 2


def test_what_is_quarantined_is_sealed_and_kept_once(gateway, workspace, quarantined):
    body = raw(type='"touch.invented"', identifiers='[{"kind":"phone","value":"+1%s"}]'.replace("%s", SECRET))
    for _ in range(3):
        assert gateway.post("/v1/touches", content=body).json()["quarantined"] == 1
    gateway.post("/v1/touches", content=b"[" + body + b"," + body + b"]")
    (row,) = quarantined()
    assert SECRET.encode() not in repr(tuple(row)).encode()
    assert SECRET.encode() not in bytes(row.sealed)
    (held,) = workspace.quarantine.open_entries()
    assert held.raw == body


def test_no_answer_repeats_a_personal_value(gateway, quarantined):
    misplaced = [
        raw(identifiers='[{"kind":"%s","value":"phone"}]'.replace("%s", SECRET)),
        raw(identifiers='[{"kind":"email","value":"%s"}]'.replace("%s", SECRET)),
        raw(identifiers='[{"kind":"phone","value":"%s99999999"}]'.replace("%s", SECRET)),
        raw(data='{"%s":1}'.replace("%s", SECRET)),
        raw(data='{"attributes":{"%s":1}}'.replace("%s", SECRET)),
        raw(data='{"channel":"%s"}'.replace("%s", SECRET)),
        raw(type=f'"{SECRET}"'),
        raw(occurred_at=f'"{SECRET}"'),
        raw(data='{"text":{"%s":1}}'.replace("%s", SECRET)),
        raw(type='"purchase.recorded"', data='{"amount":"%s x"}'.replace("%s", SECRET)),
    ]  # fmt: skip
    answer = gateway.post("/v1/touches", content=b"[" + b",".join(misplaced) + b"]")
    assert answer.json()["quarantined"] == len(misplaced)
    assert SECRET not in answer.text
    assert all(SECRET not in repr((row.code, row.path, row.detail)) for row in quarantined())


def test_personal_fields_and_identifiers_are_unreadable_in_every_table(gateway, workspace):
    gateway.post(
        "/v1/touches", json=item("1", phone("+1 " + SECRET), channel="voice", text=f"call me at {SECRET}")
    )
    with workspace.engine.connect() as connection:
        for table in ("journal", "identifier", "customer", "quarantine"):
            for row in connection.exec_driver_sql(f"SELECT * FROM {table}"):
                assert SECRET not in repr(tuple(row))


def test_the_metrics_add_up(gateway):
    gateway.post("/v1/touches", json=[item("1"), item("1"), {"bad": 1}])
    gateway.post("/v1/touches", content=b"")
    said = {}
    for line in gateway.get("/metrics").text.splitlines():
        if line.startswith("touchstone_") and 'door="gateway"' in line:
            name, value = line.rsplit(" ", 1)
            said[name] = float(value)
    received = said.pop('touchstone_received_total{door="gateway"}')
    assert received == sum(
        value for name, value in said.items() if name.startswith("touchstone_verdicts_total")
    )


@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59-05:00", "0001-01-01T00:00:00+10:00"])
def test_a_correction_to_an_impossible_moment_is_kept_out(workspace, moment):
    (touch,) = send(workspace, item("1", phone()))
    (wrong,) = send(workspace, item("2", type="touch.corrected", touch_id=touch.event_id, occurred_at=moment))
    assert (wrong.verdict, wrong.code) == ("quarantined", "time_out_of_range")
    assert wrong.path == "$.data.occurred_at"


@pytest.mark.parametrize("source", ["api", "identity", "policy:opportunity", "sweep:opportunity"])
def test_a_sender_cannot_speak_for_our_own_rules(workspace, source):
    (answer,) = send(workspace, item("1", phone(), source=source))
    assert (answer.verdict, answer.code, answer.path) == ("quarantined", "source_reserved", "$.source")


def test_one_touch_cannot_bring_a_crowd_of_identifiers(workspace):
    """Each costs a look under the journal's lock, where everybody waits."""
    crowd = [{"kind": "cookie", "issuer": "web", "value": str(n)} for n in range(21)]
    (answer,) = send(workspace, item("1", *crowd))
    assert (answer.verdict, answer.code, answer.path) == ("quarantined", "invalid", "$.identifiers")


def test_an_unknown_door_says_where_the_doors_are(gateway):
    answer = gateway.get("/v2/touch")
    assert (answer.status_code, answer.json()["code"]) == (404, "no_such_door")
    for typed, meant in (("/v1/bach", "/v1/batch"), ("/v1/touch", "/v1/touches"), ("/track", "/v1/track")):
        answer = gateway.post(typed)
        assert (answer.status_code, meant in answer.json()["detail"]) == (404, True), answer.text
    answer = gateway.get("/v1/batch")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert "takes POST" in answer.json()["detail"]
    assert "4155552671" not in gateway.post("/v1/touches/4155552671").text

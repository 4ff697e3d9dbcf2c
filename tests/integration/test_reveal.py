"""Sealed fields are opened for keys that may see them, on the record and at a measured pace; others see masks."""

import json
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import select

from infra.ids import new_id
from infra.security import fingerprint
from infra.workspace import open_workspace
from models.tables.audit import audit
from services.reveal_client import Revealer
from tests.support.calling import caller, read
from tests.support.folding import fold
from tests.support.sending import email, item, send
from tests.support.viewing import recorded

SECRET = "my daughter is ill"


@pytest.fixture
def desk(settings, clock):
    """A workspace with a key of each sort, and a low limit."""
    more = {"api_keys": "test-key, see:personal,count:plain", "reveal_values_per_minute": 4}
    opened = open_workspace(type(settings)(**{**settings.model_dump(by_alias=True), **more}), clock)
    yield opened
    opened.close()


@pytest.fixture
def touches(desk):
    """The ids of two events with a text, by one customer."""
    found = send(
        desk,
        item("1", email(), channel="chat", direction="inbound", text=SECRET),
        item("2", email(), channel="chat", direction="inbound", text=f"again: {SECRET}"),
        item("3", email(), channel="chat", direction="inbound"),
    )
    fold(desk)
    return [one.event_id for one in found], found[0].customer


def ask(client, events=(), identifiers=(), purpose="retention"):
    return client.post(
        "/v1/reveal", json={"purpose": purpose, "events": list(events), "identifiers": list(identifiers)}
    )


def audited(desk):
    with desk.engine.connect() as connection:
        return connection.execute(select(audit).order_by(audit.c.id)).all()


@pytest.mark.parametrize("key", ["test-key", "see"])
def test_a_key_with_the_right_opens_fields_and_identifiers(desk, touches, key):
    ids, _ = touches
    ref = next(ref for event in recorded(desk) for ref in event.identifiers)
    answer = ask(caller(desk, key), [*ids, new_id()], [{"kind": ref.kind, "hash": ref.hash}])
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert told["events"] == {ids[0]: {"text": SECRET}, ids[1]: {"text": f"again: {SECRET}"}, ids[2]: {}}
    assert [one["value"] for one in told["identifiers"]] == ["ann@example.com"]


def test_a_plain_key_gets_403_and_masks_everywhere(desk, touches):
    ids, customer = touches
    client = caller(desk, "count")
    refused = ask(client, ids)
    assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed")
    assert audited(desk) == []
    places = (f"/v1/customers/{customer}", f"/v1/customers/{customer}/timeline", f"/v1/events/{ids[0]}")
    for place in places:
        told = json.dumps(read(client, place))
        assert "***" in told
        assert SECRET not in told
        assert "ann@example.com" not in told
        assert "***" not in json.dumps(read(caller(desk, "see"), place))
    assert caller(desk, "count:plain").get(places[0]).status_code == 401


def test_each_reveal_is_written_down_without_a_value(desk, touches, capsys):
    ids, _ = touches
    assert ask(caller(desk, "see"), ids[:2], purpose="complaint.check").status_code == 200
    (row,) = audited(desk)
    assert (row.caller, row.purpose, row.opened) == (fingerprint("see"), "complaint.check", 2)
    assert row.subjects == sorted(ids[:2])
    assert row.at == desk.clock.now()
    assert SECRET not in str(row) + "".join(capsys.readouterr())


def test_a_key_gets_so_many_values_a_minute_and_is_told_when_to_come_back(desk, touches, clock):
    ids, _ = touches
    client = caller(desk, "see")
    assert ask(client, ids[:2]).status_code == 200
    clock.pass_time(seconds=20)
    assert ask(client, ids[:2]).status_code == 200
    late = ask(client, ids[:1])
    assert (late.status_code, late.headers["Retry-After"]) == (429, "40")
    assert len(audited(desk)) == 2
    assert ask(caller(desk, "test-key"), ids[:1]).status_code == 200  # another key's pace is its own
    clock.pass_time(seconds=40)
    assert ask(client, ids[:1]).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {"events": []}, {"purpose": "two words", "events": []}, {"purpose": "x", "events": ["no id"]},
        {"purpose": "x", "events": [new_id() for _ in range(501)]}, {"purpose": "x", "names": []},
        {"purpose": "x", "events": [new_id() for _ in range(300)],
         "identifiers": [{"kind": "email", "hash": str(n)} for n in range(300)]},
    ],
)  # fmt: skip
def test_what_is_asked_wrongly_is_refused_and_opens_nothing(desk, body):
    assert caller(desk, "see").post("/v1/reveal", json=body).status_code == 422
    assert audited(desk) == []


def test_the_client_opens_batch_by_batch_and_waits_where_it_is_told_to(desk, touches, clock):
    ids, _ = touches
    waited = []

    def pause(seconds):
        waited.append(seconds)
        clock.at += timedelta(seconds=seconds)

    api = caller(desk, "see")
    through = httpx.MockTransport(
        lambda one: httpx.Response(
            (answer := api.post("/v1/reveal", content=one.content, headers=dict(one.headers))).status_code,
            headers={"Retry-After": answer.headers.get("Retry-After", "1")}, content=answer.content,
        )
    )  # fmt: skip
    revealer = Revealer("http://testserver", "see", "retention", pause=pause, transport=through)
    for _ in range(3):
        assert revealer.open(ids)[ids[0]] == {"text": SECRET}
    assert waited == [60.0]
    masked = Revealer("http://testserver", "count", "retention", transport=through)
    with pytest.raises(httpx.HTTPStatusError, match="403"):
        masked.open(ids)

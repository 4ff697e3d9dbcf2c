"""CloudEvents that others send: over HTTP in all three modes, and on the intake topic."""

import asyncio
import json
import signal
import subprocess
import sys

import pytest
from cloudevents.core.bindings import http as http_binding
from cloudevents.core.bindings import kafka as kafka_binding
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from confluent_kafka import Producer
from fastapi.testclient import TestClient

from events.topics import intake_topic
from infra import cloud_event_in
from infra.attempts import Attempts
from infra.door import RECEIVED, VERDICTS
from infra.process.heart import Heart
from infra.quarantine.replay import replay
from infra.topics_admin import create_topics
from services.cli.stack import environment
from services.gateway.app import create_app
from services.workers.intake import Taker, settle
from tests.support.clock import MONDAY
from tests.support.faults.crew import until
from tests.support.sending import item

KEY = {"Authorization": "Bearer test-key"}
BATCH = {**KEY, "Content-Type": "application/cloudevents-batch+json"}
ANN = {"kind": "phone", "value": "+14155552671"}
JSON = JSONFormat()
PATIENCE = 60


def happened(id="c1", **attributes):
    """A call, as another system's library writes it."""
    data = attributes.pop("data", {"channel": "voice", "direction": "inbound", "identifiers": [ANN]})
    named = {
        "type": "touch.recorded", "source": "/switch/1", "id": id, "time": MONDAY,
        "datacontenttype": "application/json", **attributes,
    }  # fmt: skip
    return CloudEvent(attributes=named, data=data)


def plain(**changes):
    """The same in structured form, with whatever is wrong about it."""
    return {**json.loads(JSON.write(happened())), **changes}


@pytest.fixture
def gateway(workspace):
    with TestClient(create_app(workspace), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def counted():
    """What the door counted since the test began; the four verdicts must add up to what was received."""

    def read():
        return [RECEIVED.labels("cloudevents")._value.get()] + [
            VERDICTS.labels("cloudevents", one)._value.get()
            for one in ("accepted", "duplicate", "refused", "quarantined")
        ]

    before = read()

    def since():
        received, *verdicts = (int(now - was) for now, was in zip(read(), before, strict=True))
        assert received == sum(verdicts)
        return verdicts

    return since


def send(gateway, message, path="/v1/cloudevents"):
    return gateway.post(path, content=message.body, headers={**KEY, **message.headers})


def facts(workspace):
    return [one for one in workspace.journal.read() if one.source != "identity"]


@pytest.mark.parametrize("mode", [http_binding.to_binary, http_binding.to_structured])
def test_an_event_is_recorded_with_its_time_and_its_person(gateway, workspace, mode):
    answer = send(gateway, mode(happened(), JSON))
    assert answer.status_code == 200, answer.text
    assert answer.json()["results"][0]["verdict"] == "accepted"
    (call,) = facts(workspace)
    assert (call.type, call.source, call.source_id) == ("touch.recorded", "/switch/1", "c1")
    assert (call.occurred_at, call.event.channel, call.origin) == (MONDAY, "voice", "live")
    assert [one.kind for one in call.identifiers] == ["phone"]


def test_the_same_event_in_three_modes_is_one(gateway, workspace, counted):
    one = happened()
    assert send(gateway, http_binding.to_binary(one, JSON)).json()["accepted"] == 1
    again = send(gateway, http_binding.to_structured(one, JSON)).json()
    assert (again["duplicates"], again["results"][0].get("code")) == (1, None)
    batch = gateway.post("/v1/cloudevents", json=[plain()], headers=BATCH).json()
    assert batch["duplicates"] == 1
    assert len(facts(workspace)) == 1
    assert counted() == [1, 2, 0, 0]


def test_what_an_attribute_says_beyond_ascii_comes_over_in_headers(gateway, workspace):
    odd = 'né 100% "a"'
    assert send(gateway, http_binding.to_binary(happened(id=odd), JSON)).json()["accepted"] == 1
    assert facts(workspace)[0].source_id == odd


def test_a_quoted_header_is_read_without_its_quotes(gateway, workspace):
    message = http_binding.to_binary(happened(), JSON)
    headers = {**KEY, **message.headers, "ce-id": '"a \\"b\\" c"'}
    assert gateway.post("/v1/cloudevents", content=message.body, headers=headers).json()["accepted"] == 1
    assert facts(workspace)[0].source_id == 'a "b" c'


def test_history_and_a_type_that_names_its_owner(gateway, workspace):
    one = happened(
        type="touchstone.touch.recorded", origin="import", knownat="2026-03-02T10:00:00Z", knownassumed="true",
        actor="ann", tenant="of no meaning here",
    )  # fmt: skip
    assert send(gateway, http_binding.to_binary(one, JSON)).json()["accepted"] == 1
    (call,) = facts(workspace)
    assert (call.type, call.origin, call.known_assumed, call.actor) == (
        "touch.recorded",
        "import",
        True,
        "ann",
    )
    assert call.known_at.hour == 10


def test_a_batch_with_bad_ones_harms_no_other(gateway, workspace, counted):
    bad = [
        ("$.specversion", plain(specversion="0.3")),
        ("$", {name: value for name, value in plain().items() if name != "id"}),
        ("$.id", plain(id="")),
        ("$.type", plain(type="com.example.unheard")),
        ("$.time", plain(time="yesterday")),
        ("$.time", plain(time="1805-03-02T09:00:00Z")),
        ("$.time", plain(time=253402300800)),
        ("$.source", plain(source="identity")),
        ("$.datacontenttype", plain(datacontenttype="text/xml")),
        ("$.data", plain(data="a text")),
        ("$.data.channel", plain(data={"channel": "smoke"})),
        ("$.data.identifiers[0].value", plain(data={"identifiers": [{"kind": "phone", "value": "12"}]})),
        ("$.data_base64", {**plain(), "data_base64": "e30="}),
        ("$", 7),
    ]
    answer = gateway.post("/v1/cloudevents", json=[plain(id="first"), *(one for _, one in bad), plain(id="last")],
                          headers=BATCH).json()  # fmt: skip
    assert [one["verdict"] for one in answer["results"]] == [
        "accepted", *["quarantined"] * len(bad), "accepted",
    ]  # fmt: skip
    assert [one["path"] for one in answer["results"][1:-1]] == [path for path, _ in bad]
    assert all(one["code"] and one["detail"] for one in answer["results"][1:-1])
    assert [one.source_id for one in facts(workspace)] == ["first", "last"]
    assert counted() == [2, 0, 0, len(bad)]


def test_a_request_that_carries_none_is_turned_away(gateway, workspace, counted):
    def refused(**more):
        answer = gateway.post("/v1/cloudevents", **{"headers": KEY, **more})
        return answer.status_code, answer.json()["code"]

    structured = {**KEY, "Content-Type": "application/cloudevents+json"}
    assert refused(json=plain()) == (415, "not_a_cloudevent")
    assert refused(content=b"<e/>", headers={**KEY, "Content-Type": "application/cloudevents+xml"})[0] == 415
    assert refused(content=b"", headers=structured) == (400, "empty_body")
    assert refused(content=b"[{]", headers=BATCH) == (400, "not_json")
    assert refused(json=[plain()], headers={"Content-Type": BATCH["Content-Type"]}) == (401, "no_key")
    assert facts(workspace) == []
    counted()


def test_what_could_not_be_taken_is_replayed_after_a_fix(gateway, workspace, monkeypatch):
    """In binary mode too, where the attributes were headers."""
    one = http_binding.to_binary(happened(type="touch.noted"), JSON)
    assert send(gateway, one).json()["results"][0]["path"] == "$.type"
    kept = cloud_event_in.translate
    monkeypatch.setattr(
        cloud_event_in, "translate", lambda raw: kept(raw.replace(b"touch.noted", b"touch.recorded"))
    )
    report = replay(workspace, translate=lambda raw, _: cloud_event_in.again(raw))
    assert (report.tried, report.accepted) == (1, 1)
    (call,) = facts(workspace)
    assert (call.source_id, call.origin, call.event.channel) == ("c1", "replay", "voice")


def take(workspace, *messages):
    attempts = Attempts(workspace.settings.var / "intake.attempts")
    taker = Taker(workspace.door("intake"), workspace.clock, Heart(), attempts, "topic:x")

    async def one_after_the_other():
        for number, message in enumerate(messages):
            await settle(taker, f"0:{number}", message.value, tuple(message.headers.items()))

    asyncio.run(one_after_the_other())


def test_the_intake_topic_takes_them_in_both_modes(workspace):
    take(
        workspace,
        kafka_binding.to_binary(happened("b"), JSON),
        kafka_binding.to_structured(happened("s"), JSON),
        kafka_binding.to_binary(happened("b"), JSON),
    )
    assert [one.source_id for one in facts(workspace)] == ["b", "s"]
    assert workspace.quarantine.counts() == {}


def test_a_bad_one_on_the_topic_is_held_with_its_attributes(workspace):
    take(
        workspace,
        kafka_binding.to_binary(happened("bad", type="touch.noted"), JSON),
        kafka_binding.to_binary(happened("good"), JSON),
    )
    (held,) = workspace.quarantine.open_entries()
    assert (held.source, held.source_id, held.code) == ("/switch/1", "bad", "unknown_type")
    assert json.loads(held.raw)["type"] == "touch.noted"
    assert [one.source_id for one in facts(workspace)] == ["good"]


def test_a_worker_takes_them_from_kafka_by_their_headers(workspace, settings, kafka):
    """As any library of CloudEvents puts them there, beside items in our own form."""
    told = settings.model_copy(update={"kafka_bootstrap": kafka.bootstrap})
    create_topics(kafka.bootstrap, told.topic_prefix)
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    for message in (
        kafka_binding.to_binary(happened("b"), JSON),
        kafka_binding.to_structured(happened("s"), JSON),
    ):
        producer.produce(
            intake_topic(told.topic_prefix), message.value, headers=list(message.headers.items())
        )
    producer.produce(intake_topic(told.topic_prefix), json.dumps(item("own", ANN)).encode())
    assert producer.flush(PATIENCE) == 0
    with (settings.var / "out").open("wb") as output:
        worker = subprocess.Popen(
            [sys.executable, "-m", "services.workers", "intake"], stdout=output, stderr=output,
            env=environment(told),
        )  # fmt: skip
    try:
        until(lambda: len(facts(workspace)) == 3, PATIENCE, "they do not come")
    finally:
        worker.send_signal(signal.SIGTERM)
        worker.wait(PATIENCE)
    assert sorted(one.source_id for one in facts(workspace)) == ["b", "own", "s"]
    assert workspace.quarantine.counts() == {}

"""What others build on: topics with a state to start from, and the same positions for those without Kafka."""

import json

from confluent_kafka import Consumer
from jsonschema import Draft202012Validator
from standardwebhooks.webhooks import Webhook

from services.reveal_client import Revealer
from tests.support.receiving import receiving, until
from tests.support.sending import account, item, phone
from tests.support.system import PATIENCE, System


def state_of(system: System, customer: str) -> dict[str, object]:
    """The last word of the compacted topic about one customer."""
    consumer = Consumer(
        {"bootstrap.servers": system.bootstrap, "group.id": f"state {customer}", "auto.offset.reset": "earliest",
         "log_level": 3}
    )  # fmt: skip
    consumer.subscribe(["touchstone.customer-state"])
    found: list[dict[str, object]] = []

    def told() -> bool:
        message = consumer.poll(1)
        if message and not message.error() and message.key() == customer.encode() and message.value():
            found.append(json.loads(message.value()))
        return bool(found)

    try:
        until(told, PATIENCE)
    finally:
        consumer.close()
    return found[-1]


def test_a_subscriber_starts_from_the_state_and_goes_on_with_events_whose_schema_is_served(system: System):
    [mia] = system.send(
        item(
            "m-1", account("M-1"), phone("+1 415 555 0188"), channel="chat", direction="inbound", text="hello"
        )
    )
    state = state_of(system, mia)
    assert state["customer"] == mia
    mine = [one for one in system.events("touch") if one["customer"] == mia]
    assert [one["type"] for one in mine] == ["touch.recorded"]
    assert "hello" not in json.dumps(mine)
    schema = system.api.get(mine[0]["dataschema"]).json()
    Draft202012Validator(schema).validate(mine[0]["data"])
    revealer = Revealer(system.where("api"), system.where("key"), "care")
    assert revealer.open([mine[0]["id"]]) == {mine[0]["id"]: {"text": "hello"}}


def test_without_kafka_a_signed_request_tells_each_event_once(system: System):
    with receiving() as receiver:
        made = system.api.post("/v1/webhooks", json={"url": f"{receiver.url}/in", "topics": ["touch"]}).json()
        system.send(item("w-1", account("W-1"), channel="web"), item("w-2", account("W-1"), channel="app"))
        receiver.until(2)
        told = [Webhook(made["secret"]).verify(one.body, one.headers) for one in receiver.requests]
        assert [one["data"]["channel"] for one in told] == ["web", "app"]
        until(lambda: system.read(f"/v1/webhooks/{made['id']}")["behind"] == 0, PATIENCE)
        assert len(receiver.requests) == 2
        assert system.api.delete(f"/v1/webhooks/{made['id']}").status_code == 200

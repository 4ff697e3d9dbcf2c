"""Scene G on the running system: after an erasure nothing of a person is left on topics, on disk, or in an answer."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition

from services.reveal_client import Revealer
from tests.support.doors import entrances
from tests.support.mutating import Payload
from tests.support.reading import marks
from tests.support.receiving import until
from tests.support.sending import account, email, item, phone
from tests.support.system import PATIENCE, System

HERS = {
    "name": "Clementine Vanderquist", "phone": "+14155550146", "mail": "clementine.v@example.com",
    "address": "9 Foxglove Terrace, Duluth", "note": "feeds seven hedgehogs", "chat": "the zither invoice is wrong",
    "sms": "please cancel my theremin plan", "mail text": "my harmonium line crackles",
}  # fmt: skip
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture(scope="module")
def clementine(system: System) -> str:
    """Somebody who told much on many channels: also as a vendor's raw call, and in what could not be taken."""
    known = [account("C-1"), phone(HERS["phone"]), email(HERS["mail"])]
    [her, *_] = system.send(
        item("c-1", *known, type="customer.described", name=HERS["name"], address=HERS["address"], note=HERS["note"]),
        item("c-2", account("C-1"), channel="chat", direction="inbound", contact_id="c-chat", text=HERS["chat"]),
    )  # fmt: skip
    sms = {"MessageSid": "SM" + "c" * 32, "SmsStatus": "received", "From": HERS["phone"], "To": "+14155550100",
           "Body": HERS["sms"]}  # fmt: skip
    [door] = [one for one in entrances([]) if one.path == "/v1/connectors/twilio"]
    request = door.request(Payload(urlencode(sms).encode(), FORM))
    answer = system.gateway.post(door.path, content=request.content, headers=dict(request.headers))
    assert answer.status_code in (200, 204), answer.text
    letter = item("c-4", email(HERS["mail"]), channel="email", direction="inbound", text=HERS["mail text"])
    producer = Producer({"bootstrap.servers": system.bootstrap, "log_level": 3})
    producer.produce("touchstone.intake", json.dumps(letter).encode(), b"c")
    producer.flush(30)
    junk = item("c-3", phone(HERS["phone"]), type="no.such", note=HERS["note"])
    assert system.gateway.post("/v1/touches", json=[junk]).json()["quarantined"] == 1
    until(lambda: found(system, "zither") and found(system, "theremin"), PATIENCE)
    until(lambda: system.read(f"/v1/customers/{her}")["contacts"]["ever"] == 3, PATIENCE)
    return her


def found(system: System, word: str) -> list[dict[str, Any]]:
    """What a search for a word shows."""
    return system.read("/v1/search", text=word)["hits"]


def topics(system: System) -> Iterator[bytes]:
    """Every byte on every topic, from its first record."""
    consumer = Consumer(
        {
            "bootstrap.servers": system.bootstrap,
            "group.id": "looks",
            "auto.offset.reset": "earliest",
            "log_level": 3,
        }
    )
    try:
        told = consumer.list_topics(timeout=30).topics
        ours = [TopicPartition(name, number, OFFSET_BEGINNING) for name, one in told.items()
                if name.startswith("touchstone.") for number in one.partitions]  # fmt: skip
        spans = {(one.topic, one.partition): marks(consumer, one.topic, one.partition) for one in ours}
        left = {at for at, (low, end) in spans.items() if low < end}
        consumer.assign([one for one in ours if (one.topic, one.partition) in left])
        while left:
            message = consumer.poll(10)
            assert message is not None, f"nothing more came from {left}"
            assert not message.error(), message.error()
            yield from (message.key() or b"", message.value() or b"")
            yield from (value for _, value in message.headers() or [])
            at = (message.topic(), message.partition())
            if message.offset() + 1 >= spans[at][1]:
                left.discard(at)
    finally:
        consumer.close()


def on_disk(folder: Path) -> set[str]:
    """Which of her values lie in a file of the workspace: tables, changes, logs, notes."""
    lies = set()
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            raw = path.read_bytes()
            lies |= {what for what, value in HERS.items() if value.encode() in raw}
    return lies


def test_whoever_asks_to_be_forgotten_is_found_nowhere_and_a_rebuild_brings_nobody_back(system, clementine):
    mine = [one["id"] for one in system.events() if one.get("customer") == clementine]
    revealer = Revealer(system.where("api"), system.where("key"), "care")
    before = str(revealer.open(mine))
    assert {HERS["name"], HERS["chat"], HERS["sms"]} <= {value for value in HERS.values() if value in before}

    assert HERS["mail text"].encode() in b"\n".join(topics(system)), (
        "on the intake topic it lies in the clear"
    )

    asked = system.api.post(f"/v1/customers/{clementine}/erasure", json={"asked_by": "ann"})
    assert asked.status_code == 202, asked.text
    path = f"/v1/customers/{clementine}/erasure"
    told = until(lambda: one if (one := system.read(path))["state"] == "erased" else None, PATIENCE)
    assert told["certificate"]["archives_until"] > told["certificate"]["finished_at"]
    assert told["certificate"]["quarantined"] == 1
    assert told["certificate"]["raw_bodies"] == 1

    until(lambda: system.read(f"/v1/customers/{clementine}")["identity"]["identifiers"] == [], PATIENCE)
    assert not found(system, "zither")
    assert not found(system, "theremin")
    assert system.read("/v1/customers", phone=HERS["phone"]) == {"customers": []}
    everywhere = b"\n".join(topics(system))
    assert clementine.encode() in everywhere
    after = str(revealer.open(mine)) + str(system.read(f"/v1/customers/{clementine}/export"))
    shown = after.encode() + everywhere
    assert [what for what, value in HERS.items() if value.encode() in shown] == []
    assert on_disk(system.var) == set()

    assert "folded anew" in system.touchstone("rebuild", "customer_360")
    view = system.read(f"/v1/customers/{clementine}")
    assert (view["identity"]["identifiers"], view["contacts"]["ever"]) == ([], 3)

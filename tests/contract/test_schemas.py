"""The written contract says what the code does, and every sample of the past is still read."""

import json
import re
from pathlib import Path

import msgspec
import pytest
from jsonschema import Draft7Validator, Draft202012Validator

from events import asyncapi, codec, customer_state, registry, schema, topics
from infra import intake
from infra.intake import Inbound

SAMPLES = sorted((Path(__file__).parent / "samples").glob("*.json"))
DOCUMENTS = schema.documents()
ASYNCAPI = json.loads(DOCUMENTS["asyncapi.json"])


def sample(path):
    return json.loads(path.read_text())


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_every_payload_ever_written_is_still_read(path):
    stored = sample(path)
    assert path.name == f"{stored['type']}.{stored['schema']}.json"
    entry = registry.find(stored["type"])
    event = codec.decode(stored["type"], stored["schema"], json.dumps(stored["data"]).encode())
    assert type(event) is entry.cls
    if stored["schema"] == entry.schema:
        assert json.loads(codec.encode(event)) == stored["data"]


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_every_sample_keeps_the_schema_it_was_published_under(path):
    stored = sample(path)
    published = json.loads((schema.FOLDER / f"{path.stem}.published.json").read_text())
    Draft202012Validator(published).validate(stored["data"])


def test_every_type_and_every_schema_that_was_published_has_a_sample():
    ours_alone = {customer_state.FILE}  # no event: what a topic says of each customer
    names = set(_names("*.published.json")) - ours_alone
    published = {name.removesuffix(".published.json") for name in names}
    now = {f"{entry.wire}.{entry.schema}" for entry in registry.all_types()}
    assert {path.stem for path in SAMPLES} == published | now


@pytest.mark.parametrize("entry", registry.all_types(), ids=lambda entry: entry.wire)
def test_a_sample_shows_every_field_of_today(entry):
    """A field without an example is one whose meaning nobody wrote down."""
    shown = sample(Path(__file__).parent / "samples" / f"{entry.wire}.{entry.schema}.json")["data"]
    assert set(shown) == set(entry.cls.__struct_fields__)


def _names(pattern):
    return [path.name for path in schema.FOLDER.glob(pattern)]


@pytest.mark.parametrize("name", [name for name in DOCUMENTS if name != "asyncapi.json"])
def test_every_schema_is_one(name):
    Draft202012Validator.check_schema(json.loads(DOCUMENTS[name]))


def test_what_is_checked_in_is_what_the_classes_say():
    assert schema.stale() == [], "run make schemas"


def test_writing_twice_writes_the_same(tmp_path):
    schema.write(tmp_path)
    first = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    schema.write(tmp_path)
    assert first == {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert set(first) == set(DOCUMENTS)
    assert schema.stale(tmp_path) == []


def test_a_file_that_belongs_to_nothing_is_stale_and_goes(tmp_path):
    schema.write(tmp_path)
    (tmp_path / "left.over.json").write_text("{}")
    (tmp_path / "envelope.json").write_text("{}")
    assert schema.stale(tmp_path) == ["envelope.json", "left.over.json"]
    schema.write(tmp_path)
    assert schema.stale(tmp_path) == []


@pytest.mark.parametrize(
    "entry", [one for one in registry.all_types() if one.door != "none"], ids=lambda entry: entry.wire
)
def test_a_sender_who_keeps_the_inbound_schema_is_understood(entry):
    """The published sample, with what is personal in the clear, is what a sender would have written."""
    stored = sample(Path(__file__).parent / "samples" / f"{entry.wire}.{entry.schema}.json")["data"]
    data = {name: "in the clear" if _sealed(value) else value for name, value in stored.items()}
    validator = Draft202012Validator(json.loads(DOCUMENTS[f"{entry.wire}.{entry.schema}.inbound.json"]))
    validator.validate(data)
    assert isinstance(codec.decode_inbound(entry.wire, json.dumps(data).encode()), entry.cls)
    assert not validator.is_valid({**data, "colour": "red"})


def _sealed(value):
    return isinstance(value, dict) and set(value) == {"sealed"}


def test_a_published_personal_field_is_an_object_and_an_inbound_one_a_string():
    published = json.loads(DOCUMENTS["touch.recorded.1.published.json"])
    inbound = json.loads(DOCUMENTS["touch.recorded.1.inbound.json"])
    sealed, clear = {"text": {"sealed": "c2VhbGVk"}}, {"text": "hello"}
    assert Draft202012Validator(published).is_valid(sealed)
    assert not Draft202012Validator(published).is_valid(clear)
    assert Draft202012Validator(inbound).is_valid(clear)
    assert not Draft202012Validator(inbound).is_valid(sealed)


def test_only_events_about_identity_name_a_customer():
    """Whose an event is, identity decides; a payload that says so would be wrong after an un-merge."""
    for entry in registry.all_types():
        if entry.family not in {"identity", "customer"}:
            assert not {"customer", "customer_id"} & set(entry.cls.__struct_fields__), entry.wire


def test_every_event_says_what_happened_in_a_sentence():
    for entry in registry.all_types():
        assert (entry.cls.__doc__ or "").split("\n\n")[0].strip().endswith("."), entry.wire
        assert re.fullmatch(r"[a-z_]+\.[a-z_]+", entry.wire)
        assert entry.by
        assert not entry.category or entry.key in entry.cls.__struct_fields__


def test_asyncapi_has_a_channel_for_every_topic():
    addresses = {channel["address"] for channel in ASYNCAPI["channels"].values()}
    prefix = "{prefix}"
    alone = {topics.events_topic(prefix), topics.intake_topic(prefix), topics.state_topic(prefix)}
    expected = {*alone, *topics.family_topics(prefix)}
    assert addresses == expected
    assert {len(channel["messages"]) > 0 for channel in ASYNCAPI["channels"].values()} == {True}


def test_asyncapi_is_in_the_shape_its_own_rules_ask_for():
    assert ASYNCAPI["asyncapi"] == "3.0.0"
    assert {"title", "version"} <= set(ASYNCAPI["info"])
    for server in ASYNCAPI["servers"].values():
        assert set(re.findall(r"\{(\w+)\}", server["host"])) == set(server["variables"])
    for channel in ASYNCAPI["channels"].values():
        assert set(re.findall(r"\{(\w+)\}", channel["address"])) == set(channel["parameters"])
        assert channel["bindings"]["kafka"]["bindingVersion"] == "0.5.0"
        assert channel["bindings"]["kafka"]["partitions"] == topics.PARTITIONS
    for operation in ASYNCAPI["operations"].values():
        assert operation["action"] in {"send", "receive"}
    for kind in ASYNCAPI["components"].values():
        assert all(re.fullmatch(r"[A-Za-z0-9._-]+", name) for name in kind)


def test_every_reference_in_asyncapi_leads_somewhere():
    def references(node):
        if isinstance(node, dict):
            yield from [node["$ref"]] if "$ref" in node else []
            node = list(node.values())
        if isinstance(node, list):
            for one in node:
                yield from references(one)

    for reference in set(references(ASYNCAPI)):
        node = ASYNCAPI
        for step in reference.removeprefix("#/").split("/"):
            node = node[step]


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_asyncapi_alone_is_enough_to_check_a_message(path):
    """Its schemas are read as draft 07, which is what AsyncAPI tools know."""
    stored = sample(path)
    if stored["schema"] == registry.find(stored["type"]).schema:
        message = ASYNCAPI["components"]["messages"][stored["type"]]
        Draft7Validator({**message["payload"], "components": ASYNCAPI["components"]}).validate(stored["data"])


def test_the_intake_message_is_what_the_door_reads():
    assert asyncapi.EVENT_BYTES == intake.EVENT_BYTES
    ours_alone = {"unreadable"}
    for entry in registry.all_types():
        if entry.door != "none":
            payload = ASYNCAPI["components"]["messages"][f"intake.{entry.wire}"]["payload"]
            assert set(payload["properties"]) == set(Inbound.__struct_fields__) - ours_alone
    bill = {
        "source": "billing", "source_id": "b-1", "type": "bill.issued", "origin": "live",
        "occurred_at": "2026-03-02T14:02:11+08:00",
        "identifiers": [{"kind": "phone", "value": "13800138000"}],
        "data": {"bill_id": "b-1", "amount": 12.5},
    }  # fmt: skip
    payload = ASYNCAPI["components"]["messages"]["intake.bill.issued"]["payload"]
    Draft7Validator({**payload, "components": ASYNCAPI["components"]}).validate(bill)
    assert msgspec.json.decode(json.dumps(bill), type=Inbound).type == "bill.issued"

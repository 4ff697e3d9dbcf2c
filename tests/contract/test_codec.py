"""Bytes become an event or one plain sentence that repeats nothing the sender wrote."""

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events import codec, registry
from events.codec import Undecodable
from events.envelope import Envelope, Event
from events.holding import BillIssued
from events.registry import event
from events.touch import TouchRecorded

SECRET = "13800138000"
DEEP = b"[" * 100_000


def refusal(wire, data):
    with pytest.raises(Undecodable) as refused:
        codec.decode_inbound(wire, data)
    return refused.value


@pytest.mark.parametrize(
    ("wire", "data", "code", "path"),
    [
        ("touch.recorded", b'{"colour": "red"}', "invalid", "$.data.colour"),
        ("touch.recorded", b'{"talk_seconds": -5}', "invalid", "$.data.talk_seconds"),
        ("touch.recorded", b'{"talk_seconds": 1e999}', "invalid", "$.data.talk_seconds"),
        ("touch.recorded", b'{"talk_seconds": "13800138000"}', "invalid", "$.data.talk_seconds"),
        ("touch.recorded", b'{"talk_seconds": NaN}', "not_json", "$.data"),
        ("touch.recorded", b'{"channel": "13800138000"}', "invalid", "$.data.channel"),
        ("touch.recorded", b'{"channel": "13800138000 - at `$.x`"}', "invalid", "$.data.channel"),
        ("touch.recorded", b'{"reason": "call 13800138000"}', "invalid", "$.data.reason"),
        ("touch.recorded", b'{"reason": "billing\\n"}', "invalid", "$.data.reason"),
        ("touch.recorded", b'{"signals": ["ok", "13800138000 !"]}', "invalid", "$.data.signals[1]"),
        ("touch.recorded", b'{"confirmed": "13800138000"}', "invalid", "$.data.confirmed"),
        ("touch.recorded", b'{"attributes": {"13800138000": 5}}', "invalid", "$.data.attributes[...]"),
        ("touch.recorded", b'{"13800138000": 1}', "invalid", "$.data"),
        ("touch.recorded", b'{"a - at `$.13800138000`": 1}', "invalid", "$.data"),
        ("touch.recorded", b'{"text": 13800138000}', "invalid", "$.data.text"),
        ("touch.recorded", b'{"queue": "a\\u0000b"}', "invalid", "$.data"),
        ("touch.recorded", b'{"queue": "\\ud800"}', "not_json", "$.data"),
        ("touch.recorded", b'{"queue": "\xff\xfe"}', "not_utf8", "$.data"),
        ("touch.recorded", b'{"\xff": 1}', "not_utf8", "$.data"),
        ("touch.recorded", b'{"attributes": ' + DEEP, "invalid", "$.data.attributes"),
        ("touch.recorded", DEEP, "invalid", "$.data"),
        ("touch.recorded", b'"13800138000"', "invalid", "$.data"),
        ("touch.recorded", b"13800138000 x", "invalid", "$.data"),
        ("touch.recorded", b"", "not_json", "$.data"),
        ("touch.recorded", b"{", "not_json", "$.data"),
        ("bill.issued", b'{"bill_id": "b"}', "invalid", "$.data"),
        ("bill.issued", b'{"bill_id": "", "amount": 1}', "invalid", "$.data.bill_id"),
        ("bill.issued", b'{"bill_id": "b", "amount": "13800138000x"}', "invalid", "$.data.amount"),
        ("bill.issued", b'{"bill_id": "b", "amount": "NaN"}', "invalid", "$.data.amount"),
        ("bill.issued", b'{"bill_id": "b", "amount": "1E+1000000"}', "invalid", "$.data.amount"),
        ("bill.issued", b'{"bill_id": "b", "amount": 0E+1000000}', "invalid", "$.data.amount"),
        ("bill.issued", b'{"bill_id": "b", "amount": 1, "currency": "USD\\n"}', "invalid", "$.data.currency"),
        ("bill.issued", b'{"bill_id": "b", "amount": 1, "due_at": "2026-01-01T00:00:00"}',
         "invalid", "$.data.due_at"),
        ("bill.issued", b'{"bill_id": "b", "amount": 1, "due_at": "13800138000"}',
         "invalid", "$.data.due_at"),
        ("purchase.recorded", b'{"quantity": 100000000000000000000}', "invalid", "$.data.quantity"),
        ("purchase.recorded", b'{"quantity": 1.5}', "invalid", "$.data.quantity"),
        ("survey.answered", b'{"question":"q","method":"sampling","phase":"after","score":9}',
         "invalid", "$.data"),
        ("13800138000", b"{}", "unknown_type", "$.type"),
    ],
    ids=lambda value: repr(value[:40]) if isinstance(value, bytes) else value,
)  # fmt: skip
def test_what_is_wrong_is_named_by_code_and_path_and_never_repeated(wire, data, code, path):
    told = refusal(wire, data)
    assert (told.code, told.path) == (code, path)
    assert SECRET not in str(told)
    assert told.__cause__ is None
    assert told.__suppress_context__ or told.__context__ is None


@given(value=st.text(alphabet="0123456789", min_size=9, max_size=15), wire=st.sampled_from(
    [entry.wire for entry in registry.all_types() if entry.door != "none"]), data=st.data())  # fmt: skip
def test_a_value_in_the_wrong_place_shows_in_no_error(value, wire, data):
    """Whichever field holds it, and whichever type that field expects."""
    fields = registry.find(wire).cls.__struct_fields__
    name = data.draw(st.sampled_from(fields))
    shape = data.draw(st.sampled_from([lambda v: f" {v} ", lambda v: [f" {v}"], lambda v: {v: int(v)}, int]))
    told = _told(lambda: codec.decode_inbound(wire, json.dumps({name: shape(value)}).encode()))
    assert told is None or value not in str(told)


def _told(read):
    """The refusal, or None where the bytes were read; anything else that is raised is a defect."""
    try:
        read()
    except Undecodable as told:
        return told
    return None


@given(data=st.binary(max_size=200))
def test_any_bytes_at_all_are_read_or_refused(data):
    for read in (
        lambda: codec.decode_inbound("touch.recorded", data),
        lambda: codec.decode("touch.recorded", 1, data),
    ):
        told = _told(read)
        assert told is None or told.code in {"invalid", "not_json", "not_utf8"}


def test_the_text_backslash_u0000_is_not_the_character():
    touch = codec.decode_inbound("touch.recorded", b'{"queue": "a\\\\u0000b"}')
    assert touch == TouchRecorded(queue=r"a\u0000b")


@pytest.mark.parametrize("written", [b'"12.10"', b"12.10"])
def test_an_amount_keeps_its_digits_as_string_or_number(written):
    bill = codec.decode_inbound("bill.issued", b'{"bill_id": "b", "amount": ' + written + b"}")
    assert bill == BillIssued(bill_id="b", amount=Decimal("12.10"))
    assert codec.encode(bill) == b'{"bill_id":"b","amount":"12.10"}'


def test_what_comes_in_is_of_the_class_everybody_knows():
    """The twin that refuses unknown fields must not travel: it equals nothing and no table lists it."""
    touch = codec.decode_inbound("touch.recorded", b'{"channel": "sms"}')
    assert type(touch) is TouchRecorded
    assert touch == TouchRecorded(channel="sms")


def test_the_strict_twin_is_the_same_type_to_everyone_but_the_decoder():
    for entry in registry.all_types():
        assert issubclass(entry.strict, entry.cls)
        assert (entry.wire, entry.schema) == (entry.strict.WIRE, entry.strict.SCHEMA)
        assert entry.strict.__struct_fields__ == entry.cls.__struct_fields__
        assert entry.strict.__struct_config__.frozen
    twin = registry.find("touch.recorded").strict(channel="sms")
    match twin:
        case TouchRecorded(channel=channel):
            assert channel == "sms"
    assert codec.encode(twin) == codec.encode(TouchRecorded(channel="sms"))


def test_events_are_frozen_and_built_by_keyword():
    bill = BillIssued(bill_id="b", amount=Decimal(1))
    with pytest.raises(AttributeError):
        bill.bill_id = "c"
    with pytest.raises(TypeError):
        BillIssued("b", Decimal(1))


def test_a_reader_ignores_a_field_of_tomorrow():
    touch = codec.decode("touch.recorded", 1, b'{"channel": "sms", "mood": {"of": ["tomorrow"]}}')
    assert touch == TouchRecorded(channel="sms")


def test_a_stored_field_nested_without_end_is_refused():
    with pytest.raises(Undecodable) as refused:
        codec.decode("touch.recorded", 1, b'{"mood": ' + DEEP)
    assert refused.value.code == "too_deep"


def test_an_envelope_sorts_facts_before_decisions_of_the_same_instant():
    moment = datetime(2026, 3, 2, 6, 2, tzinfo=UTC)
    common = {
        "event_id": "e",
        "position": 1,
        "occurred_at": moment,
        "known_at": moment,
        "recorded_at": moment,
    }
    fact = Envelope(event=TouchRecorded(), source="pbx", source_id="2", **common)
    decision = Envelope(
        event=TouchRecorded(), source="api", source_id="1", stream="case-1", revision=1, **common
    )
    assert sorted([decision, fact], key=lambda one: one.order) == [fact, decision]
    assert fact.type == "touch.recorded"


@pytest.fixture
def weighed():
    """A type that is now at its third schema: grams became kilograms, then got a reason."""

    class Weighed(Event):
        """A parcel was weighed."""

        kilograms: float
        why: str

    event("parcel.weighed", schema=3, by="a test")(Weighed)

    @codec.upcaster("parcel.weighed", from_schema=1)
    def _kilograms(data):
        """Schema 1 was in grams."""
        return {"kilograms": data["grams"] / 1000}

    @codec.upcaster("parcel.weighed", from_schema=2)
    def _why(data):
        """Until schema 3 parcels were weighed for the post only."""
        return {**data, "why": "post"}

    yield Weighed
    registry._BY_WIRE.pop("parcel.weighed")
    for step in (1, 2):
        codec._UPCASTERS.pop(("parcel.weighed", step))


@pytest.mark.parametrize(
    ("schema", "data"),
    [
        (1, b'{"grams": 1500}'),
        (2, b'{"kilograms": 1.5}'),
        (3, b'{"kilograms": 1.5, "why": "post"}'),
    ],
)
def test_every_past_schema_reads_as_the_present_one(weighed, schema, data):
    assert codec.decode("parcel.weighed", schema, data) == weighed(kilograms=1.5, why="post")


@pytest.mark.parametrize(
    ("schema", "code"), [(4, "schema_ahead"), (0, "schema_unknown"), (-1, "schema_unknown")]
)
def test_a_schema_nobody_reads_is_refused(weighed, schema, code):
    with pytest.raises(Undecodable) as refused:
        codec.decode("parcel.weighed", schema, b"{}")
    assert (refused.value.code, refused.value.path) == (code, "$.schema")


@pytest.mark.parametrize("data", [b"[]", b"{", b'{"grams": "a"', b'{"z": ' + DEEP])
def test_bytes_of_a_past_schema_are_checked_too(weighed, data):
    with pytest.raises(Undecodable):
        codec.decode("parcel.weighed", 1, data)


def test_an_unknown_type_is_refused():
    with pytest.raises(Undecodable) as refused:
        codec.decode("nobody.knows", 1, b"{}")
    assert refused.value.code == "unknown_type"


def test_a_wire_name_is_given_once(weighed):
    with pytest.raises(ValueError, match="registered twice"):
        event("parcel.weighed", by="a test")(weighed)

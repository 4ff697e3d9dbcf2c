"""A personal value is never seen between the door and its sealing."""

import copy
import logging
import traceback

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from events import codec, registry
from events.codec import Undecodable
from events.personal import Clear, Personal, Sealed
from events.touch import TouchRecorded

SECRET = "my card is 6222 0211 1234 5678"


@pytest.mark.parametrize("shown", [repr, str, "{}".format, "%s".__mod__], ids=["repr", "str", "format", "%"])
def test_a_clear_value_never_prints_itself(shown):
    assert shown(Clear(SECRET)) == "***"


def test_an_event_with_a_clear_value_prints_stars():
    touch = TouchRecorded(channel="chat", text=Clear(SECRET))
    assert SECRET not in repr(touch)
    assert "text=***" in repr(touch)


def test_a_log_line_shows_stars(caplog):
    logging.getLogger("door").warning("took %s", TouchRecorded(text=Clear(SECRET)))
    assert SECRET not in caplog.text


@pytest.mark.parametrize("write", [codec.encode, msgspec.json.encode, msgspec.to_builtins])
def test_no_codec_writes_a_clear_value(write):
    with pytest.raises(TypeError) as refused:
        write(TouchRecorded(text=Clear(SECRET)))
    assert SECRET not in "".join(traceback.format_exception(refused.value))


def test_a_sender_writes_a_string_and_a_subscriber_reads_a_sealed_one():
    came = codec.decode_inbound("touch.recorded", b'{"text": "hello"}')
    assert came == TouchRecorded(text=Clear("hello"))
    sealed = msgspec.structs.replace(came, text=Sealed("c2VhbGVk"))
    assert codec.encode(sealed) == b'{"text":{"sealed":"c2VhbGVk"}}'
    assert codec.decode("touch.recorded", 1, codec.encode(sealed)) == sealed


@pytest.mark.parametrize("data", [b'{"text": {"sealed": "c2Vh"}}', b'{"text": 5}', b'{"text": ["a"]}'])
def test_a_sender_cannot_hand_in_a_sealed_value(data):
    with pytest.raises(Undecodable) as refused:
        codec.decode_inbound("touch.recorded", data)
    assert (refused.value.code, refused.value.path) == ("invalid", "$.data.text")


@pytest.mark.parametrize("data", [b'{"text": "clear"}', b'{"text": {"sealed": 5}}', b'{"text": {}}'])
def test_a_stored_value_in_the_clear_is_not_read(data):
    with pytest.raises(Undecodable) as refused:
        codec.decode("touch.recorded", 1, data)
    assert (refused.value.code, refused.value.path) == ("invalid", "$.text")


def test_a_clear_and_a_sealed_value_are_never_equal():
    assert Clear("a") != Sealed("a")
    assert Clear("a") != "a"
    assert len({Clear("a"), Clear("a"), Sealed("a")}) == 2
    assert copy.deepcopy(Clear("a")) == Clear("a")


@given(value=st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_whatever_the_value_an_event_looks_the_same(value):
    came = codec.decode_inbound("touch.recorded", msgspec.json.encode({"text": value}))
    assert came == TouchRecorded(text=Clear(value))
    assert repr(came) == repr(TouchRecorded(text=Clear("another")))


@given(token=st.text(min_size=1))
def test_whatever_the_seal_it_survives_the_journal(token):
    touch = TouchRecorded(text=Sealed(token))
    assert codec.decode("touch.recorded", 1, codec.encode(touch)) == touch


def test_personal_fields_stand_at_the_top_of_an_event():
    """Sealing looks no deeper; a nested one would stop the gateway with a TypeError."""

    def holds(hint):
        return hint is Personal or any(holds(one) for one in getattr(hint, "__args__", ()))

    for entry in registry.all_types():
        for field in msgspec.structs.fields(entry.cls):
            if holds(field.type):
                assert field.type in (Personal, Personal | None), f"{entry.wire}.{field.name}"
        for nested in _structs_within(entry.cls):
            assert not any(holds(field.type) for field in msgspec.structs.fields(nested)), nested


def _structs_within(cls):
    """Every struct below an event's fields."""
    found, waiting = set(), [field.type for field in msgspec.structs.fields(cls)]
    while waiting:
        hint = waiting.pop()
        waiting += getattr(hint, "__args__", ())
        if isinstance(hint, type) and issubclass(hint, msgspec.Struct) and hint not in found:
            found.add(hint)
            waiting += [field.type for field in msgspec.structs.fields(hint)]
    return found


def test_a_sender_s_unknown_field_is_refused_at_every_depth():
    """The strict twin covers the event itself, so what comes through a door has no parts of its own."""
    for entry in registry.all_types():
        if entry.door != "none":
            assert not _structs_within(entry.cls), entry.wire

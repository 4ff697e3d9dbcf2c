"""What a person can be reached by is told from numbers and names that only look like it."""

import json
from time import perf_counter

import pytest

from events import codec
from events.codec import Undecodable
from infra.facets import refuse_in_clear, refuse_reachable
from infra.reachable import is_phone, may_reach, reachable

PHONES = (
    "+14155552671", " +14155552671", "Ann +14155552671", "call +1 (415) 555-2671 back", "004915112345678",
    "agent-004915112345678", "Anna 0049 1511 2345678", "tel:+49.1511.2345678", "+49\u20111511\u20112345678",
    "\uff0b14155552671", "x;+8613800138000",
)  # fmt: skip
MAILS = (
    "zed@example.org",
    "<Ann.B+shop@mail.example.co.uk>",
    "to zed@example.org!",
    "张三＠example.cn",
    "a@b.cc",
)
NEITHER = (
    "", "4155552671", "a-17", "order 2026-0042", "0000000042", "00123", "1.00491511234567", "10014155552671",
    "1+1", "C++ 20", "2026-03-02T00:15:42+00:00", "+0000", "+123", "50 % + 3", "@home", "me@work", "Äpfel", "账单",
    "call-88213", "3f2a@10.0.0.1", "00491511-2345-4678-8901-abcdefabcdef", "a3b1c2d4-0049-1511-2345-678901234567",
    "00a4155552671f", "digest-00af",
)  # fmt: skip


@pytest.mark.parametrize("text", PHONES)
def test_an_international_phone_number_is_found_anywhere_in_a_text(text):
    assert (may_reach(text), reachable(text)) == (True, "phone")


@pytest.mark.parametrize("text", MAILS)
def test_a_mail_address_is_found_anywhere_in_a_text(text):
    assert (may_reach(text), reachable(text)) == (True, "email")


@pytest.mark.parametrize("text", NEITHER)
def test_a_number_without_a_country_code_and_an_id_reach_nobody(text):
    assert reachable(text) == ""


def test_only_a_text_that_is_a_number_and_nothing_else_is_a_phone():
    assert all(map(is_phone, (" +1 415 555 2671 ", "004915112345678", "+49 (1511) 2345678")))
    assert not any(map(is_phone, ("Ann +14155552671", "4155552671", "Ann", "", "+", "+12")))


def test_a_long_text_made_to_be_slow_takes_no_time():
    for text in ("+1 " * 70_000, "0049 " * 40_000, "a@" * 100_000, "a@b." * 50_000, "+1(((" * 40_000):
        began = perf_counter()
        reachable(text)
        assert perf_counter() - began < 5


@pytest.mark.parametrize("path, data", [
    ("$.data.agent", {"agent": " +14155552671"}), ("$.data.queue", {"queue": "Ann +14155552671"}),
    ("$.data.campaign", {"campaign": "zed@example.org"}), ("$.data.agent", {"agent": "004915112345678"}),
    ("$.data.attributes", {"attributes": {"phone": "+14155552671"}}),
    ("$.data.attributes", {"attributes": {"zed@example.org": "1"}}),
    ("$.data.recordings", {"recordings": ["in/+14155552671.wav"]}),
])  # fmt: skip
def test_what_is_published_unsealed_holds_no_phone_and_no_address(path, data):
    event = codec.decode_inbound("touch.recorded", json.dumps({"channel": "voice", **data}).encode())
    with pytest.raises(Undecodable) as refused:
        refuse_reachable(event)
    assert (refused.value.code, refused.value.path) == ("phone_in_name", path)
    assert "send it in identifiers" in refused.value.detail
    assert not any(value in refused.value.detail for value in ("415", "4915", "zed", "b.cc"))


def test_extensions_order_numbers_and_sealed_texts_are_taken():
    data = {"channel": "voice", "agent": "ann@company.example", "team": "4155552671", "queue": "账单",
            "text": "call +14155552671",
            "attributes": {"order": "2026-00042", "extension": "4155552671"}}  # fmt: skip
    refuse_reachable(codec.decode_inbound("touch.recorded", json.dumps(data).encode()))


def test_a_phone_number_is_no_customers_name():
    with pytest.raises(Undecodable) as refused:
        refuse_reachable(codec.decode_inbound("customer.described", b'{"name":"+1 415 555 2671"}'))
    assert (refused.value.code, refused.value.path) == ("phone_in_name", "$.data.name")
    refuse_reachable(codec.decode_inbound("customer.described", b'{"name":"Ann 2000"}'))


def test_a_sources_id_is_its_own_and_nobodys_number():
    for text in ("+14155552671", "call/zed@example.org/1"):
        with pytest.raises(Undecodable, match="phone_in_name"):
            refuse_in_clear(text, "$.source_id")
    refuse_in_clear("call-88213", "$.source_id")

"""Identifiers as people write them come to one form, and what is none is refused without being repeated."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.domain.identifier import STRENGTH, normalise, strongest_first
from models.errors import Refused


def value(kind, text, region="US", issuer=""):
    return normalise(kind, issuer, text, region).value


@pytest.mark.parametrize(
    ("written", "region"),
    [("+1 415 555 2671", "DE"), ("(415) 555-2671", "US"), ("415.555.2671", "US"), ("001 415 555 2671", "DE"),
     ("tel:+1-415-555-2671", "DE"), ("\uff0b\uff11 415 555 2671", "DE"), (" +14155552671 ", "CN")],
)  # fmt: skip
def test_a_phone_number_is_one_number_however_it_is_written(written, region):
    assert value("phone", written, region) == "+14155552671"


def test_a_phone_number_without_its_country_is_read_in_the_workspaces_region():
    assert value("phone", "030 901820", "DE") == "+4930901820"
    with pytest.raises(Refused, match="phone_invalid"):
        value("phone", "030 901820", "US")


def test_a_phone_number_shows_country_and_line_and_its_zone_where_there_is_only_one():
    assert normalise("phone", "", "+86 138 1234 5678", "US").facets == {
        "country": "CN", "zone": "Asia/Shanghai", "line": "mobile",
    }  # fmt: skip
    assert normalise("phone", "", "+49 30 901820", "US").facets["line"] == "fixed"
    assert "zone" not in normalise("phone", "", "+1 800 555 0199", "US").facets


@pytest.mark.parametrize("text", ["12", "not a number", "+1 415", "+999 12345678", "1" * 300])
def test_a_phone_that_is_none_is_refused(text):
    with pytest.raises(Refused, match="phone_invalid") as refused:
        value("phone", text)
    assert text not in str(refused.value) or len(text) < 3


def test_a_mail_address_is_the_same_in_any_case_and_width():
    assert value("email", "Ann.Smith@Example.COM") == "ann.smith@example.com"
    assert value("email", "  \uff41nn@example.com ") == "ann@example.com"
    assert normalise("email", "", "Ann@Example.com", "US").facets == {}


@pytest.mark.parametrize(
    "text", ["ann", "@example.com", "ann@", "a b@example.com", "ann@exa mple.com", "ann@@b.cc"]
)
def test_a_mail_address_that_is_none_is_refused(text):
    with pytest.raises(Refused, match="email_invalid") as refused:
        value("email", text)
    assert text not in str(refused.value)


@pytest.mark.parametrize("kind", ["account", "openid", "device", "cookie"])
def test_what_is_unique_only_within_its_issuer_needs_one(kind):
    assert normalise(kind, "shop", "A-1", "US").issuer == "shop"
    with pytest.raises(Refused, match="issuer_missing"):
        value(kind, "A-1")


@pytest.mark.parametrize("kind", ["phone", "email", "national_id"])
def test_what_means_the_same_person_everywhere_has_no_issuer(kind):
    text = {"phone": "+14155552671", "email": "a@b.cc", "national_id": "1"}[kind]
    assert normalise(kind, "shop", text, "US").issuer == ""


@pytest.mark.parametrize("text", ["", "   ", "x" * 321, " " * 100_000 + "x", "\u00a0"])
def test_an_empty_or_endless_identifier_is_refused(text):
    with pytest.raises(Refused, match="identifier_empty"):
        value("account", text, issuer="shop")


@pytest.mark.parametrize("kind", ["", "fax", "+14155552671", "PHONE"])
def test_an_unknown_kind_is_refused_and_not_repeated(kind):
    with pytest.raises(Refused, match="identifier_kind") as refused:
        value(kind, "x")
    assert not kind or kind not in str(refused.value)


def test_an_account_says_more_than_a_cookie():
    assert sorted(("cookie", "email", "phone", "account"), key=strongest_first) == [
        "account", "phone", "email", "cookie",
    ]  # fmt: skip


@given(kind=st.sampled_from(STRENGTH), text=st.text(max_size=60))
def test_the_comparable_form_of_a_comparable_form_is_itself(kind, text):
    try:
        once = normalise(kind, "shop", text, "US")
    except Refused:
        return
    assert normalise(kind, once.issuer or "shop", once.value, "DE") == once


@pytest.mark.parametrize("kind", STRENGTH)
def test_no_identifier_holds_the_character_that_no_table_can(kind):
    with pytest.raises(Refused, match="identifier_empty"):
        normalise(kind, "shop", "7\x00", "US")

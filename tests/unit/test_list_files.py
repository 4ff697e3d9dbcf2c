"""A list's files: safe to open in a spreadsheet, complete for a program."""

import csv
import io
import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet as files

from infra.target_list.files import COLUMNS, csv_lines, ndjson, parquet, safe
from infra.target_list.pull import Pulled
from models.domain.target_list import ListRow

AT = datetime(1998, 7, 2, tzinfo=UTC)


def member(**said):
    row = ListRow(
        customer="c1", part="member", stage="retained", rank=1, probability=0.25, value=Decimal("12.50"),
        profit=Decimal("0.0100"), currency="USD", because=("silence", "spend"), why=("quiet", "spends less"),
        because_events=("e1",), offer=said.pop("offer", "gift"), channel="sms", basis="contract", window_from=AT,
        window_until=AT,
    )  # fmt: skip
    return Pulled(row=row, **said)


def as_csv(*members, addresses=False):
    return b"".join(csv_lines([list(members)], addresses=addresses)).decode("utf-8-sig")


def read(text):
    return list(csv.DictReader(io.StringIO(text, newline="")))


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\0=1", "＝1", "＋1", "－1", "＠x", "  =1", "\u00a0=1",
     "\u3000＝1"],
)  # fmt: skip
def test_what_a_spreadsheet_would_calculate_gets_an_apostrophe(text):
    assert safe(text) == "'" + text


@pytest.mark.parametrize("text", ["", "gift", "a=b", "1-2", "14155552671", "'=1"])
def test_plain_text_stays_as_it_is(text):
    assert safe(text) == text


@given(st.text())
def test_no_text_begins_with_a_formula(text):
    assert safe(text).lstrip()[:1] not in set("=+-@＝＋－＠")


def test_a_formula_in_a_setting_does_not_reach_a_spreadsheet():
    (one,) = read(as_csv(member(offer='=HYPERLINK("http://example.com")')))
    assert one["offer"] == '\'=HYPERLINK("http://example.com")'


def test_a_phone_number_is_its_digits_in_csv_and_untouched_elsewhere():
    one = member(address_kind="phone", address="+14155552671")
    assert read(as_csv(one, addresses=True))[0]["address"] == "14155552671"
    (line,) = b"".join(ndjson([[one]], addresses=True)).splitlines()
    assert json.loads(line)["address"] == "+14155552671"
    table = files.read_table(io.BytesIO(b"".join(parquet([[one]], addresses=True))))
    assert table.column("address").to_pylist() == ["+14155552671"]


def test_a_spreadsheet_knows_that_it_is_utf_8_and_a_machine_gets_every_value_as_it_is():
    one = member(offer="=1+1", address_kind="phone", address="+14155552671")
    for_people = b"".join(csv_lines([[one]], addresses=True))
    assert for_people.startswith(b"\xef\xbb\xbfrank,")
    raw = b"".join(csv_lines([[one]], addresses=True, raw=True))
    assert raw.startswith(b"rank,")
    (told,) = read(raw.decode())
    assert (told["offer"], told["address"]) == ("=1+1", "+14155552671")
    assert (told["why"], told["effect"], told["value"]) == ("quiet; spends less", "", "12.50")


def test_several_reasons_share_a_cell_and_amounts_keep_their_digits():
    (one,) = read(as_csv(member()))
    assert (one["why"], one["value"], one["expected_profit"]) == ("quiet; spends less", "12.50", "0.0100")
    assert one["window_from"] == "1998-07-02T00:00:00Z"


def test_a_list_without_members_is_a_file_with_names_alone():
    assert as_csv() == ",".join(COLUMNS) + "\r\n"
    assert b"".join(ndjson([], addresses=False)) == b""
    assert files.read_table(io.BytesIO(b"".join(parquet([], addresses=False)))).num_rows == 0

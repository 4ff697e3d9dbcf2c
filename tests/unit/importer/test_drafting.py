"""A row becomes the drafts of its events, or one statement of why it can't."""

import json
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from events import codec
from services.importer.drafting import Draft, Drafted, Drafter, GivenIdentifier, Unreadable
from services.importer.mapping import MappingProblem, parse_mapping, ready_mapping, ready_mappings
from services.importer.reading import Row, open_table

HEAD = """
source = "shop"
[defaults]
zone = "Europe/London"
occurred_at = { rule = "date", column = "day" }
[[event]]
type = "%s"
[event.data]
"""


def drafter(columns: Sequence[str], data: str, type_: str = "purchase.recorded", more: str = "") -> Drafter:
    return Drafter(parse_mapping(f"{HEAD % type_}{data}\n{more}"), ("day", *columns))


def one(of: Drafter, *cells: str, day: str = "2020-05-01", number: int = 1) -> Drafted:
    return of.draft(Row(number, number + 1, [day, *cells], "the raw line"))


def data(drafted: Drafted) -> dict:
    [draft] = drafted.items
    assert isinstance(draft, Draft), draft
    return draft.data


def problem(drafted: Drafted) -> tuple[str, str]:
    [item] = drafted.items
    assert isinstance(item, Unreadable), item
    return item.unreadable.code, item.unreadable.path


@pytest.mark.parametrize("name", ready_mappings())
def test_every_ready_mapping_gives_the_drafts_written_beside_its_sample(name: str, samples: Path):
    [sample] = [path for path in samples.glob(f"{name}.*") if path.suffix != ".ndjson"]
    mapping, seen = ready_mapping(name), []
    with open_table(sample, mapping.file) as table:
        compiled = Drafter(mapping, table.columns)
        for row in table.rows:
            drafted = compiled.draft(row)
            seen.extend(json.loads(msgspec.json.encode(item)) for item in drafted.items)
            if drafted.warnings or drafted.counts:
                seen.append({"warnings": drafted.warnings, "counts": drafted.counts})
    written = (samples / f"{name}.drafts.ndjson").read_text().splitlines()
    assert seen == [json.loads(line) for line in written]


@pytest.mark.parametrize("name", ready_mappings())
def test_every_draft_of_a_sample_is_what_the_contract_takes(name: str, samples: Path):
    for line in (samples / f"{name}.drafts.ndjson").read_text().splitlines():
        item = json.loads(line)
        if "type" in item:
            codec.decode_inbound(item["type"], json.dumps(item["data"]).encode())


def test_one_row_may_tell_several_events():
    more = '[[event]]\ntype = "bill.paid"\ndata = { bill_id = { text = "b-{number}" }, amount = "paid" }'
    drafted = one(drafter(["paid"], 'amount = "paid"', more=more), "5.00", number=9)
    assert [(d.source_id, d.type) for d in drafted.items] == [
        ("9#1", "purchase.recorded"),
        ("9#2", "bill.paid"),
    ]
    assert drafted.items[1].data == {"bill_id": "b-9", "amount": "5.00"}


@pytest.mark.parametrize(
    ("rule", "cell", "expected"),
    [
        ('amount = "x"', "12.50", {"amount": "12.50"}),
        ('amount = "x"', " ", {}),
        ('quantity = "x"', "3.0", {"quantity": 3}),
        ("quantity = { column = 'x', absolute = true }", "-3", {"quantity": 3}),
        ("amount = { column = 'x', scale = 0.01 }", "1250", {"amount": "12.50"}),
        ("amount = { product = ['x', 'x'] }", "1.5", {"amount": "2.25"}),
        ("product = { column = 'x', map = { a = 'apple' }, otherwise = 'fruit' }", "a", {"product": "apple"}),
        ("product = { column = 'x', map = { a = 'apple' }, otherwise = 'fruit' }", "b", {"product": "fruit"}),
        ("product = { column = 'x', skip = ['none'] }", "none", {}),
        ("product = { column = 'x', remove_suffix = '.0' }", "7.0", {"product": "7"}),
        ("product = { const = 'tea' }", "", {"product": "tea"}),
        ("product = { const = 'tea', when = [{ column = 'x', equals = '1' }] }", "2", {}),
        ("product = { const = 'tea', unless = [{ column = 'x', equals = '1' }] }", "2", {"product": "tea"}),
        ("attributes = { columns = ['x'] }", "long", {"attributes": {"x": "long"}}),
    ],
)
def test_a_value_by_its_rule(rule: str, cell: str, expected: dict):
    assert data(one(drafter(["x"], rule), cell)) == expected


@pytest.mark.parametrize(
    ("rule", "cell", "code"),
    [
        ('amount = "x"', "twelve", "bad_number"),
        ('amount = "x"', "nan", "bad_number"),
        ('amount = "x"', "1_000", "bad_number"),
        ('quantity = "x"', "2.5", "bad_number"),
        ('quantity = "x"', "1e400", "bad_number"),
        ("amount = { product = ['x', 'x'] }", "many", "bad_number"),
        ("product = { column = 'x', map = { a = 'apple' } }", "b", "not_in_map"),
    ],
)
def test_a_value_that_is_not_what_the_mapping_says(rule: str, cell: str, code: str):
    drafted = one(drafter(["x"], rule), cell)
    assert problem(drafted) == (code, "line 2, column x")
    assert cell not in drafted.items[0].unreadable.detail


def test_a_decimal_comma():
    compiled = Drafter(
        parse_mapping("file = { decimal = ',' }\n" + HEAD % "purchase.recorded" + 'amount = "x"'),
        ("day", "x"),
    )
    assert data(one(compiled, "1.234,50")) == {"amount": "1234.50"}


def test_an_impossible_number_is_dropped_with_a_warning_and_the_call_is_kept():
    rule = 'ivr_seconds = { column = "x", at_least = 0, warn = "negative_time" }'
    drafted = one(drafter(["x"], rule, "touch.recorded"), "-5")
    assert data(drafted) == {}
    assert drafted.warnings == ["negative_time"]


@pytest.mark.parametrize(
    ("begin", "end", "seconds"),
    [("9:00:05", "9:01:00", 55), ("23:59:30", "0:00:10", 40), ("9:00", "9:00", 0)],
)
def test_seconds_between_two_times_of_day_over_midnight(begin: str, end: str, seconds: int):
    rule = 'talk_seconds = { between = ["from", "to"], at_least = 0 }'
    assert data(one(drafter(["from", "to"], rule, "touch.recorded"), begin, end)) == {"talk_seconds": seconds}


def test_an_end_shortly_before_its_beginning_is_impossible_and_not_the_next_day():
    rule = 'talk_seconds = { between = ["from", "to"], at_least = 0 }'
    drafted = one(drafter(["from", "to"], rule, "touch.recorded"), "9:00:05", "9:00:00")
    assert (data(drafted), drafted.warnings) == ({}, ["below_least"])


@pytest.mark.parametrize(
    ("rule", "cell", "expected"),
    [
        ("confirmed = 'x'", "Yes", {"confirmed": True}),
        ("signals = 'x'", "angry", {"signals": ["angry"]}),
        ("text = 'x'", "my bill is wrong", {"text": "my bill is wrong"}),
    ],
)
def test_values_of_a_touch(rule: str, cell: str, expected: dict):
    assert data(one(drafter(["x"], rule, "touch.recorded"), cell)) == expected


def test_a_moment_inside_the_data():
    rule = 'bill_id = "x"\namount = "x"\ndue_at = { moment = { rule = "fixed", at = "2020-07-01" } }'
    assert data(one(drafter(["x"], rule, "bill.issued"), "4"))["due_at"] == "2020-07-01T00:00:00+01:00"


def test_a_required_value_that_is_empty_is_told():
    code, path = problem(one(drafter(["x"], 'bill_id = "x"\namount = "x"', "bill.paid"), ""))
    assert (code, path) == ("missing_value", "line 2")


@pytest.mark.parametrize(
    ("condition", "cell", "holds"),
    [
        ("one_of = ['a', 'b']", "b", True), ("one_of = ['a', 'b']", "c", False),
        ("none_of = ['a']", "c", True),
        ("starts_with = 'C'", "C12", True), ("starts_with = 'C'", "12", False),
        ("not_starts_with = 'C'", "12", True), ("empty = true", "  ", True), ("empty = false", "", False),
        ("sign = 'negative'", "-1", True), ("sign = 'zero'", "0.0", True), ("sign = 'positive'", "0", False),
        ("equals = 'a', empty = false", "a", True),
    ],
)  # fmt: skip
def test_conditions(condition: str, cell: str, holds: bool):
    rule = f"product = {{ const = 'tea', when = [{{ column = 'x', {condition} }}] }}"
    assert bool(data(one(drafter(["x"], rule), cell))) is holds


def test_the_order_of_the_rows_gives_the_years():
    rule = 'rule = "year_by_order", month = "m", day = "day", first_year = 2008, last_year = 2010'
    text = (HEAD % "purchase.recorded").replace('rule = "date", column = "day"', rule) + 'product = "m"'
    compiled = Drafter(parse_mapping(text), ("day", "m"))
    rows = [
        ("5", "may"),
        ("30", "dec"),
        ("28", "jan"),
        ("2", "1"),
        ("31", "Oct"),
        ("6", "january"),
        ("1", "jan"),
    ]
    moments = [one(compiled, month, day=day).items[0].occurred_at[:10] for day, month in rows]
    assert moments == [
        "2008-05-05", "2008-12-30", "2009-01-28", "2009-01-02", "2009-10-31", "2010-01-06", "2010-01-01",
    ]  # fmt: skip
    assert problem(one(compiled, "feb", day="30"))[0] == "bad_date"
    assert problem(one(compiled, "sunday", day="3"))[0] == "bad_date"
    assert one(compiled, "dec", day="1").items[0].occurred_at[:10] == "2010-12-01"
    assert problem(one(compiled, "jan", day="3"))[0] == "year_after_last"


@pytest.mark.parametrize(
    ("months", "begin"),
    [("0", "2018-03-31"), ("1", "2018-02-28"), ("12", "2017-03-31"), ("25", "2016-02-29")],
)
def test_months_before_a_stated_day(months: str, begin: str):
    text = (HEAD % "purchase.recorded").replace(
        'rule = "date", column = "day"', 'rule = "months_before", months = "day", before = "2018-03-31"'
    )
    compiled = Drafter(parse_mapping(text + 'product = "x"'), ("day", "x"))
    assert one(compiled, "tea", day=months).items[0].occurred_at[:10] == begin
    assert problem(one(compiled, "tea", day="-4"))[0] == "bad_number"
    assert problem(one(compiled, "tea", day="99999"))[0] == "bad_number"


@pytest.mark.parametrize("day", ["2020-02-30", "yesterday", "", "10000-01-01", "2020-13-01"])
def test_a_date_that_is_none(day: str):
    drafted = one(drafter(["x"], 'product = "x"'), "tea", day=day)
    assert problem(drafted) == ("bad_date", "line 2, column day")


def test_a_year_far_away_is_a_date_and_the_gateway_judges_it():
    assert one(drafter(["x"], 'product = "x"'), "tea", day="9999-12-31").items[0].occurred_at[:4] == "9999"


def test_a_local_hour_that_comes_twice_is_warned_of():
    compiled = drafter(["x"], 'product = "x"')
    drafted = one(compiled, "tea", day="2020-10-25 01:30:00")
    assert (drafted.items[0].occurred_at, drafted.warnings) == (
        "2020-10-25T01:30:00+01:00",
        ["ambiguous_hour"],
    )
    assert one(compiled, "tea", day="2020-10-25 01:30:00").warnings == ["ambiguous_hour"]
    assert one(compiled, "tea", day="2020-10-25T01:30:00+00:00").warnings == []


def test_a_moment_known_later_than_it_happened():
    text = (HEAD % "purchase.recorded").replace(
        "[[event]]", 'known_at = { rule = "fixed", at = "2021-01-01" }\nknown_assumed = false\n[[event]]'
    )
    [draft] = one(Drafter(parse_mapping(text + 'product = "x"'), ("day", "x")), "tea").items
    assert (draft.occurred_at[:10], draft.known_at[:10], draft.known_assumed) == (
        "2020-05-01",
        "2021-01-01",
        False,
    )


WHO = """
[[identifier]]
kind = "phone"
column = "x"
skip = ["0"]
pattern = '\\+?[0-9 ]+'
warn = "phone_damaged"
"""


def test_an_identifier_that_is_none_leaves_the_row_to_nobody():
    compiled = drafter(["x"], "", more=WHO)
    assert one(compiled, "+44 20 7946 0000").identifiers == (
        GivenIdentifier("phone", "+44 20 7946 0000", ""),
    )
    assert one(compiled, "0").identifiers == ()
    damaged = one(compiled, "4.4E+11")
    assert (damaged.identifiers, damaged.warnings) == ((), ["phone_damaged"])


def test_a_personal_value_prints_nowhere():
    drafted = one(drafter(["x"], "amount = 'day'", more=WHO), "+44 20 7946 0000", day="2020-05-01")
    assert "7946" not in repr(drafted)


def test_lines_that_tell_no_event_are_set_aside_under_their_code():
    more = '[[set_aside]]\ncode = "test_order"\ndetail = "a test"\nwhen = [{ column = "x", equals = "T" }]'
    compiled = drafter(["x"], 'product = "x"', more=more)
    assert problem(one(compiled, "T")) == ("test_order", "line 2")
    assert data(one(compiled, "tea")) == {"product": "tea"}


@pytest.mark.parametrize(
    ("rule", "type_", "key"),
    [
        ("amount = 'no_such'", "purchase.recorded", "event[1].data.amount.column"),
        ("prize = 'x'", "purchase.recorded", "event[1].data.prize"),
        ("amount = 'x'", "bill.paid", "event[1].data.bill_id"),
        ("amount = 'x'", "purchase.dreamt", "event[1].type"),
        ("amount = 'x'", "lifecycle.stage_changed", "event[1].type"),
        ("amount = { }", "purchase.recorded", "event[1].data.amount"),
        ("attributes = 'x'", "purchase.recorded", "event[1].data.attributes"),
        ("channel = { const = 'pigeon' }", "touch.recorded", "event[1].data.channel.const"),
        ("channel = { column = 'x', map = { a = 'pigeon' } }", "touch.recorded", "event[1].data.channel.map"),
        ("product = { const = 'a', when = [{ column = 'x' }] }", "purchase.recorded",
         "event[1].data.product.when[1]"),
    ],
)  # fmt: skip
def test_a_rule_that_does_not_fit_the_contract_or_the_file_names_its_key(rule: str, type_: str, key: str):
    with pytest.raises(MappingProblem) as caught:
        drafter(["x"], rule, type_)
    assert caught.value.key == key


def test_an_event_needs_a_time():
    text = (HEAD % "purchase.recorded").replace('occurred_at = { rule = "date", column = "day" }', "")
    with pytest.raises(MappingProblem, match=r"event\[1\]\.occurred_at"):
        Drafter(parse_mapping(text + 'product = "x"'), ("x",))

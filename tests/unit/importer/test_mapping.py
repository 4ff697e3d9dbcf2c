"""A mapping file is checked before a line is read, and an error names the key."""

import re

import pytest

from services.importer.explaining import explain
from services.importer.mapping import (
    MappingProblem,
    load_mapping,
    parse_mapping,
    ready_mapping,
    ready_mappings,
)

GOOD = """
source = "shop"
[defaults]
occurred_at = { rule = "date", column = "day" }
[[event]]
type = "purchase.recorded"
data = { amount = "paid" }
"""


def test_a_column_name_alone_is_a_rule():
    [block] = parse_mapping(GOOD).event
    assert block.data["amount"].column == "paid"


@pytest.mark.parametrize(
    ("old", "new", "key", "words"),
    [
        ('source = "shop"', "", "mapping", "source"),
        ('source = "shop"', 'source = "shop"\nsauce = 1', "mapping", "sauce"),
        ('source = "shop"', 'source = "shop"\nfile = { separator = "::" }', "file.separator", "whitespace"),
        ('source = "shop"', 'source = "shop"\nfile = { header = "no" }', "file.columns", "must be listed"),
        ('source = "shop"', 'source = "shop"\nfile = { encoding = "utf-9" }', "file.encoding", "latin-1"),
        ('source = "shop"', 'source = "shop"\nfile = { quote = "<<" }', "file.quote", "one character"),
        ("[defaults]", '[defaults]\nzone = "Mars/Base"', "defaults.zone", "Europe/London"),
        ('rule = "date"', 'rule = "guess"', "defaults.occurred_at.rule", "guess"),
        ('{ amount = "paid" }', "{ amount = { colum = 'paid' } }", "event[1].data[...]", "colum"),
        ("[[event]]", "[event]", "event", "array"),
        ("[[event]]", "[[event", "mapping", "TOML"),
    ],
)
def test_a_mistake_names_its_key(old: str, new: str, key: str, words: str):
    with pytest.raises(MappingProblem, match=re.escape(words)) as caught:
        parse_mapping(GOOD.replace(old, new))
    assert caught.value.key == key


def test_no_event_block_is_a_mistake():
    with pytest.raises(MappingProblem, match="at least one"):
        parse_mapping('source = "shop"\nevent = []')


def test_a_mapping_that_is_not_there_names_the_ready_ones(tmp_path):
    with pytest.raises(MappingProblem, match="cdnow"):
        load_mapping(tmp_path / "none.toml")


def test_a_mapping_in_another_encoding_is_told(tmp_path):
    (tmp_path / "m.toml").write_bytes(b'source = "caf\xe9"')
    with pytest.raises(MappingProblem, match="UTF-8"):
        load_mapping(tmp_path / "m.toml")


def test_comments_do_not_change_what_a_mapping_is():
    assert parse_mapping(GOOD).digest == parse_mapping(f"# a word\n{GOOD}").digest
    assert parse_mapping(GOOD).digest != parse_mapping(GOOD.replace("paid", "sum")).digest


@pytest.mark.parametrize("name", ready_mappings())
def test_every_ready_mapping_explains_itself(name: str):
    sentences = explain(ready_mapping(name))
    assert sentences[0].startswith("Times: ")
    assert any(sentence.startswith("Assumed: ") for sentence in sentences)


def test_the_rule_for_years_is_said_in_words():
    [times, known, *_] = explain(ready_mapping("bank_campaigns"))
    assert "the first row is of 2008" in times
    assert "none is after 2010" in times
    assert "marked as assumed" in known

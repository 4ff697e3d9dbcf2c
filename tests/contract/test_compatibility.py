"""A change that would surprise a reader of what was published does not pass."""

import copy
import json

import pytest

from events import codec, registry, schema
from events.compatibility import ANEW, CHANGED, GONE, NARROWED, WIDENED, breaks

PUBLISHED = json.loads(schema.documents()["case.opened.1.published.json"])


def test_the_present_classes_keep_every_published_schema():
    assert schema.broken() == []


def changed(change):
    after = copy.deepcopy(PUBLISHED)
    change(after["$defs"]["CaseOpened"])
    return after


def test_the_same_schema_surprises_nobody():
    assert breaks(PUBLISHED, copy.deepcopy(PUBLISHED)) == []


def _optional(body):
    body["properties"]["colour"] = {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None}


def _reworded(body):
    body["description"] = "Said better."
    body["properties"]["case_id"]["description"] = "Said better."


@pytest.mark.parametrize("change", [_optional, _reworded])
def test_a_new_optional_field_or_a_better_word_is_fine(change):
    assert breaks(PUBLISHED, changed(change)) == []


def _removed(body):
    del body["properties"]["reason"]
    body["required"].remove("reason")


def _retyped(body):
    body["properties"]["reason"] = {"type": "integer"}


def _required(body):
    body["properties"]["colour"] = {"type": "string"}
    body["required"].append("colour")


def _loosened(body):
    body["required"].remove("reason")


def _tightened(body):
    body["required"].append("severity")


def _one_word_more(body):
    body["properties"]["severity"]["enum"].append("desperate")


def _one_word_less(body):
    body["properties"]["severity"]["enum"].remove("low")


def _another_default(body):
    body["properties"]["severity"]["default"] = "low"


def _shorter(body):
    body["properties"]["case_id"]["maxLength"] = 10


def _nullable(body):
    body["properties"]["reason"] = {"anyOf": [body["properties"]["reason"], {"type": "null"}]}


def _other_kind(body):
    body["properties"]["due_at"]["anyOf"][0] = {"type": "string"}


def _patterned(body):
    body["properties"]["case_id"]["pattern"] = "^[a-z]+$"


def _other_pattern(body):
    body["properties"]["reason"]["pattern"] = "^[a-z]+$"


@pytest.mark.parametrize(
    ("change", "field", "cure"),
    [
        (_removed, "reason", GONE),
        (_retyped, "reason", CHANGED),
        (_required, "colour", "give it a default"),
        (_loosened, "reason", CHANGED),
        (_tightened, "severity", "give it a default"),
        (_one_word_more, "severity", WIDENED),
        (_one_word_less, "severity", NARROWED),
        (_another_default, "severity", CHANGED),
        (_shorter, "case_id", NARROWED),
        (_patterned, "case_id", NARROWED),
        (_other_pattern, "reason", CHANGED),
        (_nullable, "reason", WIDENED),
        (_other_kind, "due_at", CHANGED),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_breaks_a_reader_is_found_and_one_sentence_says_what_to_do(change, field, cure):
    found = breaks(PUBLISHED, changed(change))
    assert all(f"$.{field}" in one and ANEW in one for one in found)
    assert any(cure in one for one in found)


def test_a_change_inside_a_part_is_found():
    before = json.loads(schema.documents()["campaign.planned.1.published.json"])
    after = copy.deepcopy(before)
    del after["$defs"]["CampaignStep"]["properties"]["offer"]
    (found,) = breaks(before, after)
    assert found.startswith("$.steps[].offer is gone: ")


def _narrow(text):
    return text.replace('"maxLength": 200', '"maxLength": 10')


def test_a_breaking_schema_does_not_replace_the_published_one(tmp_path):
    """Otherwise `make schemas` would make any change right."""
    schema.write(tmp_path)
    target = tmp_path / "case.opened.1.published.json"
    target.write_text(_narrow(target.read_text()))
    before = target.read_text()
    with pytest.raises(schema.ContractBroken, match=r"case\.opened\.1\.published\.json: \$\.case_id"):
        schema.write(tmp_path)
    assert target.read_text() == before
    assert any("case.opened" in one for one in schema.broken(tmp_path))


def test_a_type_that_vanished_or_went_back_is_found(tmp_path):
    (tmp_path / "parcel.weighed.1.published.json").write_text("{}")
    (tmp_path / "case.opened.2.published.json").write_text("{}")
    back, gone = schema.broken(tmp_path)
    assert back.startswith("case.opened.2.published.json: the schema went back to 1: ")
    assert gone.startswith(
        "parcel.weighed.1.published.json: the type is gone, but its events are in the journal"
    )
    assert "put it back under its old name" in gone


def test_a_past_schema_needs_its_upcaster(monkeypatch, tmp_path):
    entry = registry.find("case.opened")
    raised = type(entry)(
        wire=entry.wire, schema=2, cls=entry.cls, strict=entry.strict, door=entry.door, by=entry.by,
        category=entry.category, key=entry.key,
    )  # fmt: skip
    monkeypatch.setitem(registry._BY_WIRE, "case.opened", raised)
    (tmp_path / "case.opened.1.published.json").write_text(json.dumps(PUBLISHED))
    (found,) = schema.broken(tmp_path)
    assert found.startswith("case.opened.1.published.json: no upcaster from schema 1: write one")
    monkeypatch.setitem(codec._UPCASTERS, ("case.opened", 1), dict)
    assert schema.broken(tmp_path) == []

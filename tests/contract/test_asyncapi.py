"""The AsyncAPI page as those read it who have no other: AsyncAPI's own parser, and a person with one page of rules."""

import json
import re
from pathlib import Path

from events import schema, topics
from events.asyncapi import HEADERS, STATE_HEADERS
from events.subscriber_rules import RULES
from infra import messages
from tests.support import node

PAGE = Path(__file__).parents[2] / "docs" / "subscribing.md"
ASYNCAPI = schema.documents()["asyncapi.json"]
ERROR = 0


def parsed(text):
    return json.loads(node.run("asyncapi.mjs", given=text))


def errors(found):
    return [one for one in found["diagnostics"] if one["severity"] == ERROR]


def test_the_parser_of_asyncapi_finds_no_error():
    found = parsed(ASYNCAPI)
    assert errors(found) == []
    assert found["version"] == "3.0.0"
    assert topics.state_topic("{prefix}") in found["channels"]


def test_the_parser_of_asyncapi_would_find_one():
    """Else the test before this one proved nothing."""
    page = json.loads(ASYNCAPI)
    page["channels"]["events"]["messages"]["case.opened"]["$ref"] = "#/components/messages/case.opend"
    assert errors(parsed(json.dumps(page)))


def test_the_page_of_rules_is_what_the_contract_says():
    assert RULES in PAGE.read_text(), "docs/subscribing.md and events/subscriber_rules.py say the same"
    assert RULES in json.loads(ASYNCAPI)["info"]["description"]


def test_every_header_and_topic_is_on_the_page_of_rules():
    said = PAGE.read_text()
    for name in HEADERS | STATE_HEADERS:
        assert f"`{name}`" in said, name
    for name in ("events", "intake", "customer-state"):
        assert f"`touchstone.{name}`" in said
    types = set(re.findall(r"`((?:identity|customer|touch)\.[a-z_]+)`", said))
    assert types <= {entry["name"] for entry in json.loads(ASYNCAPI)["components"]["messages"].values()}


def test_what_goes_under_two_keys_is_named_in_the_rules():
    assert all(f"`{wire}`" in RULES for wire in messages.TWO_KEYS)

"""What the two OpenAPI documents promise, asked of the running applications: schemathesis, with all its checks."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from schemathesis import engine
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events

from services.api.app import create_app as create_api
from services.gateway.app import create_app as create_gateway
from tests.support.folding import fold
from tests.support.sending import account, email, item, phone, purchase, send

BOUNDED: dict[str, Any] = {
    "seed": 1,
    "headers": {"Authorization": "Bearer test-key"},
    "continue-on-failure": True,
    "generation": {"max-examples": 5, "deterministic": True, "database": "none"},
    "phases": {"stateful": {"enabled": False}},
}
OK, REFUSED = ["2xx", "3xx"], [400, 401, 403, 404, 405, 409, 413, 415, 422]
RULES_BEYOND_SCHEMAS = {"positive_data_acceptance": {"expected-statuses": [*OK, *REFUSED]}}
"""A moment out of reach, an amount without a currency, a cursor of somebody else's: no schema can say those."""
VERDICT_BY_ITEM = {"negative_data_rejection": {"expected-statuses": [*OK, *REFUSED]}}
"""The doors answer 200 with a verdict for each item, so that no sender drops a batch: `verdicts_add_up` looks there."""
DOORS = {**RULES_BEYOND_SCHEMAS, **VERDICT_BY_ITEM}
TRIED = 1_000
"""Answers that were checked, at least: a document that lost its routes would break no promise."""
UNENDING = r"/prompts$|^/v1/events$"
"""Streams, and questions that wait for an answer."""
OPERATIONS = r"^/metrics$"
"""For Prometheus, in its own form."""


@schemathesis.check
def verdicts_add_up(ctx, response, case):
    """Whatever answers how many items it received says of each what became of it."""
    told = response.json() if "json" in response.headers.get("content-type", [""])[0] else None
    if isinstance(told, dict) and "received" in told:
        verdicts = ("accepted", "duplicates", "refused", "quarantined")
        assert told["received"] == sum(told[one] for one in verdicts)


@pytest.fixture
def peopled(workspace):
    """A workspace in which somebody is known."""
    send(
        workspace,
        item("1", account("1"), phone(), email(), channel="voice", text="about my bill"),
        item("2", account("2"), phone("+1 415 555 0100"), channel="chat"),
        purchase("3", account("1"), at=workspace.clock.now()),
    )
    fold(workspace)
    return workspace


def broken(app: FastAPI, checks: dict[str, Any], leaving_out: str) -> list[str]:
    """Every promise that does not hold: the operation, the check, and what it found."""
    config = SchemathesisConfig.from_dict({**BOUNDED, "checks": checks})
    schema = schemathesis.openapi.from_asgi("/openapi.json", app, config=config)
    told = list(_told(engine.from_schema(schema.exclude(path_regex=leaving_out)).execute()))
    assert len(told) > TRIED
    return sorted({one for one in told if one})


def _told(stream: Any) -> Iterator[str]:
    """For each check of each answer what is wrong, if anything is."""
    for event in stream:
        match event:
            case events.ScenarioFinished(recorder=recorder):
                for node in (one for nodes in recorder.checks.values() for one in nodes):
                    found = node.failure_info
                    yield f"{recorder.label}: {node.name}: {found.failure}" if found else ""
            case events.NonFatalError() | events.FatalError():
                yield str(event)


def test_the_gateway_does_what_its_document_says(peopled):
    assert broken(create_gateway(peopled), DOORS, OPERATIONS) == []


def test_the_api_does_what_its_document_says(peopled):
    assert broken(create_api(peopled), RULES_BEYOND_SCHEMAS, f"{OPERATIONS}|{UNENDING}") == []

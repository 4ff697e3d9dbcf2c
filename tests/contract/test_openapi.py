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


def broken(app: FastAPI, **leaving_out: str) -> list[str]:
    """Every promise that does not hold: the operation, the check, and what it found."""
    schema = schemathesis.openapi.from_asgi("/openapi.json", app, config=SchemathesisConfig.from_dict(BOUNDED))
    schema = schema.exclude(**leaving_out) if leaving_out else schema
    found = sorted(set(_told(engine.from_schema(schema).execute())))
    __import__("pathlib").Path("/tmp/bi/"+app.title.replace(" ","_")+".txt").write_text("\n@@@".join(found))
    return found


def _told(stream: Any) -> Iterator[str]:
    tried = 0
    for event in stream:
        match event:
            case events.ScenarioFinished(recorder=recorder):
                for nodes in recorder.checks.values():
                    tried += len(nodes)
                    for node in nodes:
                        if node.failure_info is not None:
                            yield f"{recorder.label}: {node.name}: {node.failure_info.failure}"
            case events.NonFatalError() | events.FatalError():
                yield str(event)
    print("checks", tried)


def test_the_gateway_does_what_its_document_says(peopled):
    assert broken(create_gateway(peopled)) == []


def test_the_api_does_what_its_document_says(peopled):
    assert broken(create_api(peopled), path_regex=r"^/metrics$|/prompts$|^/v1/events$") == []

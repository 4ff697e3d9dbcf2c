"""What the two OpenAPI documents promise, asked of the running applications: schemathesis, with all its checks."""

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings

from services.api.app import create_app as create_api
from services.gateway.app import create_app as create_gateway
from tests.support.folding import fold
from tests.support.sending import account, email, item, phone, purchase, send

EXAMPLES = 5
KEY = {"Authorization": "Bearer test-key"}
BOUNDED = settings(
    max_examples=EXAMPLES, deadline=None, derandomize=True, database=None,
    phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck),
)  # fmt: skip


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


@pytest.fixture
def gateway_document(peopled):
    return schemathesis.openapi.from_asgi("/openapi.json", create_gateway(peopled))


@pytest.fixture
def api_document(peopled):
    return schemathesis.openapi.from_asgi("/openapi.json", create_api(peopled))


gateway = schemathesis.pytest.from_fixture("gateway_document")
api = schemathesis.pytest.from_fixture("api_document").exclude(
    path_regex=r"^/metrics$|/prompts$|^/v1/events$"
)


@gateway.parametrize()
@BOUNDED
def test_the_gateway_does_what_its_document_says(case):
    case.call_and_validate(headers=KEY)


@api.parametrize()
@BOUNDED
def test_the_api_does_what_its_document_says(case):
    case.call_and_validate(headers=KEY)

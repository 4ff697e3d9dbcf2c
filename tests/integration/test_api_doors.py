"""Who may call, what a mistake is answered with, and what the documentation promises."""

import json
from itertools import product

import pytest
from starlette.testclient import TestClient

from events.schema import FOLDER
from infra.workspace import open_workspace
from services.api.app import create_app
from tests.support.calling import caller, read

PROBLEM = {"code", "detail", "message"}


@pytest.fixture
def api(workspace):
    return caller(workspace)


def test_without_a_key_nothing_is_answered_and_nothing_is_read(workspace):
    stranger = TestClient(create_app(workspace))
    wrong = ({}, {"Authorization": "Bearer wrong"}, {"X-API-Key": "ключ".encode()})
    asked = (("GET", "/v1/pipeline"), ("GET", "/v1/none"), ("POST", "/v1/opportunities"))
    for headers, (method, url) in product(wrong, asked):
        answer = stranger.request(method, url, headers=headers, content=b"{")
        assert (answer.status_code, answer.json()["code"]) == (401, "no_key")
        assert answer.json().keys() >= PROBLEM


def test_either_header_carries_the_key(workspace):
    for headers in ({"Authorization": "bearer test-key"}, {"X-API-Key": "test-key"}):
        assert TestClient(create_app(workspace)).get("/v1/pipeline", headers=headers).status_code == 200


def test_health_and_metrics_need_no_key(workspace):
    stranger = caller(workspace, key=None)
    assert read(stranger, "/health") == {"status": "ready"}
    assert "python_info" in stranger.get("/metrics").text


def test_a_database_that_does_not_answer_is_said_so_with_when_to_come_back(workspace, settings, postgres):
    away = open_workspace(
        settings.model_copy(
            update={"database_url": postgres.url("postgres").replace("/postgres", "/nowhere")}
        )
    )
    answer = caller(away).get("/v1/pipeline")
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert int(answer.headers["retry-after"]) > 0
    away.close()


MISTAKES = [
    ("GET", "/v1/nothing", b"", 404),
    ("DELETE", "/v1/pipeline", b"", 405),
    ("POST", "/v1/opportunities", b"{", 422),
    ("POST", "/v1/opportunities", b"\xff", 400),
    ("POST", "/v1/opportunities", b"[" * 100_000, 400),
    ("POST", "/v1/opportunities", b'{"subject": "\\ud800"}', 422),
    ("POST", "/v1/opportunities", b'"' + b"x" * 300_000 + b'"', 413),
    ("POST", "/v1/opportunities", b"", 422),
    ("GET", "/v1/events/none", b"", 422),
    ("GET", "/v1/schemas/..%2F..%2Fpyproject.toml", b"", 404),
    ("GET", "/v1/schemas/none.json", b"", 404),
    ("GET", "/v1/pipeline?source=%00", b"", 422),
]


def test_every_mistake_is_answered_in_one_form(api):
    for method, url, content, status in MISTAKES:
        answer = api.request(method, url, content=content, headers={"Content-Type": "application/json"})
        assert answer.status_code == status, (method, url, content[:20])
        assert answer.json().keys() >= PROBLEM
        assert answer.json()["detail"] == answer.json()["message"]


def test_no_mistake_is_answered_with_a_pattern(api):
    answers = [
        api.post("/v1/opportunities", json={"subject": "leased line"}),
        api.get("/v1/events", headers={"Last-Event-ID": "soon"}),
        api.post("/v1/opportunities", json={"subject": "a"}, headers={"Idempotency-Key": "a b"}),
        api.get("/v1/pipeline", params={"source": "\0"}),
    ]
    for answer in answers:
        assert answer.status_code == 422
        assert answer.json()["detail"].startswith("Expected "), answer.text
        assert "^" not in answer.json()["detail"]


def test_a_body_that_does_not_say_its_length_is_counted(api):
    def endless():
        for _ in range(100):
            yield b"x" * 10_000

    answer = api.post("/v1/opportunities", content=endless(), headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


def test_no_answer_repeats_what_a_sender_put_where_it_does_not_belong(api):
    body = {"subject": "leased line of Ann Miller", "Ann Miller, Elm Road": 1, "customer": ["+14155552671"]}
    answer = api.post("/v1/opportunities", json=body)
    assert answer.status_code == 422
    for personal in ("Ann", "Elm", "4155552671"):
        assert personal not in answer.text


def test_an_unknown_event_and_a_schema_that_is_there(api):
    answer = api.get("/v1/events/01997a3e-0000-7000-8000-000000000002")
    assert (answer.status_code, answer.json()["code"]) == (404, "event.unknown")
    name = "touch.recorded.1.published.json"
    assert read(api, f"/v1/schemas/{name}") == json.loads((FOLDER / name).read_text())


PUBLIC = "https://api.example.com"


def test_with_a_public_address_the_contract_is_read_there_without_a_key(workspace, settings):
    """Whoever got an event opens the address in its `dataschema`; each document goes by where it is served."""
    stranger = caller(workspace, key=None)
    for name in ("touch.recorded/1", "asyncapi.json"):
        assert stranger.get(f"/v1/schemas/{name}").status_code == 401
    public = open_workspace(settings.model_copy(update={"public_url": PUBLIC}))
    stranger = caller(public, key=None)
    for path, id in (
        ("touch.recorded/1", "touch.recorded/1"), ("touch.recorded.1.published.json", "touch.recorded/1"),
        ("customer-state/1", "customer-state/1"), ("envelope.json", "envelope.json"),
        ("touch.recorded.1.inbound.json", "touch.recorded.1.inbound.json"),
    ):  # fmt: skip
        assert read(stranger, f"/v1/schemas/{path}")["$id"] == f"{PUBLIC}/v1/schemas/{id}"
        assert read(stranger, f"/v1/schemas/{id}")["$id"] == f"{PUBLIC}/v1/schemas/{id}"
    assert (
        f'"const": "{PUBLIC}/v1/schemas/customer-state/1"' in stranger.get("/v1/schemas/asyncapi.json").text
    )
    closed = (("GET", "/v1/schemas"), ("POST", "/v1/schemas/asyncapi.json"), ("GET", "/v1/pipeline"))
    assert {stranger.request(method, path).status_code for method, path in closed} == {401}
    routes = create_app(public).openapi()["paths"].items()
    free = {
        path
        for path, told in routes
        if path.startswith("/v1/") and any("security" not in one for one in told.values())
    }
    assert free == {"/v1/schemas/{name}", "/v1/schemas/{type}/{number}"}
    public.close()


def test_every_route_is_documented_with_an_example_and_its_problems(workspace):
    document = create_app(workspace).openapi()
    for path, routes in document["paths"].items():
        for method, route in routes.items():
            told = f"{method} {path}"
            assert route["description"], told
            if not path.startswith("/v1/"):
                continue
            assert {"401", "422", "503"} <= route["responses"].keys(), told
            assert route["security"], told
            if path != "/v1/schemas/{name}" and not path.startswith("/v1/lists"):
                assert _example(route, document["components"]["schemas"]), told


def _example(route, models) -> bool:
    """Does the model of the successful answer, or one inside it, show an example?"""
    success = json.dumps([told for status, told in route["responses"].items() if status.startswith("2")])
    named = _names(success)
    inside = [inner for name in named for inner in _names(json.dumps(models[name]))]
    return any("examples" in models[name] for name in [*named, *inside])


def _names(text: str) -> list[str]:
    return [part.split('"')[0] for part in text.split("#/components/schemas/")[1:]]

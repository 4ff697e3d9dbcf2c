"""Health that does not wait behind events, figures that are all documented, and labels nobody can fill with values."""

import ast
import asyncio
import re
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from fastapi.testclient import TestClient
from prometheus_client import REGISTRY
from sqlalchemy import text
from starlette.requests import ClientDisconnect
from structlog.testing import capture_logs

from infra.ids import new_id
from infra.observing import Observed
from infra.process.health import Health
from infra.telemetry import CODES, code_label, serve_metrics, show_held
from infra.workspace import open_workspace
from models.errors import Unavailable
from services.gateway.app import create_app
from tests.support.calling import caller
from tests.support.sending import item, phone

ROOT = Path(__file__).parents[2]
KEY = {"Authorization": "Bearer test-key"}
UNITS = ("total", "seconds", "events", "entries", "lag")
PATIENCE = 30.0


@pytest.fixture
def gateway(workspace):
    with TestClient(create_app(workspace), headers=KEY) as client:
        yield client


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def figures() -> dict[str, tuple[str, set[str]]]:
    """Every figure that our code defines by its name, with what it means and its labels."""
    found = {}
    for path in (*ROOT.glob("infra/**/*.py"), *ROOT.glob("services/**/*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(
                    args=[ast.Constant(value=str(name)), ast.Constant(value=str(meaning)), *labels]
                ):
                    if name.startswith("touchstone_"):
                        found[name] = (
                            meaning,
                            {label for some in labels for label in ast.literal_eval(some)},
                        )
    return found


def test_every_figure_is_in_the_documentation_and_every_documented_one_exists():
    documented = re.findall(r"^\| `(touchstone_\w+)`", (ROOT / "docs/operating.md").read_text(), re.MULTILINE)
    assert sorted(documented) == sorted(figures())


def test_every_figure_is_named_for_what_it_counts_and_its_unit_and_says_what_it_means():
    for name, (meaning, _) in figures().items():
        assert name.rpartition("_")[2] in UNITS, name
        assert len(meaning.split()) > 3, name


def test_a_request_is_counted_under_its_route_its_status_and_nothing_it_said(gateway, workspace):
    api, name = caller(workspace), "touchstone_http_request_seconds_count"
    asked = [
        ("gateway", "POST", "/v1/touches", "200", lambda: gateway.post("/v1/touches", json=item("1"))),
        ("gateway", "POST", "/v1/touches", "401", lambda: gateway.post("/v1/touches", headers={"Authorization": "x"})),
        ("gateway", "POST", "/v1/facts", "400", lambda: gateway.post("/v1/facts", content=b"7")),
        ("gateway", "GET", "/v1/facts", "405", lambda: gateway.get("/v1/facts")),
        ("gateway", "GET", "none", "404", lambda: gateway.get("/v1/+14155552671")),
        ("gateway", "other", "none", "404", lambda: gateway.request("ANN", "/ann")),
        ("api", "GET", "/v1/customers/{customer_id}", "404", lambda: api.get(f"/v1/customers/{new_id()}")),
        ("api", "GET", "none", "401", lambda: api.get("/v1/pipeline", headers={"Authorization": "x"})),
        ("api", "GET", "/health/ready", "200", lambda: api.get("/health/ready")),
    ]  # fmt: skip
    for service, method, route, status, ask in asked:
        labels = {"service": service, "method": method, "route": route, "status": status}
        before = value(name, **labels)
        assert str(ask().status_code) == status
        assert value(name, **labels) == before + 1, labels
    said = gateway.get("/metrics").text + api.get("/metrics").text
    assert "4155552671" not in said
    assert "ann" not in re.findall(r'(?:route|method)="([^"]*)"', said)


def test_a_caller_who_goes_away_is_counted_and_is_no_failure_of_ours():
    async def gone(scope, receive, send):
        raise ClientDisconnect

    labels = {"service": "test", "method": "POST", "route": "none", "status": "499"}
    with capture_logs() as said:
        asyncio.run(Observed(gone, "test")({"type": "http", "method": "POST", "headers": []}, None, None))
    assert value("touchstone_http_request_seconds_count", **labels) == 1
    assert said == []


def test_health_and_figures_do_not_queue_behind_events_that_wait_for_the_journal(gateway, workspace):
    """Somebody holds the journal's lock: every thread that takes events in stands before it."""
    with (
        ThreadPoolExecutor(60) as senders,
        workspace.engine.connect() as connection,
        connection.begin() as holding,
    ):
        connection.execute(text("SELECT 1 FROM journal_head FOR UPDATE"))
        sent = [senders.submit(gateway.post, "/v1/touches", json=item(str(n))) for n in range(60)]
        for path in ("/health/live", "/health/ready", "/health", "/metrics"):
            assert gateway.get(path).status_code == 200
        assert not any(one.done() for one in sent)
        holding.rollback()
        assert [one.result(PATIENCE).json()["accepted"] for one in sent] == [1] * 60


def test_a_database_that_accepts_and_says_nothing_is_away_within_seconds(settings):
    with socket.socket() as frozen:
        frozen.bind(("127.0.0.1", 0))
        frozen.listen()
        url = f"postgresql://nobody@127.0.0.1:{frozen.getsockname()[1]}/nowhere"
        away = open_workspace(settings.model_copy(update={"vault_url": url}))
        with TestClient(create_app(away)) as gateway:
            answer = gateway.get("/health/ready")
            assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
            assert answer.headers["Retry-After"] == "2"
            assert "vault" in answer.json()["detail"]
            assert "journal" not in answer.json()["detail"]
            assert gateway.get("/health/live").status_code == 200
        away.close()


def test_a_check_that_hangs_is_asked_once_however_many_ask_and_the_others_are_told_apart():
    begun, go_on = [], threading.Event()

    def hangs():
        begun.append(1)
        go_on.wait(PATIENCE)

    def fails():
        raise ValueError("Ann Miller")

    health = Health({"broker": hangs, "journal": lambda: None, "disk": fails}, seconds=0.05)
    for _ in range(5):
        with pytest.raises(Unavailable) as told:
            health.check()
    assert str(told.value) == "broker: no answer in time; disk: ValueError"
    assert begun == [1]
    go_on.set()
    Health({"journal": lambda: None}).check()


def test_a_process_that_speaks_no_http_serves_its_figures_and_its_health():
    well = {"live": True, "ready": False}

    def check(name):
        def asked():
            if not well[name]:
                raise Unavailable("the database does not answer")

        return asked

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert serve_metrics(0) is None
    server = serve_metrics(port, check("live"), check("ready"))
    assert server.server_address == ("127.0.0.1", port)

    def ask(path):
        try:
            with urlopen(f"http://127.0.0.1:{port}{path}", timeout=PATIENCE) as answer:
                return answer.status, answer.read().decode()
        except HTTPError as error:
            return error.code, error.read().decode()

    try:
        assert ask("/health/live") == (200, "well\n")
        assert ask("/health/ready") == (503, "process: the database does not answer\n")
        well.update(live=False, ready=True)
        assert [ask(path)[0] for path in ("/health/live", "/health/ready", "/", "/health")] == [
            503,
            200,
            404,
            404,
        ]
        assert "touchstone_lag_events" in ask("/metrics")[1]
    finally:
        server.shutdown()
        server.server_close()


def test_the_quarantine_is_counted_by_code_as_it_fills_and_as_it_stands(gateway, workspace):
    api, total, held = caller(workspace), "touchstone_quarantined_total", "touchstone_quarantine_open_entries"
    before = {code: value(total, code=code) for code in ("unknown_type", "unreadable_line")}
    unreadable = {"code": "Ann Miller", "path": "$", "detail": "a line"}
    sent = [
        item("1", type="touch.invented"), item("2", type="touch.invented"), item("2", type="touch.invented"),
        {"source": "file", "source_id": "1", "unreadable": unreadable}, item("3", phone()),
    ]  # fmt: skip
    answer = gateway.post("/v1/touches", json=sent).json()
    assert answer["quarantined"] == 4
    assert value(total, code="unknown_type") == before["unknown_type"] + 3
    assert value(total, code="unreadable_line") == before["unreadable_line"] + 1
    said = api.get("/metrics").text
    assert f'{held}{{code="unknown_type"}} 2.0' in said
    assert f'{held}{{code="other"}} 1.0' in said
    with workspace.engine.begin() as connection:
        connection.execute(text("DELETE FROM quarantine"))
    assert f"{held}{{" not in api.get("/metrics").text


def test_figures_are_served_where_the_database_that_some_are_read_from_is_away(settings, postgres):
    nowhere = postgres.url("postgres").replace("/postgres", "/nowhere")
    away = open_workspace(settings.model_copy(update={"database_url": nowhere}))
    assert caller(away).get("/metrics").status_code == 200
    away.close()


@pytest.mark.parametrize(
    ("code", "label"),
    [("not_utf8", "not_utf8"), ("opportunity.closed", "opportunity.closed"), ("+14155552671", "other"),
     ("a4155552671", "other"), ("Ann", "other"), ("", "other"), ("ann miller", "other"), ("a" * 41, "other")],
)  # fmt: skip
def test_a_code_is_a_label_only_if_it_looks_like_one_of_ours(code, label):
    assert code_label(code) == label


def test_importers_who_make_up_codes_do_not_fill_the_memory_of_prometheus():
    words = ["".join(chr(97 + n // 26**place % 26) for place in range(3)) for n in range(CODES * 3)]
    show_held({word: number + 1 for number, word in enumerate(words)})
    shown = {
        sample.labels["code"]: sample.value
        for family in REGISTRY.collect()
        if family.name == "touchstone_quarantine_open_entries"
        for sample in family.samples
    }
    assert len(shown) == CODES + 1
    assert shown["other"] == sum(range(1, CODES * 2 + 1))
    show_held({})


def test_the_one_event_that_we_hold_by_mistake_shows_among_the_many_codes_of_importers():
    words = ["".join(chr(97 + n // 26**place % 26) for place in range(3)) for n in range(CODES * 3)]
    show_held({"projector_hung": 1} | {word: number + 2 for number, word in enumerate(words)})
    assert value("touchstone_quarantine_open_entries", code="projector_hung") == 1
    show_held({})

"""Logs, figures and error answers: every line is JSON and says which request; none repeats what a customer told."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from infra.database import engine_for
from infra.settings import Settings
from services.api.app import create_app as create_api
from services.gateway.app import create_app as create_gateway
from tests.support.sending import email, item, phone

PHONE, MAIL, NAME, WORDS = "4155559876", "wilhelmina@quigley.example", "Quigley", "boiler in the cellar"
PLANTED = (PHONE, "559-9876", "559 9876", MAIL, "wilhelmina", NAME, WORDS, "cellar")
PATIENCE = 30.0


@dataclass
class Process:
    """One of our processes as it really runs, and what it wrote."""

    url: str
    log: Path
    process: "subprocess.Popen[bytes]"

    def lines(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]


def started(settings: Settings, name: str, port_name: str) -> Process:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    env = {
        **os.environ, "DATABASE_URL": settings.database_url, "VAULT_URL": settings.vault_url, "KAFKA_BOOTSTRAP": "",
        "TOUCHSTONE_VAR": str(settings.var), "TOUCHSTONE_API_KEYS": "test-key", port_name: str(port),
    }  # fmt: skip
    path = settings.var / f"{name}.log"
    with path.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", f"services.{name}"], stdout=output, stderr=output, env=env
        )
    return Process(f"http://127.0.0.1:{port}", path, process)


def until_it_answers(one: Process) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            assert httpx.get(f"{one.url}/health/live").status_code == 200
            return
        except httpx.TransportError:
            assert one.process.poll() is None, one.log.read_text()
            assert time.monotonic() < deadline, one.log.read_text()
            time.sleep(0.05)


@pytest.fixture
def processes(settings) -> Iterator[tuple[Process, Process]]:
    """Gateway and API, running."""
    settings.var.mkdir(parents=True, exist_ok=True)
    _ = settings.master, settings.matching
    both = (
        started(settings, "gateway", "TOUCHSTONE_GATEWAY_PORT"), started(settings, "api", "TOUCHSTONE_API_PORT"),
    )  # fmt: skip
    try:
        for one in both:
            until_it_answers(one)
        yield both
    finally:
        for one in both:
            one.process.terminate()
        for one in both:
            one.process.wait(PATIENCE)


def run(settings: Settings, *statements: str) -> None:
    engine = engine_for(settings.database_url)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def whole(source_id: str, **fields: object) -> dict[str, object]:
    """A touch with everything a customer may tell, where it belongs."""
    return {**item(source_id, phone(PHONE), email(MAIL), channel="voice", text=f"{NAME}: {WORDS}"), **fields}


MALFORMED = [
    whole("m1", type=f"touch.{NAME}"), whole("m2", occurred_at=PHONE), whole("m3", **{PHONE: 1}),
    whole("m4", origin=NAME), whole("m5", identifiers=[{"kind": MAIL, "value": PHONE}]),
    whole("m6", identifiers=[{"kind": "phone", "value": MAIL}]), whole("m7", data={PHONE: WORDS}),
    whole("m8", data={"channel": WORDS}), whole("m9", data={"attributes": {NAME: {MAIL: PHONE}}}),
    whole("m10", data={"text": ["\x00", WORDS]}), whole("m11", type="purchase.recorded", data={"amount": PHONE + "x"}),
]  # fmt: skip
TOLD_BY_AN_IMPORTER = {"code": PHONE, "path": f"column {MAIL}", "detail": f"{NAME} {WORDS}", "raw": PHONE}
BODIES = [
    json.dumps([whole("b1")])[:-3].encode(), f"{PHONE} {MAIL}".encode(), b"\x1f\x8b" + MAIL.encode(),
    f'"{NAME}"'.encode(), WORDS.encode("utf-16"), json.dumps([whole("b2")]).encode().replace(b"voice", b"\xff"),
]  # fmt: skip


def test_what_customers_told_is_in_no_log_no_figure_and_no_error_answer(processes, settings):
    gateway, api = processes
    headers = {
        "Authorization": "Bearer test-key", "Cookie": NAME, "X-Request-Id": f"{NAME} {MAIL}",
        "traceparent": f"00-{PHONE}",
    }  # fmt: skip
    answers = []
    with httpx.Client(headers=headers) as client:

        def touch(**sent) -> None:
            answers.append(client.post(f"{gateway.url}/v1/touches", **sent))

        touch(json=[whole("good")])
        touch(json=MALFORMED)
        for body in BODIES:
            touch(content=body)
        touch(json=whole("q"), params={"phone": PHONE, NAME: MAIL})
        answers.append(client.post(f"{gateway.url}/v1/{MAIL}/{PHONE}", json=whole("q")))
        answers.append(httpx.post(f"{gateway.url}/v1/touches", headers={"Authorization": NAME}))
        unreadable = [item("line"), {"source": "f", "source_id": "l", "unreadable": TOLD_BY_AN_IMPORTER}]
        assert client.post(f"{gateway.url}/v1/facts", json=unreadable).status_code == 200
        # The journal turns away what the door let through: PostgreSQL's own words repeat the row.
        run(settings, f"ALTER TABLE journal ADD CHECK (source_id <> '{PHONE}' AND actor <> '{MAIL}')")
        # (a source id is the sender's own handle, so the answer repeats it: it is looked at apart)
        held = client.post(f"{gateway.url}/v1/touches", json=[whole(PHONE), whole("held", actor=MAIL)]).json()
        assert [one["code"] for one in held["results"]] == ["unrecordable"] * 2
        for path in (
            f"/v1/customers?phone={PHONE}",
            f"/v1/customers/{NAME}",
            f"/v1/events/{MAIL}",
            f"/{PHONE}",
        ):
            answers.append(client.get(api.url + path))
        body = {"subject": NAME, "note": WORDS, NAME: PHONE, "customer": [MAIL]}
        answers.append(client.post(f"{api.url}/v1/opportunities", json=body))
        answers.append(client.post(f"{api.url}/v1/opportunities", json={"subject": "loan"},
                                   headers={"Idempotency-Key": PHONE}))  # fmt: skip
        assert answers[-1].status_code == 500
        run(settings, "ALTER TABLE identifier RENAME TO elsewhere", "ALTER TABLE customer RENAME TO nowhere")
        touch(json=[whole("defect")])
        answers.append(client.post(f"{api.url}/v1/opportunities", json={
            "subject": "loan", "note": WORDS, "identifiers": [phone(PHONE)],
        }))  # fmt: skip
        figures = [client.get(f"{one.url}/metrics").text for one in processes]
    assert [answer.status_code for answer in answers[-2:]] == [500, 500]
    assert sum(answer.status_code >= 400 for answer in answers) >= 12
    for where in (*(one.text for one in answers), *figures, gateway.log.read_text(), api.log.read_text()):
        assert [one for one in PLANTED if one.lower() in where.lower()] == []
    failures = [line for one in processes for line in one.lines() if line["level"] == "error"]
    assert [line["message"] for line in failures if line["message"] != "not recorded"] == [
        "request failed"
    ] * 3
    assert "CheckViolation" in repr(failures)  # what PostgreSQL says of it would repeat the row
    assert 'touchstone_quarantined_total{code="unreadable_line"} 1.0' in figures[0]
    assert 'touchstone_quarantine_open_entries{code="other"} 1.0' in figures[1]


@pytest.fixture
def clients(workspace) -> Iterator[tuple[TestClient, TestClient]]:
    """Gateway and API within this process."""
    apps = create_gateway(workspace), create_api(workspace)
    headers = {"Authorization": "Bearer test-key", "X-Request-Id": "desk-7.a_b"}
    gateway, api = (TestClient(app, headers=headers, raise_server_exceptions=False) for app in apps)
    with gateway, api:
        yield gateway, api


def test_a_failure_is_told_with_its_request_its_kind_and_its_frames(clients, settings):
    """The caller has the id in hand; the log has the place, and PostgreSQL's code for what was wrong."""
    run(settings, "ALTER TABLE identifier RENAME TO elsewhere")
    calls = {
        "/v1/touches": whole("1"),
        "/v1/opportunities": {"subject": "loan", "identifiers": [phone(PHONE)]},
    }
    for client, (path, body) in zip(clients, calls.items(), strict=True):
        with capture_logs([merge_contextvars]) as said:
            answer = client.post(path, json=body)
        assert answer.status_code == 500
        assert answer.headers["X-Request-Id"] == answer.json()["request_id"] == "desk-7.a_b"
        (told,) = [line for line in said if line["log_level"] == "error"]
        assert (told["event"], told["request_id"], told["route"]) == ("request failed", "desk-7.a_b", path)
        assert {"kind": "UndefinedTable", "sqlstate": "42P01"}.items() <= told["error"][-1].items()
        assert any(frame.startswith("infra/identity/store.py:") for frame in told["error"][0]["frames"])


def test_a_request_without_an_id_or_with_one_that_may_not_be_logged_gets_its_own(clients):
    given = ["", MAIL, f"{NAME} 1", "a" * 101, "<script>", "desk:7", "wäre"]
    for one in clients:
        made = {
            one.get("/health/live", headers={"X-Request-Id": name.encode()}).headers["X-Request-Id"]
            for name in given
        }
        assert len(made) == len(given)
        assert made.isdisjoint(given)
        kept = one.get("/none", headers={"X-Request-Id": "a" * 100})
        assert kept.headers["X-Request-Id"] == "a" * 100


def test_a_problem_names_its_request(clients):
    gateway, api = clients
    for answer in (
        gateway.post("/v1/touches", headers={"Authorization": "none"}), gateway.get("/none"),
        gateway.post("/v1/touches", content=b"7"),
        api.get("/v1/pipeline", headers={"Authorization": "none"}), api.get("/none"),
        api.post("/v1/opportunities", json={}), api.get("/v1/events/01997a3e-0000-7000-8000-000000000002"),
    ):  # fmt: skip
        assert answer.status_code in (400, 401, 404, 422)
        assert answer.json()["request_id"] == answer.headers["X-Request-Id"] == "desk-7.a_b"


LIBRARIES = """
import asyncio, gc, logging, sys, threading, warnings
import structlog
from infra.logs import configure_logging

class Group:
    def __repr__(self):
        return "SECRET"

class Dying:
    def __del__(self):
        raise RuntimeError("SECRET")

def fails(*_):
    try:
        raise ValueError("SECRET")
    except ValueError as error:
        raise KeyError("SECRET") from error

async def later():
    async def task():
        fails()
    forgotten = asyncio.create_task(task())
    await asyncio.sleep(0)
    del forgotten
    gc.collect()
    asyncio.get_running_loop().call_soon(fails)
    await asyncio.sleep(0)
    async with asyncio.TaskGroup() as group:
        group.create_task(task())

configure_logging()
structlog.contextvars.bind_contextvars(request_id="r-1")
structlog.get_logger().warning("object", given=Group())
try:
    fails()
except KeyError as error:
    structlog.get_logger().exception("field", why=error)
    logging.getLogger("aiokafka").error("Unexpected %r after %s", error, error.__cause__)
    logging.getLogger("aiokafka").error("Unexpected %(error)r", {"error": error})
    logging.getLogger("faust").exception(f"Crashed reason={error!r}")
    logging.getLogger("uvicorn.error").error("Exception in ASGI application\\n", exc_info=error)
logging.getLogger("aiokafka").info("not of interest")
warnings.warn("SECRET")
thread = threading.Thread(target=fails)
thread.start()
thread.join()
Dying()
asyncio.run(later())
"""


def test_what_libraries_say_and_what_nobody_caught_is_json_and_loses_the_words_of_exceptions():
    ended = subprocess.run(
        [sys.executable, "-c", LIBRARIES], capture_output=True, text=True, timeout=PATIENCE
    )
    assert ended.returncode == 1
    assert "SECRET" not in ended.stderr + ended.stdout
    lines = [json.loads(line) for line in ended.stderr.splitlines()]
    assert [(line.get("logger", ""), line["message"]) for line in lines] == [
        ("", "object"), ("", "field"), ("aiokafka", "Unexpected 'KeyError' after ValueError"),
        ("aiokafka", "Unexpected 'KeyError'"), ("faust", "Crashed reason=***"),
        ("uvicorn.error", "Exception in ASGI application"), ("", "python warning"), ("", "uncaught"),
        ("", "uncaught"), ("asyncio", "Task exception was never retrieved"),
        ("asyncio", "Exception in callback fails() at <string>:14"), ("", "uncaught"),
    ]  # fmt: skip
    told = [line for line in lines if "error" in line]
    assert [one["kind"] for one in told[0]["error"]] == ["KeyError", "ValueError"]
    assert all(one["error"][-1]["frames"][-1] for one in told)
    assert [one["kind"] for one in lines[-1]["error"]] == ["ExceptionGroup", "KeyError", "ValueError"]
    assert all(line["request_id"] == "r-1" for line in lines[:7])

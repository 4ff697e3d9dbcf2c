"""The gateway's HTTP surface: two doors for events, health and metrics beside them."""

from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response, Security
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException

from infra.door import RECEIVED, VERDICTS, Answer
from infra.health import Health, answers
from infra.heart import Heart
from infra.logs import current_request
from infra.observing import NO_TELEMETRY, Observed, add_operations
from infra.security import key_of, may_call
from infra.telemetry import WAITING_EVENTS
from infra.workspace import Workspace
from models.errors import Unavailable
from services.gateway.body import BadBody, read_items
from services.gateway.direct import DirectRoute
from services.gateway.examples import BODY_SCHEMA, RESPONSES
from services.gateway.gathering import Gathering

WAITING = 50_000
"""Events that may wait for the journal at once; beyond, senders are asked to come back."""

DOOR = "gateway"


def create_app(workspace: Workspace, heart: Heart | None = None) -> FastAPI:
    """The gateway over an open workspace; `heart` is told when it waits for the journal."""
    app = FastAPI(
        title="Touchstone gateway",
        summary="Send what happened; an answer of 200 means it is recorded for ever.",
        version="1",
        telemetry=NO_TELEMETRY,
    )
    app.add_middleware(Observed, service=DOOR)
    gathering = Gathering(workspace.door(DOOR), workspace.clock, heart or Heart())
    waiting = 0

    async def receive(request: Request) -> Response:
        nonlocal waiting
        if not may_call(key_of(request.headers), workspace.settings.keys):
            raise BadBody(401, "no_key", "send a key of this workspace: Authorization: Bearer KEY")
        items = await read_items(request)
        if waiting + len(items) > WAITING:
            raise BadBody(429, "too_many_waiting", "more events are waiting than can be recorded soon")
        waiting += len(items)
        WAITING_EVENTS.labels(DOOR).set(waiting)
        try:
            told = await gathering.take(items)
        finally:
            waiting -= len(items)
            WAITING_EVENTS.labels(DOOR).set(waiting)
        return _json(200, summary(told))

    async def record_touches(request: Request) -> Response:
        """Record touches: what happened between a customer and the company on any channel."""
        return await receive(request)

    async def record_facts(request: Request) -> Response:
        """Record other facts: purchases, holdings, usage, bills, consents, answers, imported history."""
        return await receive(request)

    for path, door in (("/v1/touches", record_touches), ("/v1/facts", record_facts)):
        app.router.add_api_route(
            path, door, methods=["POST"], tags=["in"], responses=RESPONSES,
            openapi_extra={"requestBody": BODY_SCHEMA}, route_class_override=DirectRoute,
            dependencies=[Security(HTTPBearer(auto_error=False))],  # documents the key that `receive` asks for
        )  # fmt: skip
    add_operations(
        app, Health({"journal": answers(workspace.engine), "vault": answers(workspace.vault_engine)})
    )

    @app.exception_handler(BadBody)
    async def bad_body(_: Request, error: BadBody) -> Response:
        if error.status == 400 or error.code in ("body_too_large", "batch_too_large"):
            RECEIVED.labels(DOOR).inc()
            VERDICTS.labels(DOOR, "refused").inc()
        retry = {"Retry-After": "2"} if error.status == 429 else {}
        return _problem(error.status, error.code, error.detail, retry)

    @app.exception_handler(HTTPException)
    async def no_such_door(_: Request, error: HTTPException) -> Response:
        detail = f"{error.detail}: events go to POST /v1/touches or /v1/facts"
        return _problem(error.status_code, "no_such_door", detail, dict(error.headers or {}))

    @app.exception_handler(Unavailable)
    async def unavailable(_: Request, error: Unavailable) -> Response:
        return _problem(503, "unavailable", str(error), {"Retry-After": "2"})

    return app


def summary(answers: list[Answer]) -> dict[str, Any]:
    """The body of a 200: four counters that add up to the first, and a result per item."""
    count = {"accepted": 0, "duplicate": 0, "refused": 0, "quarantined": 0}
    for answer in answers:
        count[answer.verdict] += 1
    return {
        "received": len(answers), "accepted": count["accepted"], "duplicates": count["duplicate"],
        "refused": count["refused"], "quarantined": count["quarantined"], "results": answers,
    }  # fmt: skip


def _json(status: int, body: Any, headers: dict[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(body), status, headers, "application/json")


def _problem(status: int, code: str, detail: str, headers: dict[str, str]) -> Response:
    body = {"code": code, "path": "$", "detail": detail, "message": detail, "request_id": current_request()}
    return _json(status, body, headers)

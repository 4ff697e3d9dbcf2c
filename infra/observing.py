"""What every HTTP request gets: an id, its trace, a place in the figures, and a harmless answer if we fail it."""

from collections.abc import Callable
from time import perf_counter
from typing import Any

import msgspec
import structlog
from fastapi import FastAPI, Response
from fastapi.telemetry import TelemetryConfig
from opentelemetry.trace import SpanKind
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, reset_contextvars

from infra import tracing
from infra.logs import described, request_id
from infra.process.health import Health, Lane
from infra.process.heart import Heart
from infra.telemetry import HTTP

log = structlog.get_logger()

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
GONE = "499"
"""The status in the figures where the caller went away before there was one."""

NO_TELEMETRY: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}
"""For `FastAPI(telemetry=…)`: its own spans hold addresses with their queries, its logs the text of exceptions."""


class Observed:
    """Stands before an application; `service` names it in figures and spans.

    `heart` is told of every request from when its caller has said all until the answer begins.
    """

    def __init__(self, app: ASGIApp, service: str, heart: Heart | None = None) -> None:
        self._app, self._service, self._heart = app, service, heart or Heart()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the application does, or with status 500 where it raises."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {
            name: value for name, value in scope["headers"] if name in (b"x-request-id", b"traceparent")
        }
        parent = tracing.valid(headers.get(b"traceparent"))
        one = request_id(headers.get(b"x-request-id", b"").decode("latin-1"))
        began, status = perf_counter(), GONE
        question = self._heart.ask()

        async def heard() -> Message:
            """Whoever speaks slowly keeps nobody waiting but himself."""
            nonlocal question
            self._heart.answered(question)
            message = await receive()
            if status == GONE:
                question = self._heart.ask()
            return message

        async def told(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                self._heart.answered(question)
                status = str(message["status"])
                message = {**message, "headers": [*message["headers"], (b"x-request-id", one.encode())]}
            await send(message)

        bound = bind_contextvars(request_id=one)
        with tracing.span(self._service, parent, kind=SpanKind.SERVER):
            try:
                await self._app(scope, heard, told)
            except ClientDisconnect:
                pass
            except Exception as error:
                log.error("request failed", service=self._service, route=_route(scope), **described(error))
                if status == GONE:
                    await _defect(one)(scope, receive, told)
            finally:
                self._heart.answered(question)
                method = scope["method"] if scope["method"] in METHODS else "other"
                route = _route(scope)
                HTTP.labels(self._service, method, route, status).observe(perf_counter() - began)
                tracing.describe(**{"http.request.method": method, "http.route": route,
                                    "http.response.status_code": status})  # fmt: skip
                reset_contextvars(**bound)


class Told(BaseModel):
    """The process answers, or can do its work."""

    status: str


def add_operations(app: FastAPI, health: Health, before_metrics: Callable[[], None] | None = None) -> None:
    """Put /health/live, /health/ready, /health and /metrics on an application.

    They take no thread from the pool that events and requests use. `before_metrics` brings figures up to
    date that are not counted as things happen; where it does not succeed in time, they stay as they were.
    """
    figures = Lane("metrics", generate_latest)
    fresh = Lane("figures", before_metrics) if before_metrics else None
    documented: dict[int | str, dict[str, Any]] = {
        503: {"description": "It cannot do its work now; come back after Retry-After seconds."}
    }

    @app.get("/health/live", tags=["operations"])
    async def live() -> Told:
        """200 while the process answers at all."""
        return Told(status="live")

    @app.get("/health/ready", tags=["operations"], responses=documented)
    async def ready() -> Told:
        """200 when it can do its work: what it depends on answers within two seconds."""
        await health.checked()
        return Told(status="ready")

    @app.get("/health", tags=["operations"], responses=documented)
    async def health_() -> Told:
        """The same as /health/ready."""
        return await ready()

    @app.get("/metrics", tags=["operations"])
    async def metrics() -> Response:
        """Figures for Prometheus."""
        if fresh is not None:
            try:
                await fresh.answer()
            except Exception as error:
                log.warning("figures not fresh", **described(error))
        return Response(await figures.answer(), media_type=CONTENT_TYPE_LATEST)


def _route(scope: Scope) -> str:
    """The route's template; a path may hold whatever a caller writes."""
    route = scope.get("route")
    return str(getattr(route, "path_format", None) or getattr(route, "path", None) or "none")


def _defect(one: str) -> Response:
    detail = "this is our mistake; nothing was changed by halves"
    body = {"code": "defect", "path": "$", "detail": detail, "message": detail, "request_id": one}
    return Response(msgspec.json.encode(body), 500, media_type="application/json")

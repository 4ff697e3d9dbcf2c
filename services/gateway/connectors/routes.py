"""The one route of all connectors: check, cut, keep the bytes, record, answer as the vendor wants it."""

import asyncio
import os
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import structlog
from fastapi import FastAPI, Request, Response

from infra.door import Answer
from infra.raw_body import RawBodies
from models.errors import Unavailable
from services.gateway.body import BATCH, BadBody, read_body
from services.gateway.connectors.connector import Call, Connector, Instance, Part, Refusal, Reply, parts_of
from services.gateway.connectors.keeping import Keeping
from services.gateway.connectors.settings import Examined, examine
from services.gateway.connectors.telling import DOOR, Telling, tell
from services.gateway.direct import DirectRoute
from services.gateway.reception import Reception, counted, problem, refused_whole

PATH = "/v1/connectors/{name}"
SMALL, SMALL_BYTES = 20, 64 * 1024
"""Parts, and bytes, that are read at once; more of them in a thread, so that others need not wait."""

log = structlog.get_logger()

HOW = "name the system in the file of TOUCHSTONE_CONNECTORS, and start the gateway again"
NOT_RIGHT = "this system is not set up rightly here: `touchstone connectors list` says what is wrong"

RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"description": "taken; what the body says is the vendor's own convention"},
    204: {"description": "taken, where the vendor wants an empty answer"},
    401: {"description": "the call carries no signature, or no key"},
    403: {"description": "the signature does not hold, is too old, or the body is an attack"},
    404: {"description": "no system of this name is configured"},
    413: {"description": "too large, or too many parts"},
    429: {"description": "too many events wait already; come back after Retry-After seconds"},
    503: {
        "description": "the journal does not answer, come back after Retry-After seconds; or the system is not "
        "set up rightly here"
    },
}
PARAMETER = {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}


def install(app: FastAPI, reception: Reception) -> None:
    """Put the route for all configured systems on the gateway. What is wrong in their file is logged, once.

    A mistake in one of them harms no other, and none of them the other doors.
    """
    workspace = reception.workspace
    settings = workspace.settings
    examined = examine(settings.connectors, os.environ, region=settings.region, matcher=workspace.matcher)
    for why in examined.problems:
        log.error("connector not set up", why=why)
    keeping = Keeping(RawBodies(workspace.engine, workspace.vault))
    reception.open(DOOR)

    def find(request: Request) -> tuple[Connector, Instance]:
        return chosen(examined, request.path_params["name"])

    async def receive(request: Request) -> Response:
        """Take in what a configured system sends, in its own words and signed in its own way."""
        connector, instance = find(request)
        now = workspace.clock.now()
        try:
            raw = await read_body(request)
            if len(raw) <= SMALL_BYTES:
                parts = opened(connector, instance, call_of(request), raw, now)
            else:
                parts = await asyncio.to_thread(opened, connector, instance, call_of(request), raw, now)
        except BadBody as error:
            error.door = DOOR
            raise
        except Refusal as refusal:
            refused_whole(DOOR)
            return problem(refusal.status, refusal.code, refusal.detail)
        if len(parts) <= SMALL:
            told = tell(parts, connector, instance, workspace.intake, now)
        else:
            told = await asyncio.to_thread(tell, parts, connector, instance, workspace.intake, now)
        try:
            answers = await asyncio.wait_for(record(told), connector.patience)
        except TimeoutError:
            raise Unavailable("the journal takes longer to answer than this system waits") from None
        return answer(connector.reply(raw, counted(answers), now))

    async def record(told: Telling) -> Sequence[Answer]:
        """The bodies first: an event whose body is lost could never be told anew."""
        await keeping.keep(told.bodies)
        return await reception.take(told.items, DOOR) if told.items else []

    async def greet(request: Request) -> Response:
        """Answer the handshake of a system that has one."""
        connector, instance = find(request)
        if connector.greet is None:
            raise BadBody(405, "no_handshake", f"a {connector.kind} is called by POST")
        try:
            return answer(connector.greet(call_of(request), instance, workspace.clock.now()))
        except Refusal as refusal:
            return problem(refusal.status, refusal.code, refusal.detail)

    for method, endpoint in (("POST", receive), ("GET", greet)):
        app.router.add_api_route(
            PATH, endpoint, methods=[method], tags=["in"], responses=RESPONSES, status_code=200,
            openapi_extra={"parameters": [PARAMETER]}, route_class_override=DirectRoute,
        )  # fmt: skip


def chosen(examined: Examined, name: str) -> tuple[Connector, Instance]:
    """The system of this name. Raises `BadBody`; what is wrong with it is for the house alone."""
    if examined.unread or name in examined.wrong:
        raise BadBody(503, "connector_not_set_up", NOT_RIGHT)
    if name not in examined.found:
        raise BadBody(404, "no_such_connector", f"no system of this name may call: {HOW}")
    return examined.found[name]


def opened(connector: Connector, instance: Instance, call: Call, raw: bytes, now: datetime) -> Sequence[Part]:
    """The parts of a body whose sender was verified. Raises `Refusal`, and `BadBody` for too many."""
    if refusal := connector.verify(call, raw, instance, now):
        raise refusal
    kind = call.headers.get("content-type", "")
    parts = parts_of(connector.open(raw, instance), kind, connector, instance)
    if len(parts) > BATCH:
        raise BadBody(413, "batch_too_large", f"a call may have {BATCH} parts, this one has {len(parts)}")
    return parts


def call_of(request: Request) -> Call:
    """What surrounds the body."""
    query = request.scope["query_string"].decode("latin-1")
    url = str(request.url).partition("?")[0]  # as text: whoever calls may have written any host
    return Call(method=request.method, url=url, query=query, headers=dict(request.headers))


def answer(reply: Reply) -> Response:
    """The vendor's answer over HTTP."""
    return Response(reply.body, reply.status, media_type=reply.media_type)

"""The gateway's HTTP surface: the doors for events, health and metrics beside them."""

from difflib import get_close_matches

from fastapi import FastAPI, Request, Response, Security
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException

from infra.methods import allowing
from infra.observing import NO_TELEMETRY, Observed, add_operations
from infra.process.health import Health, answers
from infra.process.heart import Heart
from infra.security import key_of
from infra.workspace import Workspace
from models.errors import Unavailable
from services.gateway import cloudevents, segment, unsubscribe
from services.gateway.body import BadBody, read_items
from services.gateway.connectors import routes as connectors
from services.gateway.direct import DirectRoute
from services.gateway.examples import BODY_SCHEMA, RESPONSES
from services.gateway.reception import DOOR, RETRY, Reception, as_json, counted, problem, refused_whole

PATH = 200
"""Characters of a mistyped path that are compared with those there are."""


def create_app(workspace: Workspace, heart: Heart | None = None) -> FastAPI:
    """The gateway over an open workspace; `heart` is told when it waits for the journal."""
    app = FastAPI(
        title="Touchstone gateway",
        summary="Send what happened; an answer of 200 means it is recorded for ever.",
        version="1",
        telemetry=NO_TELEMETRY,
    )
    app.add_middleware(Observed, service=DOOR)
    reception = Reception(workspace, heart)

    async def receive(request: Request) -> Response:
        reception.expect_key(key_of(request.headers))
        told = await reception.take(await read_items(request))
        return as_json(200, {**counted(told), "results": told})

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
    cloudevents.install(app, reception)
    segment.install(app, reception)
    connectors.install(app, reception)
    unsubscribe.install(app, reception)
    add_operations(
        app, Health({"journal": answers(workspace.engine), "vault": answers(workspace.vault_engine)})
    )

    @app.exception_handler(BadBody)
    async def bad_body(_: Request, error: BadBody) -> Response:
        if error.status in (400, 413, 415):
            refused_whole(error.door or DOOR)
        headers = RETRY if error.status == 429 else None
        return problem(error.status, error.code, error.detail, headers, error.path)

    @app.exception_handler(HTTPException)
    async def no_such_door(request: Request, error: HTTPException) -> Response:
        if error.status_code == 405:
            headers = allowing(request)
            detail = f"Method Not Allowed: this door takes {headers['Allow']}"
            return problem(405, "no_such_door", detail, headers)
        return problem(
            error.status_code, "no_such_door", f"{error.detail}: {_near(app, request)}", error.headers
        )

    @app.exception_handler(Unavailable)
    async def unavailable(_: Request, error: Unavailable) -> Response:
        return problem(503, "unavailable", str(error), RETRY)

    return app


def _near(app: FastAPI, request: Request) -> str:
    """Which doors a mistyped path may have meant; what was typed is not repeated."""
    doors = [
        one.path for one in app.routes
        if isinstance(one, APIRoute) and one.include_in_schema and "POST" in (one.methods or ()) and "{" not in one.path
    ]  # fmt: skip
    meant = get_close_matches(request.url.path[:PATH].rstrip("/"), doors, n=3, cutoff=0.6)
    usual = "events go to POST /v1/touches or /v1/facts"
    return f"near it are POST {', '.join(meant)}; {usual}" if meant else usual

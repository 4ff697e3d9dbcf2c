"""The one form of every answer that is no success, and which status each kind of error has."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from events.codec import Undecodable
from infra.logs import current_request
from infra.methods import allowing
from models.errors import Conflict, Refused, Unavailable
from services.api.parameters import WANTED

REFUSED = {
    "opportunity.closed": 409, "opportunity.exists": 409, "identity.is_merged": 409, "identity.not_merged": 409,
    "identity.not_theirs": 409, "identity.nothing_left": 409, "identity.which": 409, "customer.erased": 409,
    "list.not_approved": 409, "list.second_person": 409, "list.not_measured": 404,
    "offer.contact_of_another": 409,
}  # fmt: skip
"""Refusals for the state something is in. Those that end in `.unknown` are 404, all others 422."""

HTTP_CODES = {400: "bad_request", 404: "not_found", 405: "method_not_allowed", 413: "body_too_large"}
_CUSTOMER = re.compile(r"/customers/[^/]+")
_FIELD_NAME = re.compile(r"[A-Za-z_\-][A-Za-z_0-9\-]{0,39}")


class Problem(BaseModel):
    """Why it did not work: a stable code for programs, a sentence for people, and where in the request."""

    code: str = Field(examples=["invalid"])
    detail: str = Field(examples=["Expected a moment with its UTC offset"])
    message: str = Field(description="The same sentence.", examples=["Expected a moment with its UTC offset"])
    path: str = Field("", description="The part of the request that is wrong.", examples=["$.query.as_of"])
    request_id: str = Field(
        description="The caller's X-Request-Id, or one made here: our log tells more under it.",
        examples=["01997a3e-0000-7000-8000-000000000003"],
    )


class Absorbed(Exception):
    """The customer asked for was merged into another; the answer is there."""

    def __init__(self, survivor: str) -> None:
        super().__init__("absorbed")
        self.survivor = survivor


def problem(
    status: int, code: str, detail: str, *, path: str = "", headers: Mapping[str, str] | None = None
) -> Response:
    """A response in the one form."""
    body = {"code": code, "detail": detail, "message": detail, "request_id": current_request()}
    body |= {"path": path} if path else {}
    return Response(msgspec.json.encode(body), status, headers, "application/json")


def described(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What a route's documentation says of these statuses, beside those that every route has."""
    return {
        status: {"model": Problem, "description": _MEANING[status]}
        for status in (*statuses, 400, 401, 413, 422, 503)
    }


_MEANING = {
    400: "The body can't be read at all: no UTF-8, or nested too deeply.",
    308: "The customer was merged into another: the same question at the survivor's address.",
    401: "No key of this workspace.",
    404: "There is no such thing.",
    409: "Its state does not allow this, or it moved on meanwhile.",
    413: "The body is larger than any command.",
    422: "The request says something that is not valid; `path` says where.",
    503: "The database does not answer; come back after Retry-After seconds.",
}


def install(app: FastAPI) -> None:
    """Answer every error in the one form; for defects `Observed` does. No answer repeats a value of the request."""

    @app.exception_handler(Refused)
    async def refused(_: Request, error: Refused) -> Response:
        status = 404 if error.code.endswith(".unknown") else REFUSED.get(error.code, 422)
        return problem(status, error.code, error.detail)

    @app.exception_handler(Undecodable)
    async def undecodable(_: Request, error: Undecodable) -> Response:
        return problem(422, error.code, error.detail, path=error.path.replace("$", "$.body", 1))

    @app.exception_handler(Conflict)
    async def conflict(_: Request, error: Conflict) -> Response:
        return problem(409, "conflict", f"{error}: look again and decide anew")

    @app.exception_handler(Unavailable)
    async def unavailable(_: Request, error: Unavailable) -> Response:
        return problem(503, "unavailable", str(error), headers={"Retry-After": "2"})

    @app.exception_handler(Absorbed)
    async def absorbed(request: Request, error: Absorbed) -> Response:
        place = _CUSTOMER.sub(f"/customers/{error.survivor}", request.url.path, count=1)
        query = f"?{request.url.query}" if request.url.query else ""
        return problem(
            308, "customer.merged", f"this customer was merged into {error.survivor}",
            headers={"Location": place + query},
        )  # fmt: skip

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        code = first["type"] if "." in first["type"] else "invalid"
        wanted = WANTED.get(first.get("ctx", {}).get("pattern", ""), first["msg"])
        return problem(422, code, wanted, path=_path(first["loc"]))

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        code = HTTP_CODES.get(error.status_code, "http_error")
        headers = allowing(request) if error.status_code == 405 else error.headers
        return problem(error.status_code, code, error.detail, headers=headers)


def _path(parts: Sequence[str | int]) -> str:
    """Where in the request. A sender's own key may hold anything: only what looks like a name is repeated."""
    found = "$"
    for part in parts:
        if isinstance(part, int):
            found += f"[{part}]"
        elif _FIELD_NAME.fullmatch(part):
            found += f".{part}"
    return found

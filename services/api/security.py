"""The guard before every route: a key of the workspace, and a body of sensible size."""

from typing import Annotated

from fastapi import Depends, HTTPException, Request, Security
from fastapi.security import APIKeyHeader, HTTPBearer
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from infra.personal import opening
from infra.security import Caller, fingerprint, key_of, may_call
from infra.settings import Settings
from services.api.problems import problem
from services.api.schema import open_to_all

BODY_BYTES = 256 * 1024
"""A command is small; whatever is larger is none."""

DOCUMENTED = [
    Security(HTTPBearer(auto_error=False, description="A key of the workspace.")),
    Security(APIKeyHeader(name="X-API-Key", auto_error=False, description="The same, in its own header.")),
]
"""Only says in the documentation what the guard asks for."""


class Guard:
    """Stands before the application, so that nothing of a stranger's request is even read.

    A key that may not see personal values gets them masked, whichever route opens them.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app, self._settings = app, settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let pass, or answer 401 or 413."""
        if scope["type"] != "http" or not self._guarded(scope):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        key = key_of(headers)
        if not may_call(key, self._settings.keys):
            detail = "send a key of this workspace: Authorization: Bearer KEY"
            answer = problem(401, "no_key", detail, headers={"WWW-Authenticate": "Bearer"})
            await answer(scope, receive, send)
            return
        length = headers.get("content-length", "")
        if length.isdigit() and int(length) > BODY_BYTES:
            await problem(413, "body_too_large", _TOO_LARGE)(scope, receive, send)
            return
        caller = Caller(fingerprint(key), may_call(key, self._settings.personal_keys))
        scope.setdefault("state", {})["caller"] = caller
        with opening.seeing(personal=caller.personal):
            await self._app(scope, _counted(receive), send)

    def _guarded(self, scope: Scope) -> bool:
        path: str = scope["path"]
        return path.startswith("/v1/") and not open_to_all(self._settings, scope["method"], path)


def _caller(request: Request) -> Caller:
    found: Caller = request.state.caller
    return found


CallerOf = Annotated[Caller, Depends(_caller)]
"""Who sent the request, as the guard found."""

_TOO_LARGE = f"the body may have {BODY_BYTES} bytes"


def _counted(receive: Receive) -> Receive:
    """A body that does not say its length is counted as it comes."""
    size = 0

    async def counted() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > BODY_BYTES:
            raise HTTPException(413, _TOO_LARGE)
        return message

    return counted

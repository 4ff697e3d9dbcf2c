"""The routes of the dialect: a batch in, exactly 200 out, with a verdict for every message.

SDKs drop a batch for good on most answers of 4xx: one bad message never causes one. Overload and a journal
that does not answer are 429 and 503 with Retry-After, after which they come again.
"""

import asyncio
from datetime import datetime
from typing import Any

from fastapi import FastAPI, Request, Response, Security
from fastapi.security import HTTPBasic, HTTPBearer

from infra.door import Answer
from services.gateway.body import BadBody, read_body, unpack
from services.gateway.direct import DirectRoute
from services.gateway.reception import Reception, as_json, counted
from services.gateway.segment.documented import CAPTURED, MANY, ONE, RESPONSES
from services.gateway.segment.mapping import TYPES, Dialect, Translated, readable
from services.gateway.segment.message import CAPTURE
from services.gateway.segment.reading import DOOR, Kept, Posted, key_in_headers, posted

SMALL = 20
"""A batch of so many messages is translated at once; a larger one in a thread, so that others need not wait."""

_ROUTES: tuple[tuple[str, str, dict[str, Any]], ...] = (
    *((f"/v1/{one}", one, ONE) for one in TYPES),
    ("/v1/batch", "batch", MANY),
    ("/v1/import", "import", MANY),
    ("/batch", CAPTURE, CAPTURED),
    ("/capture", CAPTURE, CAPTURED),
)
_FLAGS = ("/flags", "/decide")
_NO_FLAGS = {"flags": {}, "featureFlags": {}, "featureFlagPayloads": {}, "errorsWhileComputingFlags": False}


def install(app: FastAPI, reception: Reception) -> None:
    """Add the dialect's routes; each answers with a slash at its end too, as some SDKs write it."""
    settings = reception.workspace.settings
    reception.open(DOOR)
    door = _Door(reception, Dialect(settings.sdk_issuer, settings.region))
    key = [Security(HTTPBasic(auto_error=False)), Security(HTTPBearer(auto_error=False))]
    for path, route, body in _ROUTES:
        for at in (path, f"{path}/"):
            app.router.add_api_route(
                at, door.at(route), methods=["POST"], tags=["in: SDKs"], name=f"receive {route}",
                summary=f"Take what SDKs send to {path}", responses=RESPONSES,
                openapi_extra={"requestBody": body}, route_class_override=DirectRoute, dependencies=key,
                include_in_schema=at == path,
            )  # fmt: skip
    for path in _FLAGS:
        for at in (path, f"{path}/"):
            app.router.add_api_route(
                at, no_flags, methods=["POST"], route_class_override=DirectRoute, include_in_schema=False
            )


async def no_flags(_: Request) -> Response:
    """What is answered to an SDK that asks for feature flags: there are none here."""
    return as_json(200, _NO_FLAGS)


class _Door:
    def __init__(self, reception: Reception, dialect: Dialect) -> None:
        self._reception, self._dialect = reception, dialect

    def at(self, route: str) -> Any:
        """The endpoint of one route."""

        async def receive(request: Request) -> Response:
            """Record what an SDK of Segment, RudderStack or PostHog sends, as it sends it."""
            try:
                messages = await self._messages(request, route)
            except BadBody as error:
                error.door = DOOR
                raise
            now = self._reception.workspace.clock.now()
            if len(messages) <= SMALL:
                read = self._read(messages, now)
            else:
                read = await asyncio.to_thread(self._read, messages, now)
            told = await self._reception.take([one.item for one in read], DOOR)
            return as_json(200, _answer(read, told))

        return receive

    async def _messages(self, request: Request, route: str) -> list[Kept]:
        """The messages of a request with a key of this workspace, in a header or in its body."""
        given = key_in_headers(request.headers)
        if given or "authorization" in request.headers:
            self._reception.expect_key(given)
        found = await self._posted(request, route, known=bool(given))
        if not given:
            self._reception.expect_key(found.key)
        return found.messages

    @staticmethod
    async def _posted(request: Request, route: str, *, known: bool) -> Posted:
        body = unpack(await read_body(request))
        if len(body) <= 64 * 1024:
            return posted(body, route, known=known)
        return await asyncio.to_thread(posted, body, route, known=known)

    def _read(self, messages: list[Kept], now: datetime) -> list[Translated]:
        intake = self._reception.workspace.intake
        return [readable(self._dialect.translate(one, now), one, intake, now) for one in messages]


def _answer(read: list[Translated], told: list[Answer]) -> dict[str, Any]:
    errors = [
        {"index": one.index, "messageId": one.source_id, "code": one.code, "path": one.path, "message": one.detail}
        for one in told
        if one.verdict in ("refused", "quarantined")
    ]  # fmt: skip
    warnings = [
        {"index": one.index, "messageId": one.source_id, "code": unused.code, "path": unused.path,
         "message": unused.detail}
        for one, translated in zip(told, read, strict=True)
        for unused in translated.unused
    ]  # fmt: skip
    return {"success": True, **counted(told), "errors": errors, "warnings": warnings}

"""The door for CloudEvents over HTTP: one in binary or structured mode, or a batch."""

import asyncio
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request, Response, Security
from fastapi.security import HTTPBearer

from infra import cloud_event_in
from infra.cloud_event_in import BATCH, HTTP, STRUCTURED
from infra.intake import Rejected
from infra.security import key_of
from services.gateway.body import BadBody, read_body, read_items, unpack
from services.gateway.direct import DirectRoute
from services.gateway.examples import ITEM, RESPONSES, TOUCH
from services.gateway.reception import Reception, as_json, counted

DOOR = "cloudevents"
PATH = "/v1/cloudevents"
SMALL = 20
"""Events that are read at once; more of them in a thread, so that others need not wait."""

_FIELDS: Any = TOUCH["data"]
EXAMPLE: dict[str, Any] = {
    "specversion": "1.0", "type": TOUCH["type"], "source": TOUCH["source"], "id": TOUCH["source_id"],
    "time": TOUCH["occurred_at"], "datacontenttype": "application/json",
    "data": {**_FIELDS, "identifiers": TOUCH["identifiers"]},
}  # fmt: skip
EVENT: dict[str, Any] = {
    "type": "object",
    "required": ["specversion", "type", "source", "id"],
    "properties": {
        "specversion": {"const": "1.0"},
        "type": {"type": "string", "description": "an event type of the catalogue; `touchstone.` may stand before it"},
        "source": {"type": "string", "maxLength": 200, "description": "your system"},
        "id": {
            "type": "string", "maxLength": 200,
            "description": "your id of this event: sent again, it is recorded once",
        },
        "time": {"type": "string", "format": "date-time", "description": "when it happened"},
        "datacontenttype": {"type": "string", "description": "JSON, or left out"},
        "origin": ITEM["properties"]["origin"],
        "knownat": ITEM["properties"]["known_at"],
        "knownassumed": {"type": "boolean"},
        "actor": {"type": "string"},
        "cause": {"type": "string"},
        "data": {
            "type": "object", "description": "as the type's inbound schema says, and `identifiers` beside it",
            "properties": {"identifiers": ITEM["properties"]["identifiers"]},
        },
        "data_base64": {"type": "string", "description": "the same JSON in base64, in place of data"},
    },
}  # fmt: skip
BODY: dict[str, Any] = {
    "required": True,
    "content": {
        STRUCTURED: {"schema": EVENT, "example": EXAMPLE},
        BATCH: {"schema": {"type": "array", "items": EVENT, "maxItems": 2500}, "example": [EXAMPLE]},
        "application/json": {
            "schema": EVENT["properties"]["data"], "example": EXAMPLE["data"],
        },
    },
}  # fmt: skip
NO_EVENT = f"send {STRUCTURED}, {BATCH}, or an event's data and its attributes as headers, {HTTP}specversion among them"


def install(app: FastAPI, reception: Reception) -> None:
    """Put the door on the gateway."""
    reception.open(DOOR)
    workspace = reception.workspace

    def read(events: Sequence[bytes]) -> list[bytes | Rejected]:
        now = workspace.clock.now()
        return [cloud_event_in.read(one, workspace.intake, now) for one in events]

    async def record_cloud_events(request: Request) -> Response:
        """Record CloudEvents 1.0 in binary, structured or batch mode; each has its own verdict.

        In binary mode the attributes are headers (`ce-specversion`, `ce-type`, `ce-source`, `ce-id`, `ce-time`)
        and the body is the data.
        """
        reception.expect_key(key_of(request.headers))
        try:
            events = await _events(request)
        except BadBody as error:
            error.door = DOOR
            raise
        items = read(events) if len(events) <= SMALL else await asyncio.to_thread(read, events)
        told = await reception.take(items, DOOR)
        return as_json(200, {**counted(told), "results": told})

    responses = {
        **RESPONSES,
        400: {"description": "The body as a whole can't be read."},
        415: {"description": "Neither one of the media types nor attributes in headers."},
    }
    app.router.add_api_route(
        PATH, record_cloud_events, methods=["POST"], tags=["in"], responses=responses,
        openapi_extra={"requestBody": BODY}, route_class_override=DirectRoute,
        dependencies=[Security(HTTPBearer(auto_error=False))],
    )  # fmt: skip


async def _events(request: Request) -> list[bytes]:
    """The request's events in structured form."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type in (STRUCTURED, BATCH):
        return await read_items(request)
    if f"{HTTP}specversion" not in request.headers:
        raise BadBody(415, "not_a_cloudevent", NO_EVENT)
    return [cloud_event_in.of_request(unpack(await read_body(request)), request.headers)]

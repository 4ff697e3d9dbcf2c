"""What the gateway's documentation shows of the dialect: its bodies and its answers."""

from typing import Any

from services.gateway.examples import RESPONSES as USUAL

_MESSAGE: dict[str, Any] = {
    "type": "object",
    "description": "One call of an SDK, as it sends it. Fields that are not named here are no error.",
    "properties": {
        "type": {"enum": ["track", "identify", "page", "screen", "group", "alias"]},
        "messageId": {"type": "string", "description": "the sender's id: sent again, it is recorded once"},
        "userId": {"type": ["string", "number"]},
        "anonymousId": {"type": ["string", "number"]},
        "event": {"type": "string", "maxLength": 200, "description": "of a track"},
        "properties": {"type": "object"},
        "traits": {"type": "object"},
        "context": {"type": "object"},
        "timestamp": {"type": "string", "format": "date-time"},
    },
}
_TRACK = {
    "type": "track", "messageId": "a-81", "userId": "4711", "event": "Plan Viewed",
    "properties": {"plan": "fibre-100"}, "timestamp": "2026-03-02T14:02:11.000Z",
}  # fmt: skip

ONE: dict[str, Any] = {
    "required": True,
    "content": {"application/json": {"schema": _MESSAGE, "examples": {"one": {"value": _TRACK}}}},
}
"""The body of a message sent alone."""

MANY: dict[str, Any] = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["batch"],
                "properties": {
                    "batch": {"type": "array", "maxItems": 2500, "items": _MESSAGE},
                    "sentAt": {"type": "string", "format": "date-time"},
                    "writeKey": {"type": "string", "description": "the key, where no header carries it"},
                },
            },
            "examples": {"batch": {"value": {"batch": [_TRACK], "sentAt": "2026-03-02T14:02:12.000Z"}}},
        }
    },
}
"""The body of a batch."""

CAPTURED: dict[str, Any] = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {"type": "object"},
            "examples": {
                "one": {"value": {
                    "api_key": "KEY", "uuid": "0197-9d", "event": "plan viewed", "distinct_id": "4711",
                    "properties": {"plan": "fibre-100"}, "timestamp": "2026-03-02T14:02:11Z",
                }},
            },
        }
    },
}  # fmt: skip
"""The body that PostHog's SDKs send: one event, or a batch of them."""

RESULT = {
    "success": True, "received": 2, "accepted": 1, "duplicates": 0, "refused": 0, "quarantined": 1,
    "errors": [{"index": 1, "messageId": "a-82", "code": "event_missing", "path": "$.event",
                "message": "a track needs the name of its event"}],
    "warnings": [],
}  # fmt: skip

RESPONSES: dict[int | str, dict[str, Any]] = {
    **USUAL,
    200: {
        "description": "Everything accepted is recorded for ever. `errors` says what was not, and why; what is "
        "quarantined is kept, and taken after a fix. `warnings` says which values could not be used.",
        "content": {"application/json": {"example": RESULT}},
    },
}

"""What the gateway's documentation shows: the body that may be sent, and the answers."""

from typing import Any

TOUCH = {
    "type": "touch.recorded",
    "source": "switch-1",
    "source_id": "call-88213",
    "occurred_at": "2026-03-02T14:02:11+08:00",
    "identifiers": [{"kind": "phone", "value": "+14155552671"}],
    "data": {
        "channel": "voice", "direction": "inbound", "reason": "billing.dispute",
        "wait_seconds": 12, "talk_seconds": 184, "outcome": "unresolved", "agent": "a-17",
    },
}  # fmt: skip

ITEM: dict[str, Any] = {
    "type": "object",
    "required": ["type", "source", "source_id", "data"],
    "additionalProperties": False,
    "properties": {
        "type": {"type": "string", "description": "an event type of the catalogue"},
        "source": {"type": "string", "maxLength": 200, "description": "your system"},
        "source_id": {
            "type": "string", "maxLength": 200,
            "description": "your id of this event: sent again, it is recorded once",
        },
        "occurred_at": {"type": "string", "format": "date-time", "description": "with its UTC offset"},
        "known_at": {"type": "string", "format": "date-time", "description": "imports only"},
        "known_assumed": {"type": "boolean"},
        "origin": {"enum": ["live", "import"], "default": "live"},
        "identifiers": {
            "type": "array",
            "items": {
                "type": "object", "required": ["kind", "value"],
                "properties": {
                    "kind": {"type": "string"}, "value": {"type": "string"}, "issuer": {"type": "string"},
                },
            },
        },
        "actor": {"type": "string"},
        "cause": {"type": "string"},
        "data": {"type": "object", "description": "as the type's inbound schema says"},
    },
}  # fmt: skip

BODY_SCHEMA: dict[str, Any] = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {"oneOf": [ITEM, {"type": "array", "items": ITEM, "maxItems": 2500}]},
            "examples": {"one": {"value": TOUCH}, "batch": {"value": [TOUCH]}},
        }
    },
}

RESULT = {
    "received": 1, "accepted": 1, "duplicates": 0, "refused": 0, "quarantined": 0,
    "results": [{"index": 0, "verdict": "accepted", "source_id": "call-88213",
                 "event_id": "01997a3e-0000-7000-8000-000000000001",
                 "customer": "01997a3e-0000-7000-8000-000000000002"}],
}  # fmt: skip


def _problem(description: str, code: str) -> dict[str, Any]:
    return {
        "description": description,
        "content": {"application/json": {"example": {"code": code, "detail": description}}},
    }


RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Everything accepted is recorded for ever; the rest says why, item by item.",
        "content": {"application/json": {"example": RESULT}},
    },
    400: _problem("The body as a whole is no JSON object or array.", "not_json"),
    401: _problem("No key of this workspace.", "no_key"),
    413: _problem("More than 5 MB or 2,500 events.", "body_too_large"),
    429: _problem("Too many events are waiting; come back after Retry-After seconds.", "too_many_waiting"),
    503: _problem("The journal does not answer; come back after Retry-After seconds.", "unavailable"),
}

"""The AsyncAPI page: which topics there are, what is on them, under which key and headers."""

from typing import Any

from events import customer_state, topics
from events.registry import EventType
from events.subscriber_rules import RULES

Schema = dict[str, Any]

RELEASE = "0.1.0"
DEFAULT_PREFIX = "touchstone"
BINDING = "0.5.0"
EVENT_BYTES = 256 * 1024
INTAKE_HOURS = 24

_TEXT: Schema = {"type": "string"}
_LABEL: Schema = {"type": "string", "maxLength": 200}
_TIME: Schema = {"type": "string", "format": "date-time"}
_WHOLE: Schema = {"type": "string", "pattern": "^[0-9]+$"}
_TRACE: Schema = {"type": "string", "pattern": "^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$"}
_ORIGIN: Schema = {"type": "string", "enum": ["live", "import", "replay"]}

HEADERS: dict[str, Schema] = {
    "ce_id": {**_TEXT, "description": "The event's id, the same on every copy and repeat."},
    "ce_source": {**_TEXT, "description": "Who recorded or sent it."},
    "ce_type": {**_TEXT, "description": "The wire name; never reused for something else."},
    "ce_specversion": {"type": "string", "const": "1.0"},
    "ce_time": {**_TIME, "description": "When it happened in the business (occurred_at)."},
    "ce_subject": {**_TEXT, "description": "What it is about: the stream of a decision, else the customer."},
    "ce_dataschema": {
        **_TEXT,
        "description": "Its schema: <API>/v1/schemas/<type>/<number>, or where the API has no public address "
        "urn:touchstone:<type>:<number>, the schema's $id. Type and number stand at its end.",
    },
    "ts_position": {**_WHOLE, "description": "Its place in the journal: gapless, one order over all topics."},
    "ts_origin": {
        **_ORIGIN,
        "description": "import and replay tell history: nothing should be sent for them.",
    },
    "ts_known_at": {**_TIME, "description": "When the company could know it."},
    "ts_recorded_at": {**_TIME, "description": "When it was recorded."},
    "ts_stream": {**_TEXT, "description": "The stream of a decision (case-…); empty for facts."},
    "ts_revision": {**_WHOLE, "description": "Its place in the stream, from 1; 0 for facts."},
    "ts_customer": {**_TEXT, "description": "Whose it was taken to be at recording; empty where unknown."},
    "ts_source_id": {**_TEXT, "description": "The source's own id of it; a repeat has the same."},
    "ts_actor": {**_TEXT, "description": "Who or which rule did it."},
    "ts_cause": {**_TEXT, "description": "The id of the event behind it."},
    "ts_known_assumed": {"enum": ["true", "false"], "description": "true: known_at is an assumption."},
    "ts_identifiers": {
        **_TEXT,
        "description": "JSON array: kind, issuer, keyed hash and facets, strongest first.",
    },
    "traceparent": {
        **_TRACE,
        "description": "W3C trace context of the request that it came with, or that of its cause.",
    },
    "content-type": {"type": "string", "const": "application/json"},
}
ALWAYS = [
    "ce_id", "ce_source", "ce_type", "ce_specversion", "ce_time", "ce_dataschema", "ts_position",
    "ts_origin", "ts_known_at", "ts_recorded_at", "content-type",
]  # fmt: skip

KEY: Schema = {
    "type": "string",
    "description": (
        "The customer at recording; where there is none the stream, else the hash of the strongest "
        "identifier, else the agent it tells of, else the event's id. Order holds within a key. After a "
        "merge a customer's events "
        "come under two keys: order them by ts_position. A repeat shows a position not above the last "
        "one of its partition."
    ),
}
STATE_HEADERS: dict[str, Schema] = {
    name: HEADERS[name] for name in ("ce_specversion", "ce_source", "ce_time", "ts_position", "content-type")
} | {
    "ce_id": {**_TEXT, "description": "The customer's id, a colon, and the position."},
    "ce_type": {"type": "string", "const": customer_state.WIRE},
    "ce_subject": {**_TEXT, "description": "The customer."},
    "ce_dataschema": {"type": "string", "const": customer_state.DATASCHEMA},
}
STATE_KEY: Schema = {"type": "string", "description": "The customer's id."}
INTAKE_HEADERS: Schema = {
    "type": "object",
    "properties": {
        "traceparent": {**_TRACE, "description": "W3C trace context, if the event is to be part of a trace."}
    },
}
INTAKE_KEY: Schema = {
    "type": "string",
    "description": "Anything that stays the same for a person, so that their events arrive in order.",
}

IDENTIFIER: Schema = {
    "type": "object",
    "properties": {
        "kind": {"enum": ["account", "national_id", "phone", "email", "openid", "device", "cookie"]},
        "value": {**_TEXT, "description": "In the clear; only a keyed hash and a sealed copy are kept."},
        "issuer": {**_LABEL, "default": "", "description": "The system within which it is unique, if any."},
    },
    "required": ["kind", "value"],
    "additionalProperties": False,
}  # fmt: skip
ITEM: dict[str, Schema] = {
    "source": {**_TEXT, "minLength": 1, "maxLength": 200, "description": "Which system sends it."},
    "source_id": {
        **_TEXT, "minLength": 1, "maxLength": 200,
        "description": "Unique within the source: a repeat is recognised by it.",
    },
    "type": {**_TEXT, "description": "The wire name."},
    "occurred_at": {**_TIME, "description": "When it happened; a live event without it happened now."},
    "known_at": {**_TIME, "description": "When the company could know it; for imported history."},
    "known_assumed": {"type": "boolean", "default": False},
    "origin": {"enum": ["live", "import"], "default": "live"},
    "identifiers": {"type": "array", "items": {"$ref": "#/components/schemas/InboundIdentifier"}},
    "actor": {**_LABEL, "default": ""},
    "cause": {**_LABEL, "default": ""},
}  # fmt: skip

_SHARED: Schema = {
    "Headers": {"type": "object", "properties": HEADERS, "required": ALWAYS},
    "StateHeaders": {"type": "object", "properties": STATE_HEADERS, "required": sorted(STATE_HEADERS)},
    "IntakeHeaders": INTAKE_HEADERS,
    "InboundIdentifier": IDENTIFIER,
}


def page(types: list[EventType], schemas: Schema) -> Schema:
    """The whole page; `schemas` are the payloads by class name, those of senders under `Inbound…`."""
    inward = [entry for entry in types if entry.door != "none"]
    messages = {entry.wire: _published(entry) for entry in types}
    messages |= {f"intake.{entry.wire}": _intake(entry) for entry in inward}
    messages[customer_state.WIRE] = _state()
    return {
        "asyncapi": "3.0.0",
        "id": "urn:touchstone:events",
        "info": {
            "title": "Touchstone events",
            "version": RELEASE,
            "description": (
                "Every touch a customer has with the company, on any channel, recorded once and readable "
                "from the first event. Readers ignore fields they don't know; a change that would break "
                f"them has a new schema number.\n\n{RULES}"
            ),
        },
        "defaultContentType": "application/json",
        "servers": {
            "kafka": {
                "host": "{bootstrap}",
                "protocol": "kafka",
                "variables": {"bootstrap": {"default": "localhost:9092", "description": "Host and port."}},
            }
        },
        "channels": _channels(types, inward),
        "operations": _operations(types),
        "components": {
            "schemas": dict(sorted({**schemas, **_SHARED}.items())),
            "messages": messages,
            "messageBindings": {
                "event": {"kafka": {"key": KEY, "bindingVersion": BINDING}},
                "state": {"kafka": {"key": STATE_KEY, "bindingVersion": BINDING}},
                "intake": {"kafka": {"key": INTAKE_KEY, "bindingVersion": BINDING}},
            },
        },
    }


def _channels(types: list[EventType], inward: list[EventType]) -> Schema:
    prefix = "{prefix}"
    channels = {
        "events": _channel(
            topics.events_topic(prefix),
            "Every event, in order within a key, kept for ever.",
            {entry.wire: entry.wire for entry in types},
            {"retention.ms": -1},
        ),
        "intake": _channel(
            topics.intake_topic(prefix),
            f"Other systems hand events in here, of at most {EVENT_BYTES} bytes; kept {INTAKE_HOURS} hours.",
            {entry.wire: f"intake.{entry.wire}" for entry in inward},
            {"retention.ms": INTAKE_HOURS * 3_600_000},
        ),
        customer_state.NAME: _channel(
            topics.state_topic(prefix),
            "Where each customer stands now: the last message of a key counts, one without a value ends it.",
            {customer_state.WIRE: customer_state.WIRE},
            {"cleanup.policy": ["compact"]},
        ),
    }
    for family in _families(types):
        channels[family] = _channel(
            topics.family_topic(prefix, family),
            f"A copy of the events whose type begins with {family.replace('-', '_')}, for subscribers.",
            {entry.wire: entry.wire for entry in types if entry.family == family},
            {"retention.ms": -1},
        )
    return channels


def _channel(address: str, description: str, messages: dict[str, str], settings: Schema) -> Schema:
    return {
        "address": address,
        "description": description,
        "servers": [{"$ref": "#/servers/kafka"}],
        "parameters": {"prefix": {"default": DEFAULT_PREFIX, "description": "The workspace's own prefix."}},
        "messages": {name: {"$ref": f"#/components/messages/{target}"} for name, target in messages.items()},
        "bindings": {
            "kafka": {
                "partitions": topics.PARTITIONS,
                "topicConfiguration": settings,
                "bindingVersion": BINDING,
            }
        },
    }


def _operations(types: list[EventType]) -> Schema:
    """Said from our side: we send what others read, and receive what they hand in."""
    sends = {f"send_{name}": {"action": "send", "channel": {"$ref": f"#/channels/{name}"}}
             for name in ["events", customer_state.NAME, *_families(types)]}  # fmt: skip
    return {**sends, "receive_intake": {"action": "receive", "channel": {"$ref": "#/channels/intake"}}}


def _families(types: list[EventType]) -> list[str]:
    return sorted({entry.family for entry in types})


def _published(entry: EventType) -> Schema:
    return {
        "name": entry.wire,
        "title": _title(entry),
        "summary": f"Recorded by {entry.by}. Schema {entry.schema}.",
        "contentType": "application/json",
        "headers": {"$ref": "#/components/schemas/Headers"},
        "payload": {"$ref": f"#/components/schemas/{entry.cls.__name__}"},
        "bindings": {"$ref": "#/components/messageBindings/event"},
    }


def _state() -> Schema:
    return {
        "name": customer_state.WIRE,
        "title": (customer_state.CustomerState.__doc__ or "").strip(),
        "summary": "A message without a value: merged into another, or erased.",
        "contentType": "application/json",
        "headers": {"$ref": "#/components/schemas/StateHeaders"},
        "payload": {"$ref": "#/components/schemas/CustomerState"},
        "bindings": {"$ref": "#/components/messageBindings/state"},
    }


def _intake(entry: EventType) -> Schema:
    properties: Schema = {**ITEM, "type": {"const": entry.wire}}
    required = ["source", "source_id", "type"]
    if entry.category:
        properties["origin"] = {"const": "import"}
        required += ["origin", "occurred_at"]
    properties["data"] = {"$ref": f"#/components/schemas/Inbound{entry.cls.__name__}"}
    return {
        "name": entry.wire,
        "title": _title(entry),
        "contentType": "application/json",
        "headers": {"$ref": "#/components/schemas/IntakeHeaders"},
        "payload": {
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": False,
        },
        "bindings": {"$ref": "#/components/messageBindings/intake"},
    }


def _title(entry: EventType) -> str:
    return (entry.cls.__doc__ or "").strip().split("\n", 1)[0]

"""The written contract: JSON Schemas and the AsyncAPI page, made from the event classes."""

import inspect
import json
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from events import codec, customer_state, registry
from events.asyncapi import page
from events.compatibility import Schema, breaks
from events.envelope import Envelope
from events.personal import Personal
from events.registry import EventType

FOLDER = Path(__file__).parent / "schemas"
DIALECT = "https://json-schema.org/draft/2020-12/schema"

INBOUND_PERSONAL: Schema = {
    "type": "string",
    "description": "Personal: in the clear on its way in, sealed before it is recorded.",
}
PUBLISHED_PERSONAL: Schema = {
    "type": "object",
    "description": "Personal: sealed under the event's own key; unreadable for ever once that is erased.",
    "properties": {"sealed": {"type": "string", "contentEncoding": "base64"}},
    "required": ["sealed"],
}
INBOUND_MONEY: Schema = {"anyOf": [{"type": "string", "format": "decimal"}, {"type": "number"}]}


KEEP_TYPE = "put it back under its old name; what should be called otherwise is a new type beside it"


class ContractBroken(Exception):
    """What would be written surprises readers of what was published under the same number."""


def dataschema(wire: str, schema: int, public_url: str = "") -> str:
    """The URI in the `ce_dataschema` header: where the published schema is served, else its `$id`."""
    return f"{public_url}/v1/schemas/{wire}/{schema}" if public_url else f"urn:touchstone:{wire}:{schema}"


def published(entry: EventType) -> Schema:
    """How subscribers and the journal see the event; they ignore fields they don't know."""
    identity = dataschema(entry.wire, entry.schema)
    return _document(entry.cls, identity, PUBLISHED_PERSONAL)


def inbound(entry: EventType) -> Schema:
    """How a sender writes the event's `data`; unknown fields are refused."""
    identity = dataschema(entry.wire, entry.schema) + ":inbound"
    document: Schema = _accept_numbers(_document(entry.strict, identity, INBOUND_PERSONAL))
    return document


def envelope() -> Schema:
    """What is known about every event, whatever happened."""
    return _document(Envelope, "urn:touchstone:envelope", PUBLISHED_PERSONAL)


def state() -> Schema:
    """What the compacted topic says of a customer."""
    return _document(customer_state.CustomerState, customer_state.DATASCHEMA, PUBLISHED_PERSONAL)


def documents() -> dict[str, str]:
    """Every file of the contract, by name; the same classes give the same bytes."""
    files: dict[str, Schema] = {"envelope.json": envelope(), "asyncapi.json": _asyncapi()}
    files[customer_state.FILE] = state()
    for entry in registry.all_types():
        files[f"{entry.wire}.{entry.schema}.published.json"] = published(entry)
        if entry.door != "none":
            files[f"{entry.wire}.{entry.schema}.inbound.json"] = inbound(entry)
    return {name: _text(files[name]) for name in sorted(files)}


def write(folder: Path = FOLDER) -> None:
    """Write what changed. Past schemas stay; one that was published is never replaced by a breaking one."""
    folder.mkdir(parents=True, exist_ok=True)
    files = documents()
    found = [
        f"{name}: {why}"
        for name, text in files.items()
        if name.endswith((".published.json", ".inbound.json")) and (folder / name).exists()
        for why in breaks(json.loads((folder / name).read_text()), json.loads(text))
    ]
    if found:
        cure = "A schema that was never released may be deleted instead, and written anew."
        raise ContractBroken("\n".join([*found, cure]))
    for name in stale(folder):
        if name in files:
            (folder / name).write_text(files[name])
        else:
            (folder / name).unlink()


def stale(folder: Path = FOLDER) -> list[str]:
    """The files that differ from what the classes say, are missing, or belong to no type and schema."""
    files = documents()
    found = [name for name, text in files.items() if _read(folder / name) != text]
    found += [path.name for path in folder.glob("*.json") if path.name not in files and not _past(path.name)]
    return sorted(found)


def broken(folder: Path = FOLDER) -> list[str]:
    """Each promise of a published schema in the folder that today's classes don't keep."""
    found = []
    for path in sorted(folder.glob("*.published.json")):
        wire, schema = path.name.removesuffix(".published.json").rsplit(".", 1)
        found += [f"{path.name}: {why}" for why in _unkept(wire, int(schema), path)]
    return found


def _unkept(wire: str, schema: int, path: Path) -> list[str]:
    if wire == customer_state.NAME:
        today = schema == customer_state.SCHEMA
        return breaks(json.loads(path.read_text()), state()) if today else []
    entry = registry.find(wire)
    if entry is None:
        return [f"the type is gone, but its events are in the journal for ever: {KEEP_TYPE}"]
    if schema > entry.schema:
        return [f"the schema went back to {entry.schema}: a number that was published is never used again"]
    if schema < entry.schema:
        return [
            f"no upcaster from schema {step}: write one, with @upcaster, that says in today's words what it meant"
            for step in codec.missing_upcasters(entry, schema)
        ]
    return breaks(json.loads(path.read_text()), published(entry))


def _past(name: str) -> bool:
    """A schema that was once published stays, for readers of old events."""
    return name.endswith(".published.json")


def _read(path: Path) -> str | None:
    return path.read_text() if path.exists() else None


def _text(document: Schema) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _personal(form: Schema, kind: type) -> Schema:
    if kind is Personal:
        return form
    raise NotImplementedError(f"no schema for {kind.__name__}")


def _document(cls: type, identity: str, personal: Schema) -> Schema:
    body = msgspec.json.schema(cls, schema_hook=partial(_personal, personal))
    document: Schema = {"$schema": DIALECT, "$id": identity, **_tidied(body)}
    return document


def _tidied(node: Any) -> Any:
    """Plain JSON, and descriptions without the indentation of the class they were written in."""
    if isinstance(node, list | tuple):
        return [_tidied(one) for one in node]
    if not isinstance(node, dict):
        return node
    return {
        key: inspect.cleandoc(value) if key == "description" and isinstance(value, str) else _tidied(value)
        for key, value in node.items()
    }


def _accept_numbers(node: Any) -> Any:
    """A sender may write an amount as a string or a number; it is published as a string."""
    if isinstance(node, list):
        return [_accept_numbers(one) for one in node]
    if not isinstance(node, dict):
        return node
    if node.get("format") == "decimal":
        rest = {key: value for key, value in node.items() if key not in ("type", "format")}
        return {**INBOUND_MONEY, **rest}
    return {key: _accept_numbers(value) for key, value in node.items()}


def _asyncapi() -> Schema:
    types = registry.all_types()
    classes = [*(entry.cls for entry in types), customer_state.CustomerState]
    outward = _components(classes, "", PUBLISHED_PERSONAL)
    inward = _components(
        [entry.strict for entry in types if entry.door != "none"], "Inbound", INBOUND_PERSONAL
    )
    return page(types, {**outward, **_accept_numbers(inward)})


def _components(classes: list[Any], prefix: str, personal: Schema) -> Schema:
    _, found = msgspec.json.schema_components(
        classes,
        schema_hook=partial(_personal, personal),
        ref_template=f"#/components/schemas/{prefix}{{name}}",
    )
    return {f"{prefix}{name}": _tidied(body) for name, body in found.items()}

"""Golden files of the connectors: raw bytes of a vendor's form, and what they are told as."""

from pathlib import Path
from typing import Any

import msgspec

from infra.intake import Rejected
from services.gateway.connectors.catalogue import CONNECTORS
from services.gateway.connectors.connector import Instance, Options, Refusal, parts_of, translate

FOLDER = Path(__file__).parents[1] / "golden"
NAME = "source-1"


def blind(person: str) -> str:
    """In place of the workspace's keyed hash, so that a golden file can be read."""
    return f"blind.{person[:6]}"


def raws() -> list[Path]:
    """Every raw sample."""
    return sorted(FOLDER.glob("*/*.raw"))


def instance_of(sample: Path) -> tuple[dict[str, Any], Instance]:
    """What a sample's folder says of its instance, and what the sample itself says in addition."""
    said = msgspec.json.decode((sample.parent / "instance.json").read_bytes())
    if (meta := sample.with_suffix(".meta.json")).exists():
        said |= msgspec.json.decode(meta.read_bytes())
    return said, Instance(name=NAME, options=msgspec.convert(said["options"], Options), blind=blind)


def told(sample: Path) -> Any:
    """What a sample comes to today, as plain data."""
    said, instance = instance_of(sample)
    connector = CONNECTORS[said["kind"]]
    try:
        parts = parts_of(sample.read_bytes(), said["content_type"], connector, instance)
    except Refusal as refusal:
        return {"refused": {"status": refusal.status, "code": refusal.code, "detail": refusal.detail}}
    found: list[dict[str, Any]] = []
    for part in parts:
        events = translate(part, connector, instance)
        if isinstance(events, Rejected):
            assert (events.raw, events.source, events.source_id) == (part.raw, NAME, part.key)
            rejected = {"code": events.code, "path": events.path, "detail": events.detail}
            found.append({"key": part.key, "rejected": rejected})
        else:
            found.append({"key": part.key, "events": [msgspec.json.decode(one) for one in events]})
    return found

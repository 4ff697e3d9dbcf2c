"""What a gateway process does with batches, without HTTP: all of it, and only its bare parts."""

import time
from datetime import UTC, datetime
from typing import Any

import msgspec
from sqlalchemy import text

from events import codec
from events.envelope import IdentifierRef
from events.personal import Clear
from events.touch import TouchRecorded
from infra.database import copy_rows
from infra.ids import new_id
from infra.settings import Settings
from infra.workspace import Workspace, open_workspace
from models.domain.identifier import normalise
from models.tables.journal import COLUMNS, journal

# Through the indexes, one by one, as our own door asks: a join of a thousand would read the whole table.
RESOLVE = text(
    "SELECT i.kind, i.hash, c.survivor::text "
    "FROM unnest(CAST(:kinds AS text[]), CAST(:hashes AS text[])) AS k(kind, hash) CROSS JOIN LATERAL "
    "(SELECT * FROM identifier WHERE kind = k.kind AND issuer = '' AND hash = k.hash LIMIT 1) AS i "
    "CROSS JOIN LATERAL (SELECT survivor FROM customer WHERE id = i.customer LIMIT 1) AS c"
)
_encode = msgspec.json.Encoder().encode


def door(given: dict[str, Any], met: list[list[bytes]], batches: list[list[bytes]]) -> float:
    """Events a second of our own door, without HTTP, that has met everybody before."""
    workspace = _open(given)
    ours = workspace.door("bench")
    for batch in met:
        ours.receive(batch)
    began = time.perf_counter()
    for batch in batches:
        ours.receive(batch)
    return _rate(batches, began)


def parts(given: dict[str, Any], met: list[list[bytes]], batches: list[list[bytes]]) -> float:
    """Events a second of the bare parts: normalise, resolve, seal, COPY."""
    workspace = _open(given)
    position = workspace.journal.head()
    for batch in met:
        position = _batch(workspace, batch, position)
    began = time.perf_counter()
    for batch in batches:
        position = _batch(workspace, batch, position)
    return _rate(batches, began)


def _batch(workspace: Workspace, raws: list[bytes], position: int) -> int:
    now = datetime.now(UTC)
    items = [msgspec.json.decode(raw) for raw in raws]
    refs = [[_ref(workspace, one) for one in item["identifiers"]] for item in items]
    with workspace.engine.begin() as connection:
        flat = [ref for some in refs for ref in some]
        rows = connection.execute(
            RESOLVE, {"kinds": [ref.kind for ref in flat], "hashes": [ref.hash for ref in flat]}
        )
        customers = {(kind, hashed): customer for kind, hashed, customer in rows}
        keys, written = [], []
        for item, known in zip(items, refs, strict=True):
            position += 1
            event_id, data = new_id(), item["data"]
            key = workspace.vault.make(event_id)
            keys.append(key)
            event = TouchRecorded(**{**data, "text": key.seal_text("text", Clear(data["text"]))})
            customer = customers[(known[0].kind, known[0].hash)]
            written.append((
                position, event_id, item["type"], 1, "", 0, item["source"], item["source_id"], b"", customer, "live",
                now, now, False, now, "", "", _encode(known), codec.encode(event),
            ))  # fmt: skip
        workspace.vault.keep(keys)
        copy_rows(connection, journal, COLUMNS, written)
    return position


def _ref(workspace: Workspace, given: dict[str, str]) -> IdentifierRef:
    clean = normalise(given["kind"], "", given["value"], "US")
    hashed = workspace.matcher.identifier(clean.kind, clean.issuer, clean.value)
    return IdentifierRef(kind=clean.kind, hash=hashed, facets=clean.facets)


def _open(given: dict[str, Any]) -> Workspace:
    return open_workspace(
        Settings(database_url=given["database_url"], vault_url=given["vault_url"], var=given["var"])
    )


def _rate(batches: list[list[bytes]], began: float) -> float:
    return sum(map(len, batches)) / (time.perf_counter() - began)

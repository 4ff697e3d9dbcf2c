"""Writes the journal as Parquet: only what is new since the last time, a folder that grows.

    manifest.json         up to which position, by which schema, and every part with its SHA-256
    events/FROM-TO.parquet  the events of these positions, one row each, sorted by customer and time
    whose.parquet         of customers who were joined or parted: whose each event is, and since when that was known
    merges.parquet        who turned out to be whom, and when that was known
    customers.parquet     every key, whom it means now, and by which issuers' identifiers they are named
    dictionary.json       what each column means, its unit, and which events fill it

Customers have keys that stand for ever and lead to nobody: a keyed hash of the customer's id. Nothing is personal.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
from msgspec import Struct
from sqlalchemy import Connection, select

from events.codec import Undecodable
from events.envelope import Envelope
from events.flattening import columns, has_row
from events.identity import CustomersMerged
from infra import populations
from infra.database import unavailable
from infra.journal.stored import envelope
from infra.matching import Matcher
from infra.workspace import Workspace
from ml.facts import frame
from ml.histories import MERGES, WHOSE
from models.errors import Refused
from models.tables.journal import COLUMNS, journal, journal_head

PART = 100_000
"""Positions in a part."""
FETCH = 20_000
Progress = Callable[[int, int], None]
MANIFEST, DICTIONARY, EVENTS = "manifest.json", "dictionary.json", "events"


class Part(Struct, frozen=True, kw_only=True):
    """One file of events."""

    name: str
    first: int
    last: int
    rows: int
    sha256: str


class Manifest(Struct, frozen=True, kw_only=True):
    """How far an export is. `unread`: events that no reader here can take, and which are not in it."""

    position: int = 0
    schema: str = ""
    parts: tuple[Part, ...] = ()
    unread: int = 0

    @property
    def rows(self) -> int:
        """Events in all parts."""
        return sum(part.rows for part in self.parts)


def key_of(matcher: Matcher, customer: str) -> str:
    """The key under which a customer stands in every export of a workspace."""
    return matcher.content(b"export", customer.encode()).hex()


def manifest(folder: Path) -> Manifest:
    """How far the export in a folder is; nothing yet where there is none. Raises `Refused` for a broken one."""
    path = folder / MANIFEST
    if not path.exists():
        return Manifest()
    try:
        return msgspec.json.decode(path.read_bytes(), type=Manifest)
    except msgspec.MsgspecError:
        raise Refused(
            "export.broken", f"{path} is not a manifest: delete the folder and export again"
        ) from None


def export(workspace: Workspace, folder: Path, progress: Progress | None = None) -> Manifest:
    """Bring a folder up to the head of the journal. Raises `Refused`, `Unavailable`.

    Whoever reads it meanwhile sees the old manifest or the new one: parts are written beside, and named last.
    """
    known, schema = manifest(folder), _schema()
    if known.schema and known.schema != schema:
        raise Refused(
            "export.other_schema",
            f"{folder} was written by another release, with other columns: delete it, or export into another folder",
        )
    (folder / EVENTS).mkdir(parents=True, exist_ok=True)
    with unavailable(), workspace.engine.connect() as connection:
        connection = connection.execution_options(isolation_level="REPEATABLE READ")
        head = connection.execute(select(journal_head.c.position)).scalar_one()
        parts, unread = list(known.parts), known.unread
        for first in range(known.position + 1, head + 1, PART):
            part, lost = _part(connection, workspace.matcher, folder, first, min(first + PART - 1, head))
            parts, unread = [*parts, *([part] if part else [])], unread + lost
            if progress:
                progress(min(first + PART - 1, head), head)
        _identities(connection, workspace.matcher, folder)
    _put(folder / DICTIONARY, json.dumps([msgspec.to_builtins(one) for one in columns()], indent=1).encode())
    told = Manifest(position=head, schema=schema, parts=tuple(parts), unread=unread)
    _put(folder / MANIFEST, msgspec.json.format(msgspec.json.encode(told)))
    return told


def _part(
    connection: Connection, matcher: Matcher, folder: Path, first: int, last: int
) -> tuple[Part | None, int]:
    rows, unread = [], 0
    keys: dict[str, str] = {}
    for e in _events(connection, first, last):
        if e is None:
            unread += 1
        elif e.customer:
            key = keys.get(e.customer) or keys.setdefault(e.customer, key_of(matcher, e.customer))
            rows.append((key, e))
    if not rows:
        return None, unread
    told = frame(rows).sort("customer", "occurred_at", "stream", "revision", "position")
    path = folder / EVENTS / f"{first:012}-{last:012}.parquet"
    digest = _write(told, path)
    return Part(name=f"{EVENTS}/{path.name}", first=first, last=last, rows=len(told), sha256=digest), unread


def _events(connection: Connection, first: int, last: int) -> Iterator[Envelope | None]:
    """The events of these positions that have a row; None for one that can't be read."""
    query = select(*(journal.c[name] for name in COLUMNS)).where(
        journal.c.position.between(first, last), journal.c.customer.is_not(None)
    ).order_by(journal.c.position)  # fmt: skip
    wire = COLUMNS.index("type")
    for row in connection.execution_options(yield_per=FETCH).execute(query):
        if not has_row(row[wire]):
            continue
        try:
            yield envelope(row)
        except Undecodable:
            yield None


def _identities(connection: Connection, matcher: Matcher, folder: Path) -> None:
    whose: list[tuple[str, str, datetime]] = []
    merges: set[tuple[str, str, datetime]] = set()
    for one, history in populations.joined(connection):
        key = key_of(matcher, one)
        for e in history:
            if isinstance(e.event, CustomersMerged):
                merges.add((key_of(matcher, e.event.survivor), key_of(matcher, e.event.absorbed), e.known_at))
            else:
                whose.append((e.event_id, key, e.known_at))
    named = populations.issuers(connection)
    known = [
        (key_of(matcher, one), key_of(matcher, survivor), named.get(survivor, []))
        for one, survivor in populations.customers(connection)
    ]
    told: dict[str, Any] = {"customer": pl.String, "means": pl.String, "issuers": pl.List(pl.String)}
    _write(
        pl.DataFrame(whose, schema=WHOSE, orient="row").sort("customer", "event_id"), folder / "whose.parquet"
    )
    _write(pl.DataFrame(sorted(merges), schema=MERGES, orient="row"), folder / "merges.parquet")
    _write(pl.DataFrame(known, schema=told, orient="row").sort("customer"), folder / "customers.parquet")


def _write(told: pl.DataFrame, path: Path) -> str:
    made = path.with_suffix(".making")
    told.write_parquet(made, compression="zstd", row_group_size=20_000)
    digest = hashlib.sha256(made.read_bytes()).hexdigest()
    made.replace(path)
    return digest


def _put(path: Path, content: bytes) -> None:
    made = path.with_suffix(".making")
    made.write_bytes(content)
    made.replace(path)


def _schema() -> str:
    """Which columns there are: another release may have others."""
    return hashlib.sha256(msgspec.json.encode([(one.name, one.kind) for one in columns()])).hexdigest()[:16]

"""Rows of the journal, read back as envelopes."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, select

from events import codec
from events.envelope import Envelope, IdentifierRef
from models.tables.journal import COLUMNS, NO_IDENTIFIERS, journal

_refs = msgspec.json.Decoder(tuple[IdentifierRef, ...])


def read(
    connection: Connection,
    *where: ColumnElement[bool],
    order: ColumnElement[Any] = journal.c.position,
    limit: int | None = None,
) -> list[Envelope]:
    """Envelopes that match, read in this connection's transaction."""
    query = select(*(journal.c[name] for name in COLUMNS)).where(*where).order_by(order)
    return [envelope(row) for row in connection.execute(query.limit(limit))]


def envelope(row: Sequence[Any]) -> Envelope:
    """The envelope of a journal row (in the order of `COLUMNS`). Raises `Undecodable`."""
    (position, event_id, wire, schema, stream, revision, source, source_id, _, customer, origin,
     occurred_at, known_at, known_assumed, recorded_at, actor, cause, identifiers, data) = row  # fmt: skip
    refs = bytes(identifiers)
    return Envelope(
        event=codec.decode(wire, schema, bytes(data)), event_id=str(event_id), position=position,
        occurred_at=occurred_at, known_at=known_at, recorded_at=recorded_at, source=source,
        source_id=source_id, origin=origin, known_assumed=known_assumed, stream=stream,
        revision=revision, actor=actor, cause=cause, customer=str(customer) if customer else "",
        identifiers=() if refs == NO_IDENTIFIERS else _refs.decode(refs),
    )  # fmt: skip

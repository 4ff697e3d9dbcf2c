"""The journal: append-only, gapless positions; the only truth."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import UUID

from models.tables.base import Instant, workspace_metadata

journal = Table(
    "journal",
    workspace_metadata,
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("event_id", UUID, nullable=False),
    Column("type", Text, nullable=False),
    Column("schema", SmallInteger, nullable=False),
    Column("stream", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("source", Text, nullable=False),
    Column("source_id", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False, comment="keyed hash of the content as it came"),
    Column("customer", UUID, nullable=True, comment="whose it was taken to be at recording"),
    Column("origin", Text, nullable=False),
    Column("occurred_at", Instant, nullable=False),
    Column("known_at", Instant, nullable=False),
    Column("known_assumed", Boolean, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    Column("actor", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("identifiers", LargeBinary, nullable=False),
    Column("data", LargeBinary, nullable=False),
    Column("trace", Text, nullable=True, comment="W3C traceparent of the request that brought it"),
    Column("contact", Text, nullable=True, comment="the conversation it is a part of"),
    Index("journal_source", "source", "source_id", unique=True),
    Index("journal_stream", "stream", "revision", unique=True, postgresql_where=text("stream <> ''")),
    Index("journal_customer", "customer", "position", postgresql_where=text("customer IS NOT NULL")),
    Index("journal_event", "event_id", unique=True),
    Index("journal_contact", "contact", "position", postgresql_where=text("contact IS NOT NULL")),
    Index("journal_verified", "customer", "position", postgresql_where=text("type = 'identity.verified'")),
)

journal_head = Table(
    "journal_head",
    workspace_metadata,
    Column("id", SmallInteger, primary_key=True),
    Column("position", BigInteger, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    comment="One row: the last position. Appends take turns by locking it.",
)

WRITTEN = tuple(column.name for column in journal.columns)
"""In the order in which rows are written, and sent on."""

COLUMNS = WRITTEN[:-2]
"""What an envelope is made of: all but trace and contact, which no fold asks for."""

NO_IDENTIFIERS = b"[]"
"""What the column `identifiers` holds for an event that names nobody."""

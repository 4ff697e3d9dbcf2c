"""What was received and could not be taken as an event yet: kept with its reason, replayable."""

from sqlalchemy import BigInteger, Column, Identity, Index, LargeBinary, Table, Text

from models.tables.base import Instant, workspace_metadata

quarantine = Table(
    "quarantine",
    workspace_metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("digest", LargeBinary, nullable=False),
    Column("source", Text, nullable=False),
    Column("source_id", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("sealed", LargeBinary, nullable=False, comment="the raw bytes, under their own data key"),
    Column("received_at", Instant, nullable=False),
    Column("settled_at", Instant, nullable=True),
    Column("verdict", Text, nullable=True, comment="of its replay"),
    Index("quarantine_digest", "digest", unique=True),
    Index("quarantine_open", "settled_at", "id"),
)

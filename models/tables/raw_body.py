"""What other systems sent, in their own words: kept beside the events that were made of it."""

from sqlalchemy import Column, Index, LargeBinary, Table, Text

from models.tables.base import Instant, workspace_metadata

raw_body = Table(
    "raw_body",
    workspace_metadata,
    Column("source", Text, primary_key=True, comment="the connector's instance, as the events name it"),
    Column("key", Text, primary_key=True),
    Column(
        "belongs_to", Text, nullable=False, comment="the call, message or person: the key up to its first /"
    ),
    Column("received_at", Instant, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("key_id", Text, nullable=False, comment="its data key, in the vault"),
    Index("raw_body_belongs_to", "source", "belongs_to"),
    Index("raw_body_received_at", "received_at"),
)

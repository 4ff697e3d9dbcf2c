"""The two MetaData objects, and the one type used everywhere for instants."""

from sqlalchemy import Column, DateTime, LargeBinary, MetaData, Table, Text

workspace_metadata = MetaData()
vault_metadata = MetaData()

Instant = DateTime(timezone=True)

data_key = Table(
    "data_key",
    vault_metadata,
    Column("key_id", Text, primary_key=True),
    Column("wrapped", LargeBinary, nullable=False),
    comment="One wrapped data key an event (or identifier); deleting it makes the values unreadable.",
)

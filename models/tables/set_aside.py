"""Events that a reader could not take: left out of its work until they are replayed."""

from sqlalchemy import Column, Table, Text
from sqlalchemy.dialects.postgresql import UUID

from models.tables.base import workspace_metadata

set_aside = Table(
    "set_aside",
    workspace_metadata,
    Column("reader", Text, primary_key=True),
    Column("event_id", UUID, primary_key=True),
    comment="The event's bytes and the reason lie in quarantine, under the reader's name and the event's id.",
)

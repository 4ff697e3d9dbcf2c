"""Who is called for which events, how far each has come, and who is at it now."""

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY, UUID

from models.tables.base import Instant, workspace_metadata

webhook = Table(
    "webhook",
    workspace_metadata,
    Column("id", UUID, primary_key=True),
    Column("url", Text, nullable=False),
    Column("topics", ARRAY(Text), nullable=False),
    Column("types", ARRAY(Text), nullable=False),
    Column("description", Text, nullable=False),
    Column(
        "secrets", LargeBinary, nullable=False, comment="all that sign now, sealed under a key of their own"
    ),
    Column("since", Instant, nullable=False, comment="when it was asked for"),
    Column("position", BigInteger, nullable=False, comment="in the journal; up to it all was taken"),
    Column("state", Text, nullable=False, comment="enabled or disabled"),
    Column("why", Text, nullable=False, comment="it is disabled; else empty"),
    Column("attempts", Integer, nullable=False, comment="that failed since the last that did not"),
    Column("failing_since", Instant, nullable=True),
    Column("next_at", Instant, nullable=True, comment="of the next attempt, after one that failed"),
    Column("last_at", Instant, nullable=True),
    Column("last_answer", Text, nullable=False, comment="to the last attempt: a status, or what went wrong"),
    Column("holder", Text, nullable=False, comment="the sender that is at it"),
    Column("held_until", Instant, nullable=True, comment="by the database's clock"),
)

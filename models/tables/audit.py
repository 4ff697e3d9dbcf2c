"""Who opened which sealed values, when, and what for. Rows are only ever added."""

from sqlalchemy import BigInteger, Column, Identity, Index, Integer, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY

from models.tables.base import Instant, workspace_metadata

audit = Table(
    "audit",
    workspace_metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("at", Instant, nullable=False),
    Column("caller", Text, nullable=False, comment="fingerprint of the key that asked"),
    Column("purpose", Text, nullable=False),
    Column("subjects", ARRAY(Text), nullable=False, comment="ids of events, and identifiers by hash"),
    Column("opened", Integer, nullable=False, comment="how many values were handed out"),
    Index("audit_caller", "caller", "at"),
    comment="Rows are only ever added. No value is in it.",
)

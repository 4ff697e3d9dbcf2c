"""Frozen target lists: ids and reasons, never an address."""

from sqlalchemy import Column, Index, Integer, LargeBinary, Table, Text
from sqlalchemy.dialects.postgresql import UUID

from models.tables.base import Instant, workspace_metadata

target_list = Table(
    "target_list",
    workspace_metadata,
    Column("list_id", Text, primary_key=True),
    Column("purpose", Text, nullable=False),
    Column("as_of", Instant, nullable=False),
    Column("origin", Text, nullable=False, comment="live, or replay for a past moment"),
    Column("series", Text, nullable=False, comment="the lists that replace each other"),
    Column(
        "priority", Integer, nullable=False, comment="of two that want the same customer the higher has them"
    ),
    Column("expires_at", Instant, nullable=False, comment="when its rows expire"),
    Column("published", LargeBinary, nullable=False, comment="the target_list.published event's data"),
    Column("built_at", Instant, nullable=False),
    Column("recorded_at", Instant, nullable=True, comment="empty until all its events are in the journal"),
    Index("target_list_built", "built_at"),
    Index("target_list_series", "series", "as_of"),
)

target_list_row = Table(
    "target_list_row",
    workspace_metadata,
    Column("list_id", Text, primary_key=True),
    Column("place", Integer, primary_key=True, comment="canonical order of all candidates"),
    Column("customer", UUID, nullable=False),
    Column("part", Text, nullable=False, comment="member, holdout, suppressed, beyond"),
    Column("rule", Text, nullable=False, comment="what said no; empty for a member"),
    Column("row", LargeBinary, nullable=False),
    Column(
        "left_by",
        Text,
        nullable=False,
        server_default="",
        comment="the rule a member left by; empty while on it",
    ),
    Column("turns", Integer, nullable=False, server_default="0", comment="how often they left or came back"),
    Index("target_list_row_part", "list_id", "part", "place"),
    Index("target_list_row_customer", "customer"),
)

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
    Column("published", LargeBinary, nullable=False, comment="the target_list.published event's data"),
    Column("built_at", Instant, nullable=False),
    Column("recorded_at", Instant, nullable=True, comment="empty until all its events are in the journal"),
    Index("target_list_built", "built_at"),
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
    Index("target_list_row_part", "list_id", "part", "place"),
    Index("target_list_row_customer", "customer"),
)

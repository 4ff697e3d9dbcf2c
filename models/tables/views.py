"""The read models: one table a projection. Each row carries its owner and its folded state."""

from sqlalchemy import Column, Index, LargeBinary, Numeric, Table, Text

from models.tables.base import Instant, workspace_metadata

fold_head = Table(
    "fold_head",
    workspace_metadata,
    Column("owner", Text, primary_key=True),
    Column("last", LargeBinary, nullable=True, comment="order of the last event folded"),
    comment="One row an owner (a customer, or a stream of nobody's): the lock every fold takes.",
)

timeline = Table(
    "timeline",
    workspace_metadata,
    Column("key", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("occurred_at", Instant, nullable=False),
    Column("state", LargeBinary, nullable=False),
    Index("timeline_owner", "owner", "occurred_at", "key"),
)

contact = Table(
    "contact",
    workspace_metadata,
    Column("key", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("state", LargeBinary, nullable=False),
    Index("contact_owner", "owner", "started_at"),
)

customer_360 = Table(
    "customer_360",
    workspace_metadata,
    Column("key", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("state", LargeBinary, nullable=False),
    Index("customer_360_owner", "owner"),
)

lifecycle = Table(
    "lifecycle",
    workspace_metadata,
    Column("key", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("next_due_at", Instant, nullable=True),
    Column("state", LargeBinary, nullable=False),
    Index("lifecycle_owner", "owner"),
    Index("lifecycle_due", "next_due_at"),
)

pipeline = Table(
    "pipeline",
    workspace_metadata,
    Column("key", Text, primary_key=True),
    Column("owner", Text, nullable=False, comment="the customer, else the opportunity's own stream"),
    Column("stage", Text, nullable=False),
    Column("department", Text, nullable=False),
    Column("value", Numeric, nullable=True),
    Column("source", Text, nullable=False),
    Column("next_due_at", Instant, nullable=True),
    Column("state", LargeBinary, nullable=False),
    Index("pipeline_owner", "owner"),
    Index("pipeline_stage", "stage"),
    Index("pipeline_due", "next_due_at"),
)

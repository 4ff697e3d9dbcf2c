"""Who asked to be forgotten, how far that has come, and whose identifiers must not be contacted again."""

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, Table, Text, text
from sqlalchemy.dialects.postgresql import UUID

from models.tables.base import Instant, workspace_metadata

erasure = Table(
    "erasure",
    workspace_metadata,
    Column("customer", UUID, primary_key=True, comment="as it was called when the erasure was asked for"),
    Column("event_id", UUID, nullable=False),
    Column("requested_at", Instant, nullable=False),
    Column("upto", BigInteger, nullable=False, comment="the journal's position up to which all is erased"),
    Column("runs", Integer, nullable=False),
    Column("waiting", Text, nullable=False, comment="why it cannot be done yet; empty while it can"),
    Column("finished_at", Instant, nullable=True),
    Column("certificate", LargeBinary, nullable=True, comment="JSON: what was deleted, and what is left"),
    Index("erasure_open", "requested_at", postgresql_where=text("finished_at IS NULL")),
)

suppression = Table(
    "suppression",
    workspace_metadata,
    Column("kind", Text, primary_key=True),
    Column("issuer", Text, primary_key=True),
    Column("hash", Text, primary_key=True, comment="keyed: nobody can read it, a later list can match it"),
    Column("since", Instant, nullable=False),
    Column(
        "customer",
        UUID,
        nullable=True,
        comment="who was forgotten: what they did before and comes late is theirs",
    ),
)

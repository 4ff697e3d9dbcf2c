"""What a text or a name is found by: words under a key, an event a row. Whose an event is stands elsewhere."""

from sqlalchemy import BigInteger, Column, Index, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY, UUID

from models.tables.base import Instant, workspace_metadata

search_text = Table(
    "search_text",
    workspace_metadata,
    Column("event_id", UUID, primary_key=True),
    Column("customer", UUID, nullable=True, comment="at recording: where to look, not whose it is"),
    Column("occurred_at", Instant, nullable=False),
    Column("channel", Text, nullable=False),
    Column("tokens", ARRAY(BigInteger), nullable=False, comment="keyed hashes of its words"),
    Index("search_text_tokens", "tokens", postgresql_using="gin"),
    Index("search_text_occurred", "occurred_at", "event_id"),
    Index("search_text_customer", "customer"),
    comment="Texts that customers and agents wrote; deleted and vacuumed by an erasure.",
)

search_name = Table(
    "search_name",
    workspace_metadata,
    Column("event_id", UUID, primary_key=True),
    Column("customer", UUID, nullable=True, comment="at recording: where to look, not whose it is"),
    Column("tokens", ARRAY(BigInteger), nullable=False, comment="keyed hashes of its spellings"),
    Index("search_name_tokens", "tokens", postgresql_using="gin"),
    comment="Names that customers go by; deleted and vacuumed by an erasure.",
)

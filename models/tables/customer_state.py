"""How far the compacted topic with each customer's state has come."""

from sqlalchemy import BigInteger, Boolean, Column, Table, Text
from sqlalchemy.dialects.postgresql import UUID

from models.tables.base import workspace_metadata

state_checkpoint = Table(
    "state_checkpoint",
    workspace_metadata,
    Column("topic", Text, primary_key=True),
    Column("topic_id", Text, nullable=False, comment="another one: the topic was made anew, and is empty"),
    Column(
        "position", BigInteger, nullable=False, comment="whom the journal up to here names has been written"
    ),
    Column("filling", Boolean, nullable=False, comment="everybody is being written, before going on"),
    Column("filled", UUID, nullable=True, comment="the last customer of those; none yet"),
)

"""Where every reader of the journal stands, and which events the views have folded."""

from sqlalchemy import BigInteger, Column, Integer, Table, Text

from models.tables.base import workspace_metadata

reader_position = Table(
    "reader_position",
    workspace_metadata,
    Column("reader", Text, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("topic_id", Text, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("holder", Text, nullable=False),
)

ledger = Table(
    "ledger",
    workspace_metadata,
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    comment="An event is folded only if its row was really inserted in the folding transaction.",
)

relay_checkpoint = Table(
    "relay_checkpoint",
    workspace_metadata,
    Column("topic", Text, primary_key=True),
    Column("topic_id", Text, nullable=False),
    Column("position", BigInteger, nullable=False),
)

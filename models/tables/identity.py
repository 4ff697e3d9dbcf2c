"""Identifier to customer, written in the append transaction."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, Table, Text, text
from sqlalchemy.dialects.postgresql import UUID

from models.tables.base import workspace_metadata

identifier = Table(
    "identifier",
    workspace_metadata,
    Column("kind", Text, primary_key=True),
    Column("issuer", Text, primary_key=True),
    Column("hash", Text, primary_key=True),
    Column("customer", UUID, nullable=False, comment="as first linked; follow customer.survivor"),
    Column("blocked", Boolean, nullable=False, default=False),
    Column(
        "strangers", Integer, nullable=False, default=0, comment="times it stood between vetoed customers"
    ),
    Column("key_id", Text, nullable=True, comment="the vault's key of the sealed value"),
    Column("sealed", LargeBinary, nullable=True),
    Index("identifier_customer", "customer"),
)

customer = Table(
    "customer",
    workspace_metadata,
    Column("id", UUID, primary_key=True),
    Column("survivor", UUID, nullable=False, comment="itself, until merged into an older one"),
    Column("since", BigInteger, nullable=False, comment="journal position of its first event"),
    Column("revision", Integer, nullable=False, comment="of its identity stream"),
    Index("customer_survivor", "survivor"),
    # Asked of every batch, about all of its customers; hardly any of them was ever absorbed.
    Index("customer_absorbed", "id", postgresql_where=text("survivor <> id")),
)

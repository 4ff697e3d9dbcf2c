"""Identifier to customer, written in the append transaction."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, Table, Text, text
from sqlalchemy.dialects.postgresql import UUID

from models.tables.base import Instant, workspace_metadata

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
    Column(
        "parted",
        Boolean,
        nullable=False,
        server_default=text("false"),
        comment="of a blocked one: whatever it alone held together has been parted",
    ),
    Column("key_id", Text, nullable=True, comment="the vault's key of the sealed value"),
    Column("sealed", LargeBinary, nullable=True),
    Index("identifier_customer", "customer"),
    Index("identifier_to_part", "hash", postgresql_where=text("blocked AND NOT parted")),
)

customer = Table(
    "customer",
    workspace_metadata,
    Column("id", UUID, primary_key=True),
    Column("survivor", UUID, nullable=False, comment="itself, until merged into an older one"),
    Column("family", UUID, nullable=False, comment="everybody ever joined: what is read together"),
    Column(
        "tangled",
        Boolean,
        nullable=False,
        comment="somebody of the family was parted, or an event given away",
    ),
    Column("since", BigInteger, nullable=False, comment="journal position of its first event"),
    Column("revision", Integer, nullable=False, comment="of its identity stream"),
    Index("customer_survivor", "survivor"),
    # Asked of every batch, about all of its customers; hardly any of them was ever joined with another.
    Index("customer_joined", "id", postgresql_where=text("survivor <> id OR tangled")),
    Index("customer_family", "family", postgresql_where=text("family <> id")),
)

identity_veto = Table(
    "identity_veto",
    workspace_metadata,
    Column("one", UUID, primary_key=True),
    Column("other", UUID, primary_key=True),
    Index("identity_veto_other", "other"),
    comment="Two whom only a person may join: a person parted them, or said that they are two.",
)

identity_proposal = Table(
    "identity_proposal",
    workspace_metadata,
    Column("one", UUID, primary_key=True),
    Column("other", UUID, primary_key=True),
    Column("why", Text, nullable=False),
    Column("event_id", UUID, nullable=False),
    Column("occurred_at", Instant, nullable=False),
    Column("settled", Text, nullable=True, comment="merged or declined; open without"),
    comment="Work for a person: two customers who may be one.",
)

given = Table(
    "given",
    workspace_metadata,
    Column("event_id", UUID, primary_key=True),
    Column("customer", UUID, nullable=False),
    Index("given_customer", "customer"),
    comment="Events recorded as nobody's that turned out to be somebody's: they are read with that one's.",
)

unassigned = Table(
    "unassigned",
    workspace_metadata,
    Column("subject", Text, primary_key=True, comment="an event, or a stream with all its events"),
    Column("family", UUID, nullable=False),
    Column("type", Text, nullable=False),
    Column("event_id", UUID, nullable=False),
    Column("occurred_at", Instant, nullable=False),
    Index("unassigned_family", "family"),
    comment="Work for a person: what was decided while two were wrongly one. In no customer's view.",
)

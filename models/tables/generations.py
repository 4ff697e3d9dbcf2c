"""Which generation of its rule filled each view, and how far a rebuild beside the live views has come."""

from sqlalchemy import BigInteger, Column, Integer, SmallInteger, Table, Text

from models.tables.base import workspace_metadata

view_generation = Table(
    "view_generation",
    workspace_metadata,
    Column("view", Text, primary_key=True),
    Column("generation", Integer, nullable=False),
    Column("kept", Text, nullable=True, comment="the table that was live before, until it is dropped"),
    comment="Every fold reads it first: a swap locks it, and so waits for the folds under way.",
)

rebuild = Table(
    "rebuild",
    workspace_metadata,
    Column("id", SmallInteger, primary_key=True),
    Column("position", BigInteger, nullable=False, comment="the next tables hold the events up to here"),
    Column("stage", Text, nullable=False, comment="filling, or following once the tables have their indexes"),
    comment="One row while a rebuild is under way.",
)

rebuild_view = Table(
    "rebuild_view",
    workspace_metadata,
    Column("view", Text, primary_key=True),
    Column("generation", Integer, nullable=False),
    comment="What is being rebuilt.",
)

rebuild_part = Table(
    "rebuild_part",
    workspace_metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("after", Text, nullable=False, comment="the last owner done; moves with every slice"),
    Column("upto", Text, nullable=False),
    Column("owners", Integer, nullable=False),
    Column("done", Integer, nullable=False),
    comment="A range of owners that one process works through.",
)

rebuild_owner = Table(
    "rebuild_owner",
    workspace_metadata,
    Column("owner", Text, primary_key=True),
    comment="Whose rows in the next tables are behind the live ones.",
)

rebuild_waiting = Table(
    "rebuild_waiting",
    workspace_metadata,
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    comment="Events up to the rebuild's position that no view has folded: the next tables leave them out.",
)

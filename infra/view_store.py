"""The read models' tables: rows of states loaded by key, written by COPY, deleted by owner."""

from collections.abc import Collection, Iterable
from typing import Any

import msgspec
from sqlalchemy import Connection, Table, delete, select

from infra.database import among, copy_rows
from models.projections.projection import Projection
from models.tables.base import workspace_metadata

_encode = msgspec.json.Encoder().encode


class ViewStore:
    """The rows of one projection. States are JSON, so that a person can read a row too.

    They are in the table of the projection's name, or in another of the same columns.
    """

    def __init__(self, projection: Projection[Any], table: Table | None = None) -> None:
        self.projection = projection
        self.table = workspace_metadata.tables[projection.name] if table is None else table
        self._decoder = msgspec.json.Decoder(projection.row)
        self._columns = [
            column.name for column in self.table.columns if column.name not in ("key", "owner", "state")
        ]

    def decode(self, state: bytes) -> Any:
        """A stored state as the projection's row."""
        return self._decoder.decode(state)

    def same(self, one: bytes, other: bytes) -> bool:
        """Do two stored states say the same? A set has no order, so the bytes may differ all the same."""
        try:
            return one == other or bool(self.decode(one) == self.decode(other))
        except msgspec.MsgspecError:  # written by a rule whose rows looked otherwise
            return False

    def load(self, connection: Connection, keys: Collection[str]) -> dict[str, Any]:
        """The rows of these keys that exist."""
        if not keys:
            return {}
        found = connection.execute(
            select(self.table.c.key, self.table.c.state).where(among(self.table.c.key, keys))
        )
        return {key: self.decode(state) for key, state in found.all()}

    def delete_owners(self, connection: Connection, owners: Collection[str]) -> None:
        """Take away whatever these owners have."""
        connection.execute(delete(self.table).where(among(self.table.c.owner, owners)))

    def delete_keys(
        self, connection: Connection, keys: Collection[str], *, of: Collection[str] | None = None
    ) -> None:
        """Take away the rows of these keys; where owners are named, of theirs."""
        whose = [] if of is None else [among(self.table.c.owner, of)]
        connection.execute(delete(self.table).where(among(self.table.c.key, keys), *whose))

    def line(self, key: str, owner: str, row: Any) -> tuple[Any, ...]:
        """A row as its table holds it, in the order of `columns`."""
        beside = self.projection.columns(row)
        return (key, owner, _encode(row), *(beside[name] for name in self._columns))

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the table as `line` fills them."""
        return ("key", "owner", "state", *self._columns)

    def copy(self, connection: Connection, lines: Iterable[tuple[Any, ...]]) -> None:
        """Write lines whose keys are not there yet."""
        copy_rows(connection, self.table, self.columns, lines)

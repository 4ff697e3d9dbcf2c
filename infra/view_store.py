"""The read models' tables: rows of states loaded by key, written by COPY, deleted by owner."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, select

from infra.database import copy_rows
from models.projections.projection import Projection
from models.tables.base import workspace_metadata

_encode = msgspec.json.Encoder().encode


class ViewStore:
    """The rows of one projection. States are JSON, so that a person can read a row too."""

    def __init__(self, projection: Projection[Any]) -> None:
        self.projection = projection
        self.table = workspace_metadata.tables[projection.name]
        self._decoder = msgspec.json.Decoder(projection.row)
        self._columns = [
            column.name for column in self.table.columns if column.name not in ("key", "owner", "state")
        ]

    def decode(self, state: bytes) -> Any:
        """A stored state as the projection's row."""
        return self._decoder.decode(state)

    def load(self, connection: Connection, keys: Collection[str]) -> dict[str, Any]:
        """The rows of these keys that exist."""
        if not keys:
            return {}
        found = connection.execute(
            select(self.table.c.key, self.table.c.state).where(self.table.c.key.in_(list(keys)))
        )
        return {key: self.decode(state) for key, state in found}

    def of_owner(self, connection: Connection, owner: str) -> dict[str, Any]:
        """An owner's rows by key."""
        found = connection.execute(
            select(self.table.c.key, self.table.c.state).where(self.table.c.owner == owner)
        )
        return {key: self.decode(state) for key, state in found}

    def delete_owners(self, connection: Connection, owners: Collection[str]) -> None:
        """Take away whatever these owners have."""
        connection.execute(delete(self.table).where(self.table.c.owner.in_(list(owners))))

    def write(
        self, connection: Connection, rows: Mapping[str, tuple[str, Any | None]], *, fresh: bool
    ) -> None:
        """Put rows (key → owner, row or None) in the place of what stood there; `fresh` where nothing did."""
        if not rows:
            return
        if not fresh:
            connection.execute(delete(self.table).where(self.table.c.key.in_(list(rows))))
        copy_rows(connection, self.table, ["key", "owner", "state", *self._columns], self._values(rows))

    def _values(self, rows: Mapping[str, tuple[str, Any | None]]) -> Iterable[tuple[Any, ...]]:
        for key, (owner, row) in rows.items():
            if row is not None:
                beside = self.projection.columns(row)
                yield (key, owner, _encode(row), *(beside[name] for name in self._columns))

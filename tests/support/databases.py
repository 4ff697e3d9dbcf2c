"""A fresh workspace's two databases for a test: new ones, or an earlier test's that are again as if new."""

import time
from pathlib import Path

import psycopg
from psycopg import Connection, sql

from infra.database import engine_for
from infra.local.postgres import LocalPostgres
from infra.migrating import migrate

Pair = tuple[str, str]
CHAINS = ("workspace", "vault")
SHAPE = Path(__file__).with_name("shape.sql").read_bytes()
WRITTEN = (
    b"SELECT relname FROM pg_class "
    b"WHERE relkind = 'r' AND oid >= 16384 AND relname <> 'alembic_version' AND pg_relation_size(oid) > 0"
)
COUNTED = b"SELECT setval(oid, 1, false) FROM pg_class WHERE relkind = 'S' AND oid >= 16384"
OTHERS = (
    b"SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
)
LEAVING_SECONDS = 0.2
"""So long a connection that was closed may still be seen."""


class Databases:
    """Lends pairs of databases, the workspace's and the vault's, each as the migrations leave it.

    A pair that comes back is emptied and lent again where nobody is connected to it and nothing but rows was
    changed: that costs half of copying the template, and no disk. Any other is never lent again.
    """

    def __init__(self, server: LocalPostgres, first: int = 1) -> None:
        """`first` is the number of the first pair that it makes; another lender's begin elsewhere."""
        self._server, self._made = server, first - 1
        self._free: list[Pair] = []
        self._shapes: list[object] = []
        self._rows: dict[str, list[object]] = {}
        """Table → the rows that the migrations put there."""
        for chain in CHAINS:
            server.create_database(f"template_{chain}")
            engine = engine_for(server.url(f"template_{chain}"))
            migrate(engine, chain)
            engine.dispose()
            with self._connected(f"template_{chain}") as connection:
                self._shapes += _column(connection, SHAPE)
                for table in _column(connection, WRITTEN):
                    rows = sql.SQL("SELECT one::text FROM {} AS one").format(sql.Identifier(str(table)))
                    self._rows[str(table)] = _column(connection, rows)

    def lend(self) -> Pair:
        """The names of two databases with nothing in them."""
        if self._free:
            return self._free.pop()
        self._made += 1
        workspace, vault = (f"{chain}_{self._made}" for chain in CHAINS)
        with self._connected("postgres") as connection:
            for name, chain in ((workspace, "workspace"), (vault, "vault")):
                connection.execute(f"CREATE DATABASE {name} TEMPLATE template_{chain}".encode())
        return workspace, vault

    def take_back(self, pair: Pair) -> None:
        """Empty them, so that they can be lent again; what cannot be emptied is left alone."""
        try:
            if all(self._empty(name, shape) for name, shape in zip(pair, self._shapes, strict=True)):
                self._free.append(pair)
        except psycopg.OperationalError:
            return  # a test dropped it, or stopped the server

    def _empty(self, name: str, shape: object) -> bool:
        with self._connected(name) as connection:
            if _column(connection, SHAPE) != [shape] or not _alone(connection):
                return False
            if written := [str(table) for table in _column(connection, WRITTEN)]:
                names = sql.SQL(", ").join(map(sql.Identifier, written))
                connection.execute(sql.SQL("TRUNCATE {}").format(names))
                connection.execute(COUNTED)
            for table in self._rows.keys() & set(written):
                again = sql.SQL("INSERT INTO {0} SELECT (one::{0}).* FROM unnest(%s::text[]) AS one")
                connection.execute(again.format(sql.Identifier(table)), [self._rows[table]])
        return True

    def url(self, name: str) -> str:
        """The address of a database that was lent."""
        return self._server.url(name)

    def _connected(self, name: str) -> Connection[tuple[object, ...]]:
        return psycopg.connect(self.url(name).replace("+psycopg", ""), autocommit=True)


def _column(connection: Connection[tuple[object, ...]], asked: bytes | sql.Composed) -> list[object]:
    return [row[0] for row in connection.execute(asked)]


def _alone(connection: Connection[tuple[object, ...]]) -> bool:
    """Is nobody else connected, or everybody about to leave?"""
    deadline = time.monotonic() + LEAVING_SECONDS
    while _column(connection, OTHERS) != [0]:
        if time.monotonic() > deadline:
            return False
        time.sleep(LEAVING_SECONDS / 20)
    return True

"""Engines, COPY, and the one translation of a database that does not answer."""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import adapters, errors
from psycopg.adapt import Dumper
from psycopg.pq import Format
from psycopg.types.array import ListDumper
from psycopg.types.string import TextLoader
from sqlalchemy import ColumnElement, Connection, Engine, Table, any_, create_engine, event, literal, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import ConnectionPoolEntry

from infra.stalled import LOCK_SECONDS, end_whoever_blocks
from models.errors import Unavailable

_DIALECT = postgresql.dialect()
IDLE_SECONDS = 1.0
"""After so long a rest a connection is tried before it is used."""
_SESSION = {
    "timezone": "UTC", "idle_in_transaction_session_timeout": "60s", "lock_timeout": f"{LOCK_SECONDS}s",
    # Each side notices after some ten seconds, not hours, that the other is gone without a word.
    "tcp_keepalives_idle": 5, "tcp_keepalives_interval": 2, "tcp_keepalives_count": 3,
    "tcp_user_timeout": 10_000, "client_connection_check_interval": "2s",
    "random_page_cost": 1.1,  # nearly all is read by key, and disks have no arms any more
}  # fmt: skip


def engine_for(url: str, *, pool: int = 5) -> Engine:
    """An engine on PostgreSQL. `postgres://` and `postgresql://` addresses are taken as psycopg 3."""
    for prefix in ("postgres://", "postgresql://"):
        if url.startswith(prefix):
            url = "postgresql+psycopg://" + url.removeprefix(prefix)
    engine = create_engine(
        url, pool_size=pool, max_overflow=10, pool_timeout=10,
        hide_parameters=True,  # an error's text ends in a log
        connect_args={
            "connect_timeout": 5, "options": " ".join(f"-c {name}={value}" for name, value in _SESSION.items()),
            "keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3, "tcp_user_timeout": 10_000,
        },
    )  # fmt: skip
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "checkin", _note)
    event.listen(engine, "checkout", _ping_if_idle)
    end_whoever_blocks(engine)
    return engine


def _prepare(raw: psycopg.Connection[Any], _: Any) -> None:
    raw.adapters.register_loader("uuid", TextLoader)  # our ids are strings everywhere
    raw.adapters.register_dumper(list, _ListDumper)


def _note(_: Any, record: ConnectionPoolEntry) -> None:
    record.info["used"] = time.monotonic()


def _ping_if_idle(raw: psycopg.Connection[Any], record: ConnectionPoolEntry, _: Any) -> None:
    """A connection that rested is asked whether it still is one; a busy one need not be asked each time."""
    if time.monotonic() - record.info.get("used", 0.0) > IDLE_SECONDS:
        try:
            raw.execute("")
            raw.rollback()
        except psycopg.Error as error:
            raise DisconnectionError from error


def among(column: ColumnElement[Any], values: Iterable[Any]) -> ColumnElement[bool]:
    """Is it one of these? As one array: the statement's text does not grow with them, and is parsed once."""
    return column == any_(literal(list(values), ARRAY(column.type)))


@contextmanager
def unavailable() -> Iterator[None]:
    """Turn a lost, refusing or broken database into `Unavailable`; leave defects as they are."""
    try:
        yield
    except PoolTimeout as error:
        raise Unavailable("every connection to the database is in use") from error
    except DBAPIError as error:
        if error.connection_invalidated or _is_its_condition(error.orig):
            raise Unavailable(f"the database does not answer ({type(error.orig).__name__})") from error
        raise
    except psycopg.Error as error:  # COPY goes round SQLAlchemy
        if _is_its_condition(error):
            raise Unavailable(f"the database does not answer ({type(error).__name__})") from error
        raise


def _is_its_condition(error: BaseException | None) -> bool:
    """Does an error tell of the database's own state, which passes, rather than of what it was asked?"""
    match error:
        case errors.ProgramLimitExceeded() | errors.InFailedSqlTransaction():
            return False  # a value too long for an index would never pass
        case psycopg.OperationalError() | psycopg.InterfaceError() | psycopg.InternalError():
            return True  # a file that may not grow and a database in recovery come as internal errors
        case errors.InsufficientPrivilege():
            return True  # so does PostgreSQL call a file system that became read-only
    return False


def copy_rows(
    connection: Connection, table: Table, columns: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    """Write rows by COPY, in this connection's transaction. A customer's or an event's id may be a string."""
    names = ", ".join(f'"{column}"' for column in columns)
    statement = f'COPY "{table.name}" ({names}) FROM STDIN (FORMAT BINARY)'
    with driver(connection).cursor() as cursor:
        cursor.adapters.register_dumper(str, _IdDumper)
        with cursor.copy(statement) as copy:
            copy.set_types([table.c[column].type.compile(_DIALECT).lower() for column in columns])
            for row in rows:
                copy.write_row(row)


def driver(connection: Connection) -> psycopg.Connection[Any]:
    """The driver's own connection, in the same transaction: for COPY, and for reading in bulk."""
    raw = connection.connection.driver_connection
    assert isinstance(raw, psycopg.Connection)
    return raw


class _ListDumper(ListDumper):
    """Batches ask with lists of plain strings: those are written in one go, not element by element."""

    def dump(self, obj: list[Any]) -> Any:
        if set(map(type, obj)) == {str}:
            joined = '","'.join(obj)
            if "\\" not in joined and joined.count('"') == 2 * len(obj) - 2:
                return f'{{"{joined}"}}'.encode()
        return super().dump(obj)


class _IdDumper(Dumper):
    """Our ids are strings everywhere; to a column of UUIDs they go as their sixteen bytes."""

    oid, format = adapters.types["uuid"].oid, Format.BINARY

    def dump(self, obj: str) -> bytes:
        return bytes.fromhex(obj.replace("-", ""))


def wait_until_ready(engine: Engine) -> None:
    """Ask the database something simple. Raises `Unavailable` if it does not answer."""
    with unavailable(), engine.connect() as connection:
        connection.execute(text("SELECT 1"))

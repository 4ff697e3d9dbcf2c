"""Engines, COPY, and the one translation of a database that does not answer."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import adapters
from psycopg.adapt import Dumper
from psycopg.pq import Format
from sqlalchemy import ColumnElement, Connection, Engine, Table, any_, create_engine, literal, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from models.errors import Unavailable

_DIALECT = postgresql.dialect()


def engine_for(url: str, *, pool: int = 5) -> Engine:
    """An engine on PostgreSQL. `postgres://` and `postgresql://` addresses are taken as psycopg 3."""
    for prefix in ("postgres://", "postgresql://"):
        if url.startswith(prefix):
            url = "postgresql+psycopg://" + url.removeprefix(prefix)
    return create_engine(
        url, pool_size=pool, max_overflow=10, pool_pre_ping=True, pool_timeout=10,
        hide_parameters=True,  # an error's text ends in a log
        connect_args={
            "connect_timeout": 5, "options": "-c timezone=UTC -c idle_in_transaction_session_timeout=60s",
            # A server that is gone without a word is noticed after some ten seconds, not hours.
            "keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3, "tcp_user_timeout": 10_000,
        },
    )  # fmt: skip


def among(column: ColumnElement[Any], values: Iterable[Any]) -> ColumnElement[bool]:
    """Is it one of these? As one array: the statement's text does not grow with them, and is parsed once."""
    return column == any_(literal(list(values), ARRAY(column.type)))


@contextmanager
def unavailable() -> Iterator[None]:
    """Turn a lost or refusing database into `Unavailable`; leave defects as they are."""
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        raise Unavailable(f"the database does not answer ({type(error.orig).__name__})") from error
    except PoolTimeout as error:
        raise Unavailable("every connection to the database is in use") from error
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:  # COPY goes round SQLAlchemy
        raise Unavailable(f"the database does not answer ({type(error).__name__})") from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise Unavailable("the connection to the database was lost") from error
        raise


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


class _IdDumper(Dumper):
    """Our ids are strings everywhere; to a column of UUIDs they go as their sixteen bytes."""

    oid, format = adapters.types["uuid"].oid, Format.BINARY

    def dump(self, obj: str) -> bytes:
        return bytes.fromhex(obj.replace("-", ""))


def wait_until_ready(engine: Engine) -> None:
    """Ask the database something simple. Raises `Unavailable` if it does not answer."""
    with unavailable(), engine.connect() as connection:
        connection.execute(text("SELECT 1"))

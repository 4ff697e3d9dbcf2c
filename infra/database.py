"""Engines, COPY, and the one translation of a database that does not answer."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from sqlalchemy import Connection, Engine, Table, create_engine, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from models.errors import Unavailable


def engine_for(url: str, *, pool: int = 5) -> Engine:
    """An engine on PostgreSQL. `postgres://` and `postgresql://` addresses are taken as psycopg 3."""
    for prefix in ("postgres://", "postgresql://"):
        if url.startswith(prefix):
            url = "postgresql+psycopg://" + url.removeprefix(prefix)
    return create_engine(
        url, pool_size=pool, max_overflow=10, pool_pre_ping=True, pool_timeout=10,
        hide_parameters=True,  # an error's text ends in a log
        connect_args={"connect_timeout": 5, "options": "-c timezone=UTC"},
    )  # fmt: skip


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
    """Write rows by COPY, in this connection's transaction."""
    names = ", ".join(f'"{column}"' for column in columns)
    raw = connection.connection.driver_connection
    assert raw is not None
    with raw.cursor() as cursor, cursor.copy(f'COPY "{table.name}" ({names}) FROM STDIN') as copy:
        for row in rows:
            copy.write_row(row)


def wait_until_ready(engine: Engine) -> None:
    """Ask the database something simple. Raises `Unavailable` if it does not answer."""
    with unavailable(), engine.connect() as connection:
        connection.execute(text("SELECT 1"))

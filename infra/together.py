"""Questions that go to the database in one round trip: one after the other, in the connection's transaction."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from psycopg import Cursor
from psycopg.errors import LockNotAvailable
from sqlalchemy import Connection

from infra.database import driver
from infra.stalled import end_silent


class Ask(Protocol):
    """Puts a statement in the driver's own words; its rows are there when the block has ended."""

    def __call__(
        self, statement: str, values: Mapping[str, Any] | Sequence[Any] | None = None, /
    ) -> Cursor[Any]:
        """The cursor from which to fetch them."""
        ...


@contextmanager
def together(connection: Connection) -> Iterator[Ask]:
    """A block whose questions are all put before the first answer is awaited.

    Each statement still begins when the one before it has ended, and sees what was committed by then.
    """
    raw = driver(connection)
    try:
        with raw.pipeline():
            yield raw.execute
    except LockNotAvailable:
        end_silent(connection.engine)  # SQLAlchemy, which would see to it, did not ask
        raise

"""The events that were made of a source's raw bodies, found by what they belong to: a call, a message, a person."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, select, text

from events.envelope import Envelope
from infra.database import unavailable
from infra.journal.stored import read
from models.tables.journal import journal

REMAP = "remap"
"""The actor of what telling bodies anew recorded: the old event's id, a `~` and a number."""
MARK = r"(~retracted)?~[0-9]+$"

# A source id begins with what it belongs to, and no index knows that: made once, it serves the whole run.
_GATHER = (
    "CREATE TEMP TABLE told_event AS SELECT position, split_part(CASE WHEN actor = :actor "
    "THEN regexp_replace(source_id, :mark, '') ELSE source_id END, '/', 1) AS belongs_to "
    "FROM journal WHERE source = :source"
)
_FIND = "SELECT position FROM told_event WHERE belongs_to = ANY(:groups)"

Find = Callable[[Collection[str]], list[Envelope]]


@contextmanager
def told_events(engine: Engine, source: str) -> Iterator[Find]:
    """A question for the events of some calls, messages or persons, among those recorded until now.

    They come in the order of the journal. Raises `Unavailable`.
    """
    with unavailable(), engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(_GATHER), {"actor": REMAP, "mark": MARK, "source": source})
        connection.execute(text("CREATE INDEX ON told_event (belongs_to)"))

        def find(groups: Collection[str]) -> list[Envelope]:
            found = connection.execute(text(_FIND), {"groups": list(groups)}).scalars().all()
            return read(
                connection,
                journal.c.position.in_(
                    select(text("unnest(CAST(:at AS bigint[]))").bindparams(at=list(found)))
                ),
            )

        try:
            yield find
        finally:
            connection.execute(text("DROP TABLE told_event"))

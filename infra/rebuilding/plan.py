"""What is being rebuilt and how far it has come: in the database, so that a killed rebuild goes on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection, delete, insert, select, text

from infra.rebuilding import tables
from models.tables.generations import rebuild, rebuild_owner, rebuild_part, rebuild_view, rebuild_waiting

Stage = Literal["filling", "following"]

COUNTED = """
j.position <= (SELECT position FROM rebuild)
AND NOT EXISTS (SELECT FROM rebuild_waiting w WHERE w.position = j.position)
"""
"""SQL on a row `j` of the journal: the next tables should hold it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Views with their generations; the next tables hold what was folded of the journal up to `position`."""

    views: Mapping[str, int]
    position: int
    stage: Stage


def find(connection: Connection) -> Plan | None:
    """The rebuild under way, if there is one."""
    row = connection.execute(select(rebuild)).one_or_none()
    if row is None:
        return None
    views = connection.execute(select(rebuild_view.c.view, rebuild_view.c.generation))
    return Plan(dict(views.tuples().all()), row.position, row.stage)


def begin(connection: Connection, views: Mapping[str, int]) -> None:
    """Plan a rebuild of what the views hold as of now. The transaction must see one moment."""
    forget(connection)
    for view in views:
        tables.create(connection, view)
    rows = [{"view": view, "generation": generation} for view, generation in views.items()]
    connection.execute(insert(rebuild_view), rows)
    connection.execute(
        text("INSERT INTO rebuild (id, position, stage) SELECT 1, position, 'filling' FROM journal_head")
    )
    wait_for(connection, after=0)
    connection.execute(text("ANALYZE rebuild_waiting"))
    divide(connection, "fold_head")


def forget(connection: Connection) -> None:
    """Drop what an unfinished rebuild has made."""
    for view in connection.execute(select(rebuild_view.c.view)).scalars().all():
        tables.drop(connection, view)
    clear(connection)


def clear(connection: Connection) -> None:
    """Nothing is being rebuilt any more."""
    for table in (rebuild, rebuild_view, rebuild_part, rebuild_owner, rebuild_waiting):
        connection.execute(delete(table))


def wait_for(connection: Connection, after: int) -> None:
    """Remember which events beyond a position, up to the rebuild's, no view holds; and all that lie aside."""
    connection.execute(
        text(
            "INSERT INTO rebuild_waiting (position) SELECT p.position FROM rebuild, "
            "generate_series(CAST(:after AS bigint) + 1, rebuild.position) AS p(position) "
            "WHERE NOT EXISTS (SELECT FROM ledger l WHERE l.position = p.position) "
            "UNION SELECT e.position FROM set_aside s JOIN journal e ON e.event_id = s.event_id, rebuild "
            "WHERE s.reader = 'projector' AND e.position <= rebuild.position "
            "ON CONFLICT DO NOTHING"
        ),
        {"after": after},
    )


def divide(connection: Connection, source: str, parts: int = 64) -> int:
    """Cut the owners of a table into ranges of about as many each; how many owners there are."""
    connection.execute(delete(rebuild_part))
    connection.execute(
        text(
            "INSERT INTO rebuild_part (number, after, upto, owners, done) SELECT part, "
            "coalesce(lag(max(owner)) OVER (ORDER BY part), ''), max(owner), count(*), 0 FROM "
            f"(SELECT owner, ntile(:parts) OVER (ORDER BY owner) AS part FROM {source}) AS cut GROUP BY part"
        ),
        {"parts": parts},
    )
    return progress(connection)[1]


def progress(connection: Connection) -> tuple[int, int]:
    """Owners done, and owners in all, of what is being worked through."""
    found = connection.execute(
        text("SELECT coalesce(sum(done), 0), coalesce(sum(owners), 0) FROM rebuild_part")
    )
    done, total = found.one()
    return int(done), int(total)

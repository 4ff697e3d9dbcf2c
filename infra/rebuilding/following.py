"""Bringing filled tables up to what the live views hold: whose rows are behind, and folding those anew."""

from collections.abc import Collection, Sequence

from sqlalchemy import ColumnElement, Connection, delete, exists, select, text, update

from events.identity import IdentifierLinked
from infra.database import among
from infra.folding import Line, lines
from infra.journal.histories import families, members
from infra.journal.owned import Owned
from infra.rebuilding.plan import COUNTED, wait_for
from infra.view_store import ViewStore
from models.domain.ownership import TELLING
from models.tables.generations import rebuild, rebuild_owner, rebuild_waiting
from models.tables.journal import journal, journal_head

BUFFER = 5_000
"""Rows that are held before they are written."""

WAITING = exists(select(rebuild_waiting.c.position).where(rebuild_waiting.c.position == journal.c.position))
"""Of events up to the rebuild's position: no view has folded it."""


def fold_into(
    connection: Connection, stores: Sequence[ViewStore], owners: Collection[str], *, fresh: bool
) -> None:
    """Write these owners' rows, folded from what the rebuild counts; `fresh` where nothing of them stood.

    Raises `FoldFailed`.
    """
    buffers: dict[str, list[Line]] = {store.projection.name: [] for store in stores}
    if not fresh:
        everyone = {*owners, *(one for ids in members(connection, owners).values() for one in ids)}
        for store in stores:
            store.delete_owners(connection, everyone)
    for owner, history in Owned(connection, COUNTED).histories(owners):
        for store, line in lines(stores, owner, history):
            buffer = buffers[store.projection.name]
            buffer.append(line)
            if len(buffer) >= BUFFER:
                _write(connection, store, buffer, fresh)
    for store in stores:
        _write(connection, store, buffers[store.projection.name], fresh)


def _write(connection: Connection, store: ViewStore, buffer: list[Line], fresh: bool) -> None:
    if buffer:
        if not fresh:  # an un-merge may have left an event's row with another owner
            store.delete_keys(connection, [line[0] for line in buffer])
        store.copy(connection, buffer)
        buffer.clear()


def look(connection: Connection) -> int:
    """Move the rebuild's position to the journal's head, and note whose rows are behind; how many those are.

    Behind is whoever has an event that was folded, set aside or taken back since, or that was joined with
    another or parted. The transaction must see one moment.
    """
    position = connection.execute(select(rebuild.c.position)).scalar_one()
    head = connection.execute(select(journal_head.c.position)).scalar_one()
    connection.execute(update(rebuild).values(position=head))
    changed = [*_folded_late(connection), *_newly_aside(connection, position)]
    wait_for(connection, after=position)
    connection.execute(
        text(
            "WITH moved AS (SELECT unnest(CAST(:changed AS bigint[])) AS position UNION "
            "SELECT p.position FROM generate_series(CAST(:after AS bigint) + 1, :head) AS p(position) "
            "WHERE NOT EXISTS (SELECT FROM rebuild_waiting w WHERE w.position = p.position)) "
            "INSERT INTO rebuild_owner (owner) SELECT DISTINCT CASE WHEN j.customer IS NULL THEN j.stream "
            "ELSE coalesce(c.survivor, j.customer)::text END FROM moved JOIN journal j USING (position) "
            "LEFT JOIN customer c ON c.id = j.customer "
            "WHERE j.customer IS NOT NULL OR j.stream <> '' ON CONFLICT DO NOTHING"
        ),
        {"changed": changed, "after": position, "head": head},
    )
    touch_joined(connection, journal.c.position > position, journal.c.position <= head)
    touch_joined(connection, among(journal.c.position, changed))
    _note_tangled(connection)
    return int(connection.execute(text("SELECT count(*) FROM rebuild_owner")).scalar_one())


def fold_those_behind(connection: Connection, stores: Sequence[ViewStore]) -> None:
    """Fold the noted owners anew, all in this transaction."""
    owners = connection.execute(select(rebuild_owner.c.owner).order_by(rebuild_owner.c.owner)).scalars().all()
    for start in range(0, len(owners), 200):
        fold_into(connection, stores, owners[start : start + 200], fresh=False)
    connection.execute(delete(rebuild_owner))


def touch_joined(connection: Connection, *which: ColumnElement[bool]) -> None:
    """Note every family in which somebody was joined, parted or given an event.

    Identity runs ahead of the folds: it joins customers before a fold hears of it.
    """
    named = customers_joined(connection, *which)
    connection.execute(
        text("INSERT INTO rebuild_owner (owner) SELECT unnest(CAST(:o AS text[])) ON CONFLICT DO NOTHING"),
        {"o": sorted(named)},
    )


def _note_tangled(connection: Connection) -> None:
    """Whose an event of a tangled family is, only the family says: all of it is behind where one of it is."""
    connection.execute(
        text(
            "INSERT INTO rebuild_owner (owner) SELECT c.id::text FROM customer o JOIN rebuild_owner r "
            "ON r.owner = o.id::text JOIN customer c ON c.family = o.family WHERE o.tangled ON CONFLICT DO NOTHING"
        )
    )


def customers_joined(connection: Connection, *which: ColumnElement[bool]) -> set[str]:
    """Everybody whose family these events changed."""
    changing = journal.c.type.in_(sorted(event.WIRE for event in TELLING - {IdentifierLinked}))
    rows = connection.execute(
        select(journal.c.customer).where(changing, journal.c.customer.is_not(None), *which)
    )
    named = {str(one) for one in rows.scalars()}
    return {one for family in families(connection, named) for one in family.ids}


def _folded_late(connection: Connection) -> list[int]:
    """Events that waited and have been folded since; they wait no longer."""
    return list(
        connection.execute(
            text(
                "DELETE FROM rebuild_waiting w USING ledger l WHERE l.position = w.position AND NOT EXISTS "
                "(SELECT FROM journal e JOIN set_aside s ON s.event_id = e.event_id "
                "WHERE e.position = w.position AND s.reader = 'projector') RETURNING w.position"
            )
        ).scalars()
    )


def _newly_aside(connection: Connection, upto: int) -> list[int]:
    """Events that the next tables hold and that have been set aside since."""
    return list(
        connection.execute(
            text(
                "SELECT e.position FROM set_aside s JOIN journal e ON e.event_id = s.event_id "
                "WHERE s.reader = 'projector' AND e.position <= :upto AND NOT EXISTS "
                "(SELECT FROM rebuild_waiting w WHERE w.position = e.position)"
            ),
            {"upto": upto},
        ).scalars()
    )

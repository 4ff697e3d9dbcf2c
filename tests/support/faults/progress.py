"""How far each reader of the journal is, seen from outside: by its tables and the broker's own offsets."""

from sqlalchemy import Connection, Text, any_, func, literal, select, text
from sqlalchemy.dialects.postgresql import ARRAY

from events.topics import events_topic
from infra.workspace import Workspace
from models.tables.journal import journal, journal_head
from models.tables.readers import ledger, reader_position, relay_checkpoint
from tests.support.faults.book import Book
from tests.support.reading import ends

READERS = ("projector", "policies")


def head(workspace: Workspace) -> int:
    """The journal's last position."""
    with workspace.engine.connect() as connection:
        return int(connection.execute(select(journal_head.c.position)).scalar_one())


def folded(workspace: Workspace) -> int:
    """The last position that the views have."""
    with workspace.engine.connect() as connection:
        return int(connection.execute(select(func.max(ledger.c.position))).scalar() or 0)


def sent_to(workspace: Workspace) -> str:
    """The ids of the topics that the relay fills."""
    with workspace.engine.connect() as connection:
        return str(connection.execute(select(relay_checkpoint.c.topic_id)).scalar())


def behind(workspace: Workspace, book: Book, bootstrap: str) -> dict[str, int]:
    """How many events each reader has yet to see, or to cause, of those that have any."""
    with workspace.engine.connect() as connection:
        last = int(connection.execute(select(journal_head.c.position)).scalar_one())
        entered = int(connection.execute(select(func.count()).select_from(ledger)).scalar_one())
        found = {"ledger": last - entered, **_opportunities(connection), "intake": _untaken(connection, book)}
        if bootstrap:
            sent = connection.execute(select(relay_checkpoint.c.position)).scalar()
            found["relay"] = last - int(sent or 0)
        rows = connection.execute(select(reader_position).where(reader_position.c.partition >= 0)).all()
    high = ends(bootstrap, events_topic(workspace.settings.topic_prefix)) if bootstrap else {0: last}
    done = {(row.reader, row.partition): int(row.offset) for row in rows}
    for reader in READERS:
        found[reader] = sum(end - done.get((reader, part), 0) for part, end in high.items() if end)
    return {name: count for name, count in found.items() if count}


def _opportunities(connection: Connection) -> dict[str, int]:
    """Captured ones that no policy has routed, or whose missed follow-up no sweep has recorded."""
    rows = connection.execute(
        select(journal.c.type, func.count())
        .where(text("stream LIKE 'opportunity-%'"))
        .group_by(journal.c.type)
    ).all()
    count = {row[0].removeprefix("opportunity."): int(row[1]) for row in rows}
    captured = count.get("captured", 0)
    return {
        "routed": captured - count.get("routed", 0),
        "missed": captured - count.get("follow_up_missed", 0),
    }


def _untaken(connection: Connection, book: Book) -> int:
    """Events that the broker took on the intake topic and the journal does not have."""
    handed = {key for key, event_id in book.acknowledged().items() if not event_id}
    sources = sorted({source for source, _ in handed})
    ids = connection.execute(
        select(journal.c.source, journal.c.source_id).where(
            journal.c.source == any_(literal(sources, ARRAY(Text)))
        )
    )
    return len(handed - {(row.source, row.source_id) for row in ids})

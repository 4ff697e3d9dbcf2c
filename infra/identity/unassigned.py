"""The work list of what an un-merge left open: events and streams of which only a person can say whose they are."""

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, delete, insert

from events.envelope import Envelope
from infra.database import among
from infra.journal.histories import Family
from models.tables.identity import unassigned


def write(connection: Connection, families: Sequence[Family], open_: Iterable[Envelope]) -> None:
    """Put down what is open in these tangled families, and nothing else of theirs. A stream is one entry."""
    if not families:
        return
    of_id = {one: family.name for family in families for one in family.ids}
    connection.execute(delete(unassigned).where(among(unassigned.c.family, set(of_id.values()))))
    rows: dict[str, dict[str, object]] = {}
    for e in sorted(open_, key=lambda e: e.order):
        subject = e.stream or e.event_id
        rows.setdefault(
            subject,
            {
                "subject": subject, "family": of_id[e.customer], "type": e.type, "event_id": e.event_id,
                "occurred_at": e.occurred_at,
            },
        )  # fmt: skip
    if rows:
        connection.execute(insert(unassigned), list(rows.values()))

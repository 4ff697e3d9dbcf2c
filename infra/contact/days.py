"""The contacts that one source told of on a day, folded from the journal."""

from datetime import datetime

from sqlalchemy import Engine, select

from events.touch import TouchRetracted
from infra.database import among, unavailable
from infra.journal.stored import read
from models.domain.conversation import Conversation, of
from models.tables.journal import journal


def contacts_between(engine: Engine, source: str, begin: datetime, end: datetime) -> dict[str, Conversation]:
    """A source's contacts that began in [begin, end), by id; what was taken back is left out.

    The whole contact is folded, also what of it came after `end`. Raises `Unavailable`.
    """
    named = (
        select(journal.c.contact).distinct()
        .where(journal.c.source == source, journal.c.contact.is_not(None),
               journal.c.occurred_at >= begin, journal.c.occurred_at < end)
    )  # fmt: skip
    with unavailable(), engine.connect() as connection:
        contacts = list(connection.execute(named).scalars())
        parts = read(connection, among(journal.c.contact, contacts)) if contacts else []
        back = read(connection, journal.c.type == TouchRetracted.WIRE, journal.c.recorded_at >= begin)
    gone = {one.event.touch_id for one in back}
    found = of(one for one in parts if one.event_id not in gone)
    return {name: one for name, one in found.items() if begin <= one.started_at < end}

"""What is held for a person to look at: open entries of the quarantine, and events that lie aside.

Why something is held and where it came from is read; its bytes are not.
"""

from datetime import datetime

from msgspec import Struct
from sqlalchemy import Engine, func, select

from infra.database import unavailable
from models.tables.quarantine import quarantine
from models.tables.set_aside import set_aside

_SHOWN = ("id", "code", "path", "detail", "source", "source_id", "received_at")


class Entry(Struct, frozen=True, kw_only=True):
    """An open entry of the quarantine. All but its id and its time may be a sender's own words: never log them."""

    id: int
    code: str
    path: str
    detail: str
    source: str
    source_id: str
    received_at: datetime


def entries(
    engine: Engine, *, code: str | None = None, before: int | None = None, limit: int = 100
) -> list[Entry]:
    """Open entries, the newest first; of one code, and those with lower ids than `before`. Or `Unavailable`."""
    columns = quarantine.c
    query = select(*(columns[name] for name in _SHOWN)).where(columns.settled_at.is_(None))
    if code is not None:
        query = query.where(columns.code == code)
    if before is not None:
        query = query.where(columns.id < before)
    with unavailable(), engine.connect() as connection:
        rows = connection.execute(query.order_by(columns.id.desc()).limit(limit))
        return [Entry(**row) for row in rows.mappings()]


def aside(engine: Engine) -> dict[str, int]:
    """How many events lie aside, by the reader that passes them over. Raises `Unavailable`."""
    query = select(set_aside.c.reader, func.count()).group_by(set_aside.c.reader).order_by(set_aside.c.reader)
    with unavailable(), engine.connect() as connection:
        return {row.reader: row[1] for row in connection.execute(query)}


def was_ever(engine: Engine, code: str) -> bool:
    """Has the quarantine an entry of this code, settled ones included? Raises `Unavailable`."""
    query = select(quarantine.c.id).where(quarantine.c.code == code).limit(1)
    with unavailable(), engine.connect() as connection:
        return connection.execute(query).first() is not None

"""Opening sealed values for those who have the right: a batch at a time, on the record, at a measured pace."""

import math
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, insert, select, text

from infra.database import among, unavailable
from infra.item import EVENT_ID
from infra.personal.opening import Published, open_events, open_identifiers, personal_of
from infra.workspace import Workspace
from models.domain.identity import Key
from models.tables.audit import audit
from models.tables.journal import journal

WINDOW = timedelta(minutes=1)
_json = msgspec.json.Decoder(dict[str, Any])


class TooMany(Exception):
    """The caller has had as many values as it may in a minute; `seconds` says when it may ask again."""

    def __init__(self, seconds: int) -> None:
        super().__init__("too many values in a minute")
        self.seconds = seconds


class Revealed(Struct, frozen=True, kw_only=True):
    """Event id → its personal fields in the clear; identifier → its value. What is not known is in neither."""

    events: dict[str, dict[str, str]]
    identifiers: Mapping[Key, str]


class Revealer:
    """Opens for callers, who are told apart by the fingerprints of their keys. Raises `Unavailable`."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._most = workspace.settings.reveal_values_per_minute

    def reveal(
        self, caller: str, purpose: str, event_ids: Collection[str], keys: Sequence[Key]
    ) -> Revealed:  # fmt: skip
        """Open these; who asked, what for and for what is written down first. Raises `TooMany`."""
        with unavailable(), self._workspace.engine.connect() as connection:
            page = _published(connection, event_ids)
        fields = {one.event_id: _sealed(one) for one in page}
        count = sum(map(len, fields.values())) + len(keys)
        subjects = [*sorted(event_ids), *(":".join(key) for key in keys)]
        self._note(caller, purpose, subjects, count)
        opened = open_events(self._workspace.vault, page)
        with unavailable(), self._workspace.engine.connect() as connection:
            values = open_identifiers(connection, self._workspace.vault, keys)
        events = {
            one.event_id: {name: data[name] for name in fields[one.event_id]}
            for one, data in zip(page, opened, strict=True)
        }
        return Revealed(events=events, identifiers=values)

    def _note(self, caller: str, purpose: str, subjects: list[str], count: int) -> None:
        """Callers of one key take turns, so that together they get no more than one alone would."""
        now = self._workspace.clock.now()
        with unavailable(), self._workspace.engine.begin() as connection:
            connection.execute(
                text("SELECT pg_advisory_xact_lock(hashtext(:name))"), {"name": f"audit {caller}"}
            )
            wait = self._wait(connection, caller, count, now)
            if wait:
                raise TooMany(wait)
            row = {"at": now, "caller": caller, "purpose": purpose, "subjects": subjects, "opened": count}
            connection.execute(insert(audit).values(**row))

    def _wait(self, connection: Connection, caller: str, count: int, now: datetime) -> int:
        """Seconds until so many more are within the limit; 0: they are. A first batch is never too large."""
        rows = connection.execute(
            select(audit.c.at, audit.c.opened)
            .where(audit.c.caller == caller, audit.c.at > now - WINDOW)
            .order_by(audit.c.at)
        ).all()
        used, until = sum(row.opened for row in rows), now
        for row in rows:
            if used == 0 or used + count <= self._most:
                break
            used, until = used - row.opened, row.at + WINDOW
        return math.ceil((until - now).total_seconds())


def _published(connection: Connection, event_ids: Collection[str]) -> list[Published]:
    ids = [one for one in event_ids if EVENT_ID.fullmatch(one)]
    rows = connection.execute(
        select(journal.c.event_id, journal.c.type, journal.c.data).where(among(journal.c.event_id, ids))
    )
    return [Published(str(row.event_id), row.type, bytes(row.data)) for row in rows]


def _sealed(one: Published) -> list[str]:
    """The personal fields that the event really has."""
    data = _json.decode(one.data)
    return [name for name in personal_of(one.type) if data.get(name) is not None]

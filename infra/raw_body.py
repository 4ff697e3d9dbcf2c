"""Raw bodies of other systems, sealed one by one: a mistake in a mapping is found, and cured, from them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import ColumnElement, Engine, RowMapping, delete, func, select
from sqlalchemy.dialects.postgresql import insert

from infra.database import among, unavailable
from infra.ids import new_id
from infra.vault import DataKey, Vault
from models.tables.raw_body import raw_body

FIELD = "raw_body"


@dataclass(frozen=True, slots=True)
class RawBody:
    """What was received under a key, opened."""

    key: str
    received_at: datetime
    raw: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class NewBody:
    """A part of a call, as it came."""

    source: str
    key: str
    raw: bytes = field(repr=False)
    received_at: datetime


class RawBodies:
    """Keeps the bytes of every part that was told, under its source and key."""

    def __init__(self, engine: Engine, vault: Vault) -> None:
        self._engine, self._vault = engine, vault

    def keep(self, bodies: Sequence[NewBody]) -> int:
        """Commit the bodies that are not there yet; how many that were. Raises `Unavailable`.

        Done before their events are appended. A repeat changes nothing: the first stands.
        """
        there: set[tuple[str, str]] = set()
        with unavailable(), self._engine.connect() as connection:
            for source in {one.source for one in bodies}:
                keys = [one.key for one in bodies if one.source == source]
                where = (raw_body.c.source == source) & among(raw_body.c.key, keys)
                there |= {
                    (source, key) for key in connection.execute(select(raw_body.c.key).where(where)).scalars()
                }
        fresh: dict[tuple[str, str], tuple[NewBody, DataKey]] = {}
        for one in bodies:
            if (one.source, one.key) not in there and (one.source, one.key) not in fresh:
                fresh[(one.source, one.key)] = one, self._vault.make(new_id())
        if not fresh:
            return 0
        self._vault.keep(key for _, key in fresh.values())
        rows = [
            {"source": one.source, "key": one.key, "belongs_to": belongs_to(one.key), "received_at": one.received_at,
             "sealed": key.seal(FIELD, one.raw), "key_id": key.key_id}
            for _, (one, key) in sorted(fresh.items(), key=lambda item: item[0])  # so that two who write never cross
        ]  # fmt: skip
        statement = insert(raw_body).on_conflict_do_nothing().returning(raw_body.c.source, raw_body.c.key)
        with unavailable(), self._engine.begin() as connection:
            written = {tuple(row) for row in connection.execute(statement, rows)}
        late = [key.key_id for name, (_, key) in fresh.items() if name not in written]
        if late:  # another was first
            self._vault.forget(late)
        return len(written)

    def fetch(self, source: str, keys: Collection[str]) -> dict[str, RawBody]:
        """The bodies under these keys, by key; those that were forgotten are left out. Raises `Unavailable`."""
        where = (raw_body.c.source == source) & among(raw_body.c.key, keys)
        with unavailable(), self._engine.connect() as connection:
            rows = connection.execute(select(raw_body).where(where)).mappings().all()
        return {one.key: one for one in self._open(rows)}

    def page(self, source: str, *, after: str = "", limit: int = 500) -> list[RawBody]:
        """A source's bodies in the order of their keys; empty when there are no more. Raises `Unavailable`."""
        while True:
            query = (
                select(raw_body).where(raw_body.c.source == source, raw_body.c.key > after)
                .order_by(raw_body.c.key).limit(limit)
            )  # fmt: skip
            with unavailable(), self._engine.connect() as connection:
                rows = connection.execute(query).mappings().all()
            found = self._open(rows)
            if found or not rows:
                return found
            after = rows[-1]["key"]  # a page whose keys are all gone is not the end

    def groups(
        self, source: str, *, after: str = "", since: datetime | None = None, limit: int = 500
    ) -> list[str]:
        """What a source's bodies belong to, in order; with `since`, where one was received then or later.

        Empty when there are no more. Raises `Unavailable`.
        """
        query = (
            select(raw_body.c.belongs_to).distinct()
            .where(raw_body.c.source == source, raw_body.c.belongs_to > after)
            .order_by(raw_body.c.belongs_to).limit(limit)
        )  # fmt: skip
        if since is not None:
            query = query.where(raw_body.c.received_at >= since)
        with unavailable(), self._engine.connect() as connection:
            return list(connection.execute(query).scalars())

    def of(self, source: str, groups: Collection[str]) -> list[RawBody]:
        """All bodies of these calls, messages or persons, as they came. Raises `Unavailable`."""
        query = (
            select(raw_body).where(raw_body.c.source == source, among(raw_body.c.belongs_to, groups))
            .order_by(raw_body.c.received_at, raw_body.c.key)
        )  # fmt: skip
        with unavailable(), self._engine.connect() as connection:
            return self._open(connection.execute(query).mappings().all())

    def forget(self, source: str, source_ids: Collection[str]) -> int:
        """Delete whatever belongs to the same call, message or person as these events; how many bodies.

        Raises `Unavailable`. First the keys go: what a crash leaves behind is unreadable, and the next
        call deletes it.
        """
        those = {belongs_to(one) for one in source_ids}
        where = (raw_body.c.source == source) & among(raw_body.c.belongs_to, those)
        return self._delete(where)

    def count_before(self, moment: datetime) -> int:
        """How many were received before. Raises `Unavailable`."""
        with unavailable(), self._engine.connect() as connection:
            counted = select(func.count()).select_from(raw_body).where(raw_body.c.received_at < moment)
            return int(connection.execute(counted).scalar_one())

    def forget_before(self, moment: datetime) -> int:
        """Delete what was received before; how many bodies. Raises `Unavailable`."""
        return self._delete(raw_body.c.received_at < moment)

    def _delete(self, where: ColumnElement[bool]) -> int:
        with unavailable(), self._engine.connect() as connection:
            keys = list(connection.execute(select(raw_body.c.key_id).where(where)).scalars())
        self._vault.forget(keys)
        with unavailable(), self._engine.begin() as connection:
            return connection.execute(delete(raw_body).where(among(raw_body.c.key_id, keys))).rowcount

    def _open(self, rows: Sequence[RowMapping]) -> list[RawBody]:
        keys = self._vault.fetch(row["key_id"] for row in rows)
        return [
            RawBody(row["key"], row["received_at"], keys[row["key_id"]].open(FIELD, bytes(row["sealed"])))
            for row in rows
            if row["key_id"] in keys
        ]


def belongs_to(key: str) -> str:
    """What a part belongs to, or an event that was made of it: its key up to the first `/`."""
    return key.partition("/")[0]

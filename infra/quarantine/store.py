"""What could not be taken yet: kept sealed with its reason, once, and replayed after a fix."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy import Connection, Engine, delete, func, select, text, update

from infra.database import unavailable
from infra.ids import derived_id
from infra.intake import Rejected
from infra.matching import Matcher
from infra.personal.traces import Known, Traces
from infra.quarantine import codes
from infra.telemetry import OTHER, QUARANTINED, code_label
from infra.vault import Vault
from models.tables.quarantine import quarantine

PURGED = 500
"""Entries that are opened at once when somebody is to be forgotten."""

UNREADABLE = "unreadable_line"
"""The figure's name for whatever an importer could not map, by whatever code of its own."""


@dataclass(frozen=True, slots=True)
class Held:
    """An open entry, opened: its raw bytes and why it was held."""

    id: int
    source: str
    source_id: str
    code: str
    path: str
    detail: str
    received_at: datetime
    raw: bytes = field(repr=False)


class Quarantine:
    """Keeps rejected items. The same bytes, from one source for one reason, are one entry, however often they come."""

    def __init__(self, engine: Engine, vault: Vault, matcher: Matcher) -> None:
        self._engine, self._vault, self._matcher = engine, vault, matcher
        for code in (*codes.DEFECTS, *codes.STRANGE, *codes.SENT, UNREADABLE, OTHER):
            QUARANTINED.labels(code)

    def keep(self, rejected: Sequence[Rejected], now: datetime) -> None:
        """Commit the items that are to be kept, each once."""
        by_digest = {
            self._matcher.content(one.raw, one.code.encode(), one.path.encode(), one.source.encode()): one
            for one in rejected
            if one.keep
        }
        if not by_digest:
            return
        with unavailable(), self._engine.begin() as connection:
            held = select(quarantine.c.digest).where(
                quarantine.c.digest.in_(list(by_digest)), quarantine.c.settled_at.is_(None)
            )
            seen = {bytes(digest) for (digest,) in connection.execute(held)}
            fresh = {digest: one for digest, one in by_digest.items() if digest not in seen}
            keys = {digest: self._vault.make(_key_id(digest, now)) for digest in fresh}
            self._vault.keep(keys.values())
            for digest, one in fresh.items():
                self._insert(connection, digest, one, keys[digest].seal("raw", one.raw), now)
        for one in rejected:
            if one.keep:
                QUARANTINED.labels(UNREADABLE if one.line else code_label(one.code)).inc()

    @staticmethod
    def _insert(connection: Connection, digest: bytes, one: Rejected, sealed: bytes, now: datetime) -> None:
        """A new entry; one that was settled, and has come again all the same, is open again."""
        connection.execute(
            text(
                "INSERT INTO quarantine (digest, source, source_id, code, path, detail, sealed, received_at) "
                "VALUES (:digest, :source, :source_id, :code, :path, :detail, :sealed, :now) "
                "ON CONFLICT (digest) DO UPDATE SET sealed = excluded.sealed, settled_at = NULL, "
                "verdict = NULL, received_at = excluded.received_at WHERE quarantine.settled_at IS NOT NULL"
            ),
            {"digest": digest, "source": one.source, "source_id": one.source_id, "code": one.code[:200],
             "path": one.path[:500], "detail": one.detail[:500], "sealed": sealed, "now": now},
        )  # fmt: skip

    def counts(self) -> dict[str, int]:
        """How many open entries there are, by code."""
        with unavailable(), self._engine.connect() as connection:
            rows = connection.execute(
                select(quarantine.c.code, func.count())
                .where(quarantine.c.settled_at.is_(None))
                .group_by(quarantine.c.code)
            )
            return {row.code: row[1] for row in rows}

    def open_entries(self, *, after: int = 0, code: str | None = None, limit: int = 500) -> list[Held]:
        """Open entries in the order of their ids, opened; one whose key was erased is left out."""
        columns = quarantine.c
        where = [columns.settled_at.is_(None)] + ([columns.code == code] if code else [])
        found: list[Held] = []
        while not found:  # a page whose keys were all erased is not the end
            with unavailable(), self._engine.connect() as connection:
                rows = connection.execute(
                    select(quarantine).where(*where, columns.id > after).order_by(columns.id).limit(limit)
                ).all()
            if not rows:
                break
            after = rows[-1].id
            keys = self._vault.fetch([_key_id(bytes(row.digest), row.received_at) for row in rows])
            for row in rows:
                key = keys.get(_key_id(bytes(row.digest), row.received_at))
                if key is not None:
                    found.append(
                        Held(row.id, row.source, row.source_id, row.code, row.path, row.detail,
                             row.received_at, key.open("raw", bytes(row.sealed)))
                    )  # fmt: skip
        return found

    def purge(self, known: Known, sources: Collection[tuple[str, str]], events: Collection[str]) -> int:
        """Delete the entries in which one of these personal values lies, and what is about these events.

        Whatever is settled goes too: its raw bytes were kept where it was refused. How many there were.
        """
        traces, deleted, after = Traces(known), 0, 0
        while True:
            with unavailable(), self._engine.connect() as connection:
                query = (
                    select(quarantine).where(quarantine.c.id > after).order_by(quarantine.c.id).limit(PURGED)
                )
                rows = connection.execute(query).all()
            if not rows:
                return deleted
            after = rows[-1].id
            keys = self._vault.fetch([_key_id(bytes(row.digest), row.received_at) for row in rows])
            gone = [
                row for row in rows
                if (row.source, row.source_id) in sources or row.source_id in events
                or ((key := keys.get(_key_id(bytes(row.digest), row.received_at))) is not None
                    and row.sealed and traces.within(key.open("raw", bytes(row.sealed))))
            ]  # fmt: skip
            self._vault.forget([_key_id(bytes(row.digest), row.received_at) for row in gone])
            with unavailable(), self._engine.begin() as connection:
                connection.execute(delete(quarantine).where(quarantine.c.id.in_([row.id for row in gone])))
            deleted += len(gone)

    def forget_before(self, moment: datetime, *, dry_run: bool = False) -> int:
        """Delete what was received before; how many entries. A dry run only counts them."""
        where = quarantine.c.received_at < moment
        with unavailable(), self._engine.connect() as connection:
            rows = connection.execute(
                select(quarantine.c.digest, quarantine.c.received_at).where(where)
            ).all()
        if not dry_run:
            self._vault.forget([_key_id(bytes(row.digest), row.received_at) for row in rows])
            with unavailable(), self._engine.begin() as connection:
                connection.execute(delete(quarantine).where(where))
        return len(rows)

    def settle(self, entry: int, verdict: str, now: datetime) -> None:
        """Close an entry: a replay had this verdict. What the journal has now is not kept here too."""
        where = quarantine.c.id == entry
        closed = update(quarantine).where(where).values(settled_at=now, verdict=verdict)
        with unavailable(), self._engine.begin() as connection:
            row = connection.execute(select(quarantine.c.digest, quarantine.c.received_at).where(where)).one()
            recorded = verdict in ("accepted", "duplicate")
            connection.execute(closed.values(sealed=b"") if recorded else closed)
        if recorded:
            self._vault.forget([_key_id(bytes(row.digest), row.received_at)])


def _key_id(digest: bytes, received_at: datetime) -> str:
    return derived_id("quarantine", digest.hex(), received_at.astimezone(UTC).isoformat())

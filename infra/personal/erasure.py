"""The job that forgets a customer: everything that could be read of them is deleted, and the totals stay.

Driven by `customer.erased`, and safe to begin anew at any point: what would still be needed to find personal data
elsewhere is deleted last.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import structlog
from msgspec import Struct
from sqlalchemy import Connection, Engine, Row, select, text, update

from events import codec
from events.envelope import Envelope
from events.topics import intake_topic
from infra.database import among, unavailable
from infra.journal.histories import Family, families, histories, sorted_out
from infra.personal.certificate import SOURCE, Forgotten, certify
from infra.personal.opening import ERASED, UNREADABLE, Published, open_events, open_identifiers
from infra.personal.traces import Known
from infra.process.heart import Heart
from infra.quarantine.store import Quarantine
from infra.raw_body import RawBodies
from infra.rebuilding.tables import forget_kept
from infra.search import index as search_index
from infra.topics_admin import forget_read, next_offsets
from infra.workspace import Workspace
from models.domain.identity import Key
from models.domain.ownership import owned
from models.tables.erasure import erasure
from models.tables.identity import identifier
from models.tables.journal import journal_head

log = structlog.get_logger()
CHUNK = 500
UNREAD = "what came by the intake topic before has not all been read yet"
MOST = 100
"""Customers who are erased together: vacuum and checkpoint are done once for all of them."""
VACUUMED: tuple[tuple[str, ...], tuple[str, ...]] = ("data_key",), ("identifier", "quarantine", "raw_body")
"""Tables of the vault and of the workspace whose deleted rows are overwritten at once."""

_AGAIN = text(
    "UPDATE erasure e SET finished_at = NULL WHERE finished_at IS NOT NULL AND EXISTS ("
    "SELECT FROM customer o JOIN customer c ON c.survivor = o.survivor JOIN journal j ON j.customer = c.id "
    "WHERE o.id = e.customer AND j.position > e.upto AND j.source <> :own)"
)


class Eraser:
    """Works through what was asked for. Raises `Unavailable`; the next turn goes on."""

    def __init__(self, workspace: Workspace, heart: Heart | None = None) -> None:
        self._workspace, self._heart = workspace, heart or Heart()
        self._unread: dict[int, int] | None = None

    def turn(self) -> int:
        """Erase whoever waits, and again those of whom something came since; how many were finished."""
        with unavailable(), self._workspace.engine.begin() as connection:
            connection.execute(_AGAIN, {"own": SOURCE})
        with unavailable(), self._workspace.engine.connect() as connection:
            query = select(erasure).where(erasure.c.finished_at.is_(None)).order_by(erasure.c.requested_at)
            waiting = connection.execute(query.limit(MOST)).all()
        if waiting and not self._intake_forgotten():
            for asked in waiting:
                self._wait(str(asked.customer), UNREAD)
            return 0
        done = [found for one in waiting if (found := self._erase(one)) is not None]
        if done:
            with self._heart.asking():
                vacuumed = self._overwrite([side for one in done for side in one.sides])
            for one in done:
                certify(self._workspace, one, vacuumed)
        return len(done)

    def _intake_forgotten(self) -> bool:
        """Delete what lies on the intake topic; False until all is read that lay there when this was first asked.

        Whoever reads it says so a little later: what is recorded already may still lie there.
        """
        bootstrap, prefix = self._workspace.settings.kafka_bootstrap, self._workspace.settings.topic_prefix
        if not bootstrap:
            return True
        with self._heart.asking():
            if self._unread is None:
                self._unread = next_offsets(bootstrap, intake_topic(prefix))
            read = forget_read(bootstrap, intake_topic(prefix), f"{prefix}.intake")
        if any(read.get(number, 0) < end for number, end in self._unread.items()):
            return False
        self._unread = None
        return True

    def again(self) -> int:
        """Everybody once more, say after a backup of the vault was restored; how many there are."""
        with unavailable(), self._workspace.engine.begin() as connection:
            return connection.execute(update(erasure).values(finished_at=None)).rowcount

    def _erase(self, asked: Row[Any]) -> Forgotten | None:
        """Delete what can be read of them; None while it can't be done."""
        one = str(asked.customer)
        with unavailable(), self._workspace.engine.connect() as connection:
            connection = connection.execution_options(isolation_level="REPEATABLE READ")
            upto = connection.execute(select(journal_head.c.position)).scalar_one()
            (family,) = families(connection, [one])
            found = _Theirs.of(connection, family, one)
        if found.open:
            self._wait(one, "it is not settled whose some events of an un-merge are")
            return None
        with self._heart.asking():
            clear = self._in_the_clear(found)
            quarantined = self._purge_quarantine(clear, found.events)
            raw = self._forget_raw(found.events)
            identifiers = self._unlink(found.sides)
            keys = self._workspace.vault.forget([e.event_id for e in found.events])
            searched = self._forget_words(found.events)  # after the keys: nobody can index them again
        counts = {
            "keys": keys, "identifiers": identifiers, "raw_bodies": raw, "quarantined": quarantined,
            "search_rows": searched,
        }  # fmt: skip
        return Forgotten(asked, found.customer, found.sides, upto, len(found.events), counts)

    def _wait(self, one: str, why: str) -> None:
        with unavailable(), self._workspace.engine.begin() as connection:
            connection.execute(update(erasure).where(erasure.c.customer == one).values(waiting=why))

    def _in_the_clear(self, found: "_Theirs") -> Known:
        """Every personal value that is known of them, as long as it can be read."""
        vault = self._workspace.vault
        with unavailable(), self._workspace.engine.connect() as connection:
            values = set(open_identifiers(connection, vault, found.keys).values()) - {ERASED, UNREADABLE}
        known = Known(values, set(), set())
        for start in range(0, len(found.events), CHUNK):
            page = [
                Published(e.event_id, e.type, codec.encode(e.event))
                for e in found.events[start : start + CHUNK]
            ]
            for event, data in zip(
                found.events[start : start + CHUNK], open_events(vault, page), strict=True
            ):
                known.take(event.type, data)
        return known

    def _purge_quarantine(self, clear: Known, events: Sequence[Envelope]) -> int:
        """What lies in quarantine with a value of theirs in it, or of the same call or message."""
        quarantine: Quarantine = self._workspace.quarantine
        return quarantine.purge(
            clear, {(e.source, e.source_id) for e in events}, {e.event_id for e in events}
        )

    def _forget_raw(self, events: Sequence[Envelope]) -> int:
        bodies = RawBodies(self._workspace.engine, self._workspace.vault)
        by_source: dict[str, list[str]] = defaultdict(list)
        for e in events:
            by_source[e.source].append(e.source_id)
        return sum(bodies.forget(source, ids) for source, ids in by_source.items())

    def _forget_words(self, events: Sequence[Envelope]) -> int:
        with unavailable(), self._workspace.engine.begin() as connection:
            return search_index.forget(connection, [e.event_id for e in events])

    def _unlink(self, sides: Sequence[str]) -> int:
        """Their identifiers lead to nobody, and nobody is to be contacted by them; their values are gone."""
        with unavailable(), self._workspace.engine.begin() as connection:
            rows = (
                connection.execute(
                    select(identifier.c.key_id).where(
                        among(identifier.c.customer, sides), ~identifier.c.blocked
                    )
                )
                .scalars()
                .all()
            )
            self._workspace.vault.forget([one for one in rows if one])
            connection.execute(
                text(
                    "INSERT INTO suppression (kind, issuer, hash, since, customer) SELECT kind, issuer, hash, :now, "
                    "customer FROM identifier WHERE customer = ANY(CAST(:sides AS uuid[])) AND NOT blocked "
                    "ON CONFLICT (kind, issuer, hash) "
                    "DO UPDATE SET since = excluded.since, customer = excluded.customer"
                ),
                {"sides": list(sides), "now": self._workspace.clock.now()},
            )
            return connection.execute(
                identifier.delete().where(among(identifier.c.customer, sides), ~identifier.c.blocked)
            ).rowcount

    def _overwrite(self, sides: Sequence[str]) -> bool:
        """Vacuum and checkpoint, so that deleted rows leave the files too; False where that is not ours to do."""
        vault, workspace = VACUUMED
        with unavailable(), self._workspace.engine.begin() as connection:
            workspace += tuple(forget_kept(connection, sides))
        search_index.clean(self._workspace.engine)
        done = _vacuum(self._workspace.vault_engine, vault)
        return _vacuum(self._workspace.engine, workspace) and done


class _Theirs(Struct, frozen=True):
    """What a customer owns now: events, the ids that mean them, identifiers. `open`: something is not settled."""

    customer: str
    sides: list[str]
    events: list[Envelope]
    keys: list[Key]
    open: bool

    @classmethod
    def of(cls, connection: Connection, family: Family, one: str) -> "_Theirs":
        """Out of everything of their family."""
        events = list(histories(connection, family.ids))
        found = sorted_out(family, events) if len(family.ids) > 1 else owned(events)
        owner = found.edges.root(one)
        sides = [each for each in family.ids if found.edges.root(each) == owner]
        keys = connection.execute(
            select(identifier.c.kind, identifier.c.issuer, identifier.c.hash).where(
                among(identifier.c.customer, sides)
            )
        ).all()
        theirs = found.histories.get(owner, []) if len(family.ids) > 1 else events
        return cls(owner, sides, theirs, [tuple(key) for key in keys], bool(found.open))


def _vacuum(engine: Engine, tables: Sequence[str]) -> bool:
    with unavailable(), engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"VACUUM {', '.join(tables)}"))
        may = connection.execute(
            text("SELECT pg_has_role(current_user, 'pg_checkpoint', 'USAGE') OR rolsuper "
                 "FROM pg_roles WHERE rolname = current_user")
        ).scalar()  # fmt: skip
        if may:
            connection.execute(text("CHECKPOINT"))
        return bool(may)

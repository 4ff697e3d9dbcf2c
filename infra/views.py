"""The read models as readers ask for them: as they stand now, or folded anew as of any moment."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import groupby, islice
from typing import Any

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, Engine, Text, any_, literal, select, text, tuple_
from sqlalchemy.dialects.postgresql import ARRAY

from events.envelope import Envelope
from infra import glance
from infra.database import unavailable
from infra.journal import histories
from infra.journal.stored import read
from infra.view_store import ViewStore
from models.domain.history import effective
from models.domain.identity import Key
from models.domain.rules import Rules
from models.projections.catalogue import projections
from models.projections.pipeline import Pipeline, PipelineRow
from models.projections.projection import play
from models.projections.timeline import TimelineEntry
from models.tables.identity import customer, identifier
from models.tables.journal import journal

CHUNK = 500
"""Timeline entries that are looked through at once for those a reader wants."""

ISSUERS = 200
"""Issuers under which an account number is tried when none is named."""

Place = tuple[datetime, str]
"""Where a timeline entry stands: when it occurred, its event id."""


class CustomerView(Struct, frozen=True, kw_only=True):
    """A customer at a moment: who they are, and per view the rows (by key) as they present themselves.

    `customer` is the survivor; where that is not the id asked for, `rows` is empty.
    """

    customer: str
    absorbed: tuple[str, ...]
    rows: dict[str, dict[str, Any]]


class Matched(Struct, frozen=True, kw_only=True):
    """A customer whom an identifier leads to. A blocked identifier no longer says who somebody is."""

    customer: str
    kind: str
    issuer: str
    blocked: bool


class Views:
    """Reads and folds; writes nothing and opens nothing. Every method may raise `Unavailable`."""

    def __init__(self, engine: Engine, rules: Rules, zone: str) -> None:
        self._engine = engine
        self._alone = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._stores = {one.name: ViewStore(one) for one in projections(rules, zone)}
        # The views that are read at once; timeline and contacts are read by the page.
        self._whole = {name: one for name, one in self._stores.items() if name not in ("timeline", "contact")}

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One transaction in which everything read is of the same moment."""
        with unavailable(), self._engine.connect() as connection:
            yield connection.execution_options(isolation_level="REPEATABLE READ")

    @contextmanager
    def asking(self) -> Iterator[Connection]:
        """For single questions: a statement is of one moment by itself, and saves a transaction's round trips."""
        with unavailable(), self._alone.connect() as connection:
            yield connection

    def customer(
        self, one: str, at: datetime, *, as_of: datetime | None = None, known_at: datetime | None = None
    ) -> CustomerView | None:
        """A customer's views presented at a moment; None for an id that was never given.

        Without `as_of` and `known_at` the stored rows, else the history folded as far as they say.
        """
        if as_of is None and known_at is None:
            with self.asking() as connection:
                found = glance.read(connection, one, self._whole)
            if found is None:
                return None
            if not found.ahead_of(at):
                return self._presented(found.who, found.rows, at)
            as_of = at  # a sender's clock ran ahead of ours: its events are not yet
        with self.reading() as connection:
            known = histories.known(connection, one, known_at)
        if known is None:
            return None
        rows: dict[str, dict[str, Any]] = {}
        if known.who.customer == one:
            history = effective(known.events, as_of=as_of, known_at=known_at)
            rows = {name: play(store.projection, history, one) for name, store in self._whole.items()}
        return self._presented(known.who, rows, at)

    def _presented(
        self, who: histories.Joined, rows: dict[str, dict[str, Any]], at: datetime
    ) -> CustomerView:
        presented = {
            name: {key: self._stores[name].projection.present(row, at) for key, row in found.items()}
            for name, found in rows.items()
        }
        return CustomerView(customer=who.customer, absorbed=who.members[1:], rows=presented)

    def survivor(self, one: str, known_at: datetime | None = None) -> str | None:
        """Whom a customer's id means, now or as known then; None for an id that was never given."""
        with self.reading() as connection:
            who = histories.joined(connection, one, known_at)
        return who.customer if who else None

    def timeline(
        self, one: str, *, wanted: Callable[[TimelineEntry], bool], limit: int, before: Place | None = None,
        as_of: datetime | None = None, known_at: datetime | None = None,
    ) -> list[TimelineEntry]:  # fmt: skip
        """At most `limit` of a customer's entries that are wanted, newest first, from `before` backwards."""
        with self.reading() as connection:
            if known_at is None:  # the stored entries, stopped earlier, are what a fold would give
                entries = self._stored(connection, one, before, as_of)
            else:
                entries = self._folded(connection, one, before, as_of, known_at)
            return list(islice(filter(wanted, entries), limit))

    def _stored(
        self, connection: Connection, one: str, before: Place | None, as_of: datetime | None
    ) -> Iterator[TimelineEntry]:
        store = self._stores["timeline"]
        table = store.table
        place = tuple_(table.c.occurred_at, table.c.key)
        query = select(table.c.occurred_at, table.c.key, table.c.state).where(table.c.owner == one)
        if as_of is not None:
            query = query.where(table.c.occurred_at <= as_of)
        query = query.order_by(table.c.occurred_at.desc(), table.c.key.desc()).limit(CHUNK)
        while True:
            chunk = connection.execute(query if before is None else query.where(place < before)).all()
            yield from (store.decode(row.state) for row in chunk)
            if len(chunk) < CHUNK:
                return
            before = (chunk[-1].occurred_at, chunk[-1].key)

    def _folded(
        self, connection: Connection, one: str, before: Place | None, as_of: datetime | None,
        known_at: datetime,
    ) -> Iterator[TimelineEntry]:  # fmt: skip
        known = histories.known(connection, one, known_at)
        events = known.events if known and known.who.customer == one else ()
        history = effective(events, as_of=as_of, known_at=known_at)
        entries = play(self._stores["timeline"].projection, history, one).values()
        newest_first = sorted(entries, key=_place, reverse=True)
        return (entry for entry in newest_first if before is None or _place(entry) < before)

    def opportunities(
        self, *, source: str | None = None, as_of: datetime | None = None, known_at: datetime | None = None
    ) -> list[PipelineRow]:
        """Every opportunity's state, now or as of a moment (those that began later may be among them).

        With `known_at` only what could be known by then, and only those that were.
        """
        store = self._stores["pipeline"]
        query = select(store.table.c.state)
        if source is not None:
            query = query.where(store.table.c.source == source)
        with self.reading() as connection:
            rows = [store.decode(state) for state in connection.execute(query).scalars()]
            until = as_of or known_at
            return rows if until is None else _as_they_were(connection, rows, until, known_at)

    def event(self, event_id: str) -> Envelope | None:
        """One event of the journal; None where there is none."""
        with self.reading() as connection:
            found = read(connection, journal.c.event_id == event_id)
        return found[0] if found else None

    def recorded(self, source: str, source_id: str) -> list[Envelope]:
        """What was recorded under a source id: its first event and those numbered behind it."""
        ids = [source_id, *(f"{source_id}:{number}" for number in range(1, 10))]
        with self.reading() as connection:
            return read(connection, journal.c.source == source, journal.c.source_id.in_(ids))

    def find(self, keys: Iterable[Key]) -> list[Matched]:
        """The customers whom these identifiers lead to now."""
        with self.reading() as connection:
            rows = connection.execute(
                select(customer.c.survivor, identifier.c.kind, identifier.c.issuer, identifier.c.blocked)
                .join(customer, customer.c.id == identifier.c.customer)
                .where(tuple_(identifier.c.kind, identifier.c.issuer, identifier.c.hash).in_(list(keys)))
                .order_by(customer.c.since, identifier.c.kind, identifier.c.issuer)
            ).all()
        return [
            Matched(customer=str(one), kind=kind, issuer=issuer, blocked=blocked)
            for one, kind, issuer, blocked in rows
        ]

    def issuers(self, kind: str) -> list[str]:
        """Who issued identifiers of a kind, found by leaping along the index from one to the next."""
        with self.reading() as connection:
            return list(
                connection.execute(
                    text(
                        "WITH RECURSIVE one AS ("
                        "SELECT min(issuer) AS issuer FROM identifier WHERE kind = :kind UNION ALL "
                        "SELECT (SELECT min(issuer) FROM identifier "
                        "WHERE kind = :kind AND issuer > one.issuer) "
                        "FROM one WHERE one.issuer IS NOT NULL) "
                        "SELECT issuer FROM one WHERE issuer IS NOT NULL LIMIT :most"
                    ),
                    {"kind": kind, "most": ISSUERS},
                ).scalars()
            )


def _place(entry: TimelineEntry) -> Place:
    return (entry.occurred_at, entry.event_id)


def _as_they_were(
    connection: Connection, rows: Sequence[PipelineRow], as_of: datetime, known_at: datetime | None
) -> list[PipelineRow]:
    """The rows, those that an event changed after the moment folded anew up to it.

    What came closed out of history and never lived again has one event; it needs no look at the journal, unless
    it has to be known whether it was known.
    """
    later = (journal.c.revision > 1) & (journal.c.occurred_at > as_of)
    asked = rows
    if known_at is None:
        asked = [
            row for row in rows
            if row.intervals and row.intervals[0].since <= as_of and (len(row.intervals) > 1 or row.is_open)
        ]  # fmt: skip
    else:
        later |= journal.c.known_at > known_at
    streams = [f"opportunity-{row.opportunity_id}" for row in asked]
    changed = (
        connection.execute(select(journal.c.stream).where(_among(streams), later).distinct()).scalars().all()
    )
    events = read(connection, _among(changed))
    events.sort(key=lambda e: (e.stream, e.revision))
    then: dict[str, PipelineRow] = {}
    for stream, history in groupby(events, key=lambda e: e.stream):
        then |= play(Pipeline(), effective(history, as_of=as_of, known_at=known_at), stream)
    unknown = {one.removeprefix("opportunity-") for one in changed} - then.keys() if known_at else set()
    return [then.get(row.opportunity_id, row) for row in rows if row.opportunity_id not in unknown]


def _among(streams: Sequence[str]) -> ColumnElement[bool]:
    """As one array: a list of bound values ends at 65,535."""
    return journal.c.stream == any_(literal(list(streams), ARRAY(Text)))

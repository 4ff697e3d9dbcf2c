"""The journal's append: taking turns, a verdict per item, gapless positions, identity under the lock."""

import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime
from queue import Empty, SimpleQueue

import msgspec
from sqlalchemy import Connection, Engine, select, text, update

from events import codec, registry
from events.envelope import Envelope, Event, IdentifierRef
from events.identity import CustomersMerged, IdentifierBlocked, IdentifierLinked, MergeProposed
from events.vocabulary import Origin
from infra import identity_store
from infra.clock import Clock
from infra.database import copy_rows, unavailable
from infra.ids import new_id
from models.domain.identity import Register
from models.errors import Conflict, Unavailable
from models.tables.journal import journal, journal_head

COLUMNS = (
    "position", "event_id", "type", "schema", "stream", "revision", "source", "source_id", "digest", "customer",
    "origin", "occurred_at", "known_at", "known_assumed", "recorded_at", "actor", "cause", "identifiers", "data",
)  # fmt: skip
GROUP = 5_000
"""Events that share one commit at most."""

_refs = msgspec.json.Decoder(tuple[IdentifierRef, ...])
_encode = msgspec.json.Encoder().encode
NO_REFS = b"[]"


@dataclass(slots=True)
class IdentifierValues:
    """An identifier on its way in: its reference, its value in the clear, and sealed if it is new."""

    ref: IdentifierRef
    clear: str = field(repr=False)
    key_id: str | None = None
    sealed: bytes | None = None


@dataclass(slots=True)
class Draft:
    """An event ready to be appended: sealed, encoded, hashed. `known_at` None means at recording.

    `customer` is set where the writer knows whose it is; else its identifiers say it.
    """

    event_id: str
    type: str
    schema: int
    data: bytes
    digest: bytes
    source: str
    source_id: str
    origin: Origin
    occurred_at: datetime
    known_at: datetime | None = None
    known_assumed: bool = False
    actor: str = ""
    cause: str = ""
    stream: str = ""
    customer: str = ""
    identifiers: tuple[IdentifierRef, ...] = ()
    values: tuple[IdentifierValues, ...] = ()


@dataclass(slots=True)
class Item:
    """What is appended all or nothing: events, and the revision each of their streams must have."""

    drafts: tuple[Draft, ...]
    expected: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Accepted:
    """Recorded, and committed when the caller sees this."""

    event_ids: tuple[str, ...]
    customer: str
    position: int


@dataclass(slots=True)
class Duplicate:
    """Recorded before under this source and source id; `content_differs` says so if it was not the same."""

    event_id: str
    customer: str
    code: str = ""


@dataclass(slots=True)
class Stale:
    """A stream moved on since the decision was made; nothing of the item was written."""

    stream: str
    revision: int


Verdict = Accepted | Duplicate | Stale


class Journal:
    """Appends items and reads them back. One instance a process; appends from its threads are grouped."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self.engine, self._clock = engine, clock
        self._waiting: SimpleQueue[tuple[Sequence[Item], Future[list[Verdict]]] | None] = SimpleQueue()
        self._writer: threading.Thread | None = None
        self._starting = threading.Lock()

    def append(self, items: Sequence[Item]) -> list[Verdict]:
        """A verdict per item, after the commit. Raises `Unavailable`; then nothing was acknowledged."""
        return self.submit(items).result()

    def append_one(self, item: Item) -> Accepted | Duplicate:
        """One item's verdict; a stale revision raises `Conflict`."""
        verdict = self.append([item])[0]
        if isinstance(verdict, Stale):
            raise Conflict(f"{verdict.stream} is at revision {verdict.revision}")
        return verdict

    def submit(self, items: Sequence[Item]) -> "Future[list[Verdict]]":
        """Like `append`, without waiting: whatever waits at the same time shares one commit."""
        future: Future[list[Verdict]] = Future()
        self._waiting.put((items, future))
        if self._writer is None:
            with self._starting:
                if self._writer is None:
                    self._writer = threading.Thread(target=self._write, name="journal", daemon=True)
                    self._writer.start()
        return future

    def _write(self) -> None:
        """The one writer of this process: drain, append in one transaction, answer everybody."""
        while True:
            head = self._waiting.get()
            if head is None:
                return
            group, size = [head], len(head[0])
            while size < GROUP:
                try:
                    more = self._waiting.get_nowait()
                except Empty:
                    break
                if more is None:
                    self._waiting.put(None)
                    break
                group.append(more)
                size += len(more[0])
            self._answer(group)

    def _answer(self, group: list[tuple[Sequence[Item], "Future[list[Verdict]]"]]) -> None:
        try:
            with unavailable(), self.engine.begin() as connection:
                verdicts = _append(connection, [item for items, _ in group for item in items], self._clock)
        except BaseException as error:  # whoever waits must hear of it; the writer itself goes on
            if len(group) > 1 and not isinstance(error, Unavailable):
                for one in group:  # one bad item must not fail its neighbours
                    self._answer([one])
                return
            for _, future in group:
                future.set_exception(error)
            return
        at = 0
        for items, future in group:
            future.set_result(verdicts[at : at + len(items)])
            at += len(items)

    def close(self) -> None:
        """Write what waits, then stop the writer."""
        if self._writer is not None:
            self._waiting.put(None)
            self._writer.join()
            self._writer = None

    def head(self) -> int:
        """The last position."""
        with unavailable(), self.engine.connect() as connection:
            return connection.execute(select(journal_head.c.position)).scalar_one()

    def stream(self, name: str) -> list[Envelope]:
        """A stream's events in the order of their revisions."""
        return self.read(journal.c.stream == name, order=journal.c.revision)

    def read(self, *where: object, order: object = journal.c.position, limit: int | None = None) -> list[Envelope]:
        """The envelopes that match, in this order."""
        with unavailable(), self.engine.connect() as connection:
            return read(connection, *where, order=order, limit=limit)


def read(
    connection: Connection, *where: object, order: object = journal.c.position, limit: int | None = None
) -> list[Envelope]:
    """Envelopes that match, read in this connection's transaction."""
    query = select(*(journal.c[name] for name in COLUMNS)).where(*where).order_by(order)  # type: ignore[arg-type]
    return [envelope(row) for row in connection.execute(query.limit(limit))]


def envelope(row: Sequence[object]) -> Envelope:
    """The envelope of a journal row (in the order of `COLUMNS`). Raises `Undecodable`."""
    (position, event_id, wire, schema, stream, revision, source, source_id, _, customer,
     origin, occurred_at, known_at, known_assumed, recorded_at, actor, cause, identifiers, data) = row  # fmt: skip
    refs = bytes(identifiers)  # type: ignore[arg-type, call-overload]
    return Envelope(
        event=codec.decode(wire, schema, bytes(data)), event_id=str(event_id), position=position,  # type: ignore
        occurred_at=occurred_at, known_at=known_at, recorded_at=recorded_at, source=source,  # type: ignore
        source_id=source_id, origin=origin, known_assumed=known_assumed, stream=stream,  # type: ignore
        revision=revision, actor=actor, cause=cause, customer=str(customer) if customer else "",  # type: ignore
        identifiers=() if refs == NO_REFS else _refs.decode(refs),
    )  # fmt: skip


def _append(connection: Connection, items: Sequence[Item], clock: Clock) -> list[Verdict]:
    """The critical section. The lock is a statement of its own, so that a poller never skips a row."""
    position, last = connection.execute(
        select(journal_head.c.position, journal_head.c.recorded_at).with_for_update()
    ).one()
    recorded_at = max(clock.now(), last)
    section = _Section(connection, items, position, recorded_at)
    verdicts = [section.take(item) for item in items]
    section.write()
    return verdicts


class _Section:
    """One turn at the journal: what was loaded, and what will be written."""

    def __init__(
        self, connection: Connection, items: Sequence[Item], position: int, recorded_at: datetime
    ) -> None:
        self._connection, self._start, self._position, self._now = connection, position, position, recorded_at
        drafts = [draft for item in items for draft in item.drafts]
        self._seen = _recorded(connection, drafts)
        self._revisions = _revisions(connection, {draft.stream for draft in drafts if draft.stream})
        refs = {ref.key: ref for draft in drafts for ref in draft.identifiers}
        self._register = identity_store.load(connection, refs.values()) if refs else Register()
        self._before = identity_store.remember(self._register)
        self._sealed: dict[tuple[str, str, str], IdentifierValues] = {}
        self._rows: list[tuple[object, ...]] = []
        self._survivors = identity_store.survivors(connection, {d.customer for d in drafts if d.customer})

    def take(self, item: Item) -> Verdict:
        """Dedupe first, then revision, then identity; the order matters for what a repeat is told."""
        first = item.drafts[0]
        known = self._seen.get((first.source, first.source_id))
        if known is not None:
            event_id, digest, customer = known
            return Duplicate(event_id, customer, "" if digest == first.digest else "content_differs")
        for stream, expected in self._expected(item).items():
            if self._revisions.get(stream, 0) != expected:
                return Stale(stream, self._revisions.get(stream, 0))
        customer, at = "", 0
        for draft in item.drafts:
            owner, at = self._record(draft)
            customer = owner or customer
        return Accepted(tuple(draft.event_id for draft in item.drafts), customer, at)

    def _expected(self, item: Item) -> dict[str, int]:
        return item.expected or {draft.stream: 0 for draft in item.drafts if draft.stream}

    def _record(self, draft: Draft) -> tuple[str, int]:
        learnt: list[Event] = []
        customer = self._survivors.get(draft.customer, draft.customer)
        if not customer and draft.identifiers:
            found = self._register.recognise(draft.identifiers, self._position + 1, new_id)
            customer, learnt = found.customer, found.learnt
            for value in draft.values:
                self._sealed.setdefault(value.ref.key, value)
        merges = [event for event in learnt if isinstance(event, CustomersMerged)]
        for event in merges:  # a merge comes before the touch that showed it
            self._derive(draft, event, learnt.index(event), customer)
        self._row(draft, customer)
        at = self._position
        for number, event in enumerate(learnt):  # a link after it: the fold meets facts first
            if not isinstance(event, CustomersMerged):
                self._derive(draft, event, number, customer)
        return customer, at

    def _derive(self, draft: Draft, event: Event, number: int, customer: str) -> None:
        """An identity event takes the times and the origin of its touch, and names it as its cause."""
        entry = registry.of(event)
        self._row(
            Draft(
                event_id=new_id(), type=entry.wire, schema=entry.schema, data=codec.encode(event), digest=b"",
                source="identity", source_id=f"{draft.event_id}:{number}", origin=draft.origin,
                occurred_at=draft.occurred_at, known_at=draft.known_at, known_assumed=draft.known_assumed,
                actor="rule:identity", cause=draft.event_id, stream=entry.stream(event),
            ),
            _subject(event) or customer,
        )  # fmt: skip

    def _row(self, draft: Draft, customer: str) -> None:
        self._position += 1
        revision = 0
        if draft.stream:
            revision = self._revision(draft.stream) + 1
            self._revisions[draft.stream] = revision
        self._seen[(draft.source, draft.source_id)] = (draft.event_id, draft.digest, customer)
        known_at = draft.known_at or (self._now if draft.origin == "live" else draft.occurred_at)
        self._rows.append((
            self._position, draft.event_id, draft.type, draft.schema, draft.stream, revision, draft.source,
            draft.source_id, draft.digest, customer or None, draft.origin, draft.occurred_at, known_at,
            draft.known_assumed, self._now, draft.actor, draft.cause,
            _encode(draft.identifiers) if draft.identifiers else NO_REFS, draft.data,
        ))  # fmt: skip

    def _revision(self, stream: str) -> int:
        """A derived event's stream was not asked for beforehand; its revision is the register's."""
        if stream not in self._revisions:
            self._revisions[stream] = self._before.revision(stream)
        return self._revisions[stream]

    def write(self) -> None:
        """COPY the events, write the identities, move the head: one commit makes all of it true."""
        if not self._rows:
            return
        copy_rows(self._connection, journal, COLUMNS, self._rows)
        identity_store.write(self._connection, self._register, self._before, self._sealed, self._revisions)
        self._connection.execute(
            update(journal_head).values(position=self._position, recorded_at=self._now)
        )


def _subject(event: Event) -> str:
    match event:
        case IdentifierLinked(customer=customer) | MergeProposed(customer=customer):
            return customer
        case CustomersMerged(survivor=survivor):
            return survivor
        case IdentifierBlocked():
            return ""
    return ""


def _recorded(
    connection: Connection, drafts: Iterable[Draft]
) -> dict[tuple[str, str], tuple[str, bytes, str]]:
    """What is in the journal already under these sources and ids."""
    pairs = [(draft.source, draft.source_id) for draft in drafts]
    rows = connection.execute(
        text(
            "SELECT j.source, j.source_id, j.event_id, j.digest, j.customer FROM journal j "
            "JOIN unnest(CAST(:sources AS text[]), CAST(:ids AS text[])) AS k(source, source_id) "
            "ON j.source = k.source AND j.source_id = k.source_id"
        ),
        {"sources": [pair[0] for pair in pairs], "ids": [pair[1] for pair in pairs]},
    )
    return {
        (source, source_id): (str(event_id), bytes(digest), str(customer) if customer else "")
        for source, source_id, event_id, digest, customer in rows
    }


def _revisions(connection: Connection, streams: set[str]) -> dict[str, int]:
    if not streams:
        return {}
    rows = connection.execute(
        text(
            "SELECT k.stream, coalesce((SELECT max(revision) FROM journal j WHERE j.stream = k.stream"
            " AND j.stream <> ''), 0) FROM unnest(CAST(:streams AS text[])) AS k(stream)"
        ),
        {"streams": sorted(streams)},
    )
    return {stream: revision for stream, revision in rows}


def open_journal(connection: Connection) -> None:
    """Make sure the journal has its head row; part of migrating."""
    connection.execute(
        text(
            "INSERT INTO journal_head (id, position, recorded_at) VALUES (1, 0, :at) ON CONFLICT (id) DO NOTHING"
        ),
        {"at": datetime(1970, 1, 1, tzinfo=UTC)},
    )

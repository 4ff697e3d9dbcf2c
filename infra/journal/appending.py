"""One turn at the journal: dedupe, revisions, identity and positions, all under its lock."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

import msgspec
from sqlalchemy import Connection, select

from events import codec, registry
from events.envelope import Event, IdentifierRef
from events.identity import (
    CustomersMerged,
    CustomersUnmerged,
    EventAssigned,
    IdentifierBlocked,
    IdentifierLinked,
    MergeProposed,
)
from infra import tracing
from infra.clock import Clock
from infra.contact.parts import ContactParts
from infra.database import among, copy_rows, driver
from infra.identity import decisions, families
from infra.identity import store as identity_store
from infra.ids import new_id
from infra.item import EVENT_ID, Accepted, Draft, Duplicate, IdentifierValues, Item, Stale, Verdict
from infra.together import together
from models.domain.identity import Register
from models.tables.journal import NO_IDENTIFIERS, WRITTEN, journal

_encode = msgspec.json.Encoder().encode

_LOCK = "SELECT position, recorded_at FROM journal_head FOR UPDATE"
_MOVE = "UPDATE journal_head SET position = %s, recorded_at = %s"
_INSERT = f"INSERT INTO journal ({', '.join(WRITTEN)}) VALUES ({', '.join(['%s'] * len(WRITTEN))})"
_BEFORE = (CustomersMerged, CustomersUnmerged)
FEW = 20
"""So many events go in by statements, in one round trip; more by COPY, which has two of its own."""
# Through the index, source by source: a join of a thousand would rather read the whole journal.
_RECORDED = (
    "SELECT j.source, j.source_id, j.event_id, j.digest, j.customer FROM (SELECT source, array_agg(source_id) AS ids "
    "FROM unnest(%(sources)s::text[], %(ids)s::text[]) AS k(source, source_id) GROUP BY source) AS s "
    "CROSS JOIN LATERAL "
    "(SELECT * FROM journal WHERE source = s.source AND source_id = ANY (s.ids) OFFSET 0) AS j"
)
_REVISIONS = (
    "SELECT k.stream, coalesce((SELECT max(revision) FROM journal j WHERE j.stream = k.stream"
    " AND j.stream <> ''), 0) FROM unnest(%(streams)s::text[]) AS k(stream)"
)


def append(connection: Connection, items: Sequence[Item], clock: Clock) -> list[Verdict]:
    """The critical section, in the caller's transaction.

    The lock is a statement of its own, so that a poller never skips a row.
    """
    with tracing.span("append", links=(d.trace for item in items for d in item.drafts), items=len(items)):
        verdicts: list[Verdict] = []
        for is_decision, some in groupby(items, decisions.is_decision):
            # A person's word about identities is alone in its section: it changes what the next ones find.
            for part in [[one] for one in some] if is_decision else [list(some)]:
                section = _Section(connection, part, clock)
                section.write(part)
                verdicts += section.verdicts
        return verdicts


class _Section:
    """One turn at the journal: what was loaded, and what will be written."""

    def __init__(self, connection: Connection, items: Sequence[Item], clock: Clock) -> None:
        self._connection = connection
        self.verdicts: list[Verdict] = []
        self._decided: list[Draft] = []
        self._proposed: list[tuple[str, str, str, Draft]] = []
        drafts = [draft for item in items for draft in item.drafts]
        shown = [draft.identifiers for draft in drafts if draft.identifiers]
        streams = sorted({draft.stream for draft in drafts if draft.stream})
        contacts = {draft.contact for draft in drafts if draft.contact}
        with together(connection) as ask:
            head = ask(_LOCK)
            recorded = ask(
                _RECORDED, {"sources": [d.source for d in drafts], "ids": [d.source_id for d in drafts]}
            )
            revisions = ask(_REVISIONS, {"streams": streams}) if streams else None
            self._parts = ContactParts(contacts, ask)
            links = ask(identity_store.LINKS, identity_store.named(shown)) if shown else None
            forgotten = ask(identity_store.FORGOTTEN, identity_store.named(shown)) if shown else None
        ((self._position, last),) = head.fetchall()
        self._now = max(clock.now(), last)
        self._seen = {
            (source, source_id): (event_id, digest, customer or "")
            for source, source_id, event_id, digest, customer in recorded
        }
        self._revisions: dict[str, int] = dict(revisions.fetchall()) if revisions else {}
        self._parts.loaded()
        if inherited := self._inherited(drafts):
            shown += inherited
            links = driver(connection).execute(identity_store.LINKS, identity_store.named(shown))
        self._register = identity_store.load(connection, shown, links) if links else Register()
        self._forgotten = {
            (kind, issuer, digest): (since, who)
            for kind, issuer, digest, since, who in (forgotten.fetchall() if forgotten else ())
        }
        self._before = identity_store.remember(self._register)
        self._sealed: dict[tuple[str, str, str], IdentifierValues] = {}
        self._rows: list[tuple[object, ...]] = []
        # Only where two customers known before meet, it may have to be asked whether that was proposed already.
        self._at_once = len(drafts) <= FEW or any(
            len({self._register.links.get(ref.key) for ref in together}) > 1 for together in shown
        )
        whose = _customers_of(connection, {draft.about for draft in drafts if draft.about})
        for draft in drafts:
            draft.customer = draft.customer or whose.get(draft.about, "")
        self._survivors = families.survivors(connection, {d.customer for d in drafts if d.customer})

    def write(self, items: Sequence[Item]) -> None:
        """Take the items, write events and identities, move the head: one commit makes all of it true.

        PostgreSQL writes the first rows while the next are made, unless making them may ask it something.
        """
        before = self._position
        rows = self._taking(items)
        if self._at_once:
            rows = iter(list(rows))
        few = self._at_once and self._position - before <= FEW
        if not few:
            copy_rows(self._connection, journal, WRITTEN, rows)
        if self._position == before:
            return
        identity_store.write(self._connection, self._register, self._before, self._sealed, self._revisions)
        for one, other, why, draft in self._proposed:
            decisions.propose(self._connection, one, other, why, draft)
        self._parts.write(self._connection)
        decisions.apply(self._connection, self._decided, self._position)
        with together(self._connection) as ask:
            for row in rows if few else ():
                ask(_INSERT, row)
            ask(_MOVE, (self._position, self._now))

    def _taking(self, items: Sequence[Item]) -> Iterator[tuple[object, ...]]:
        """The rows of these items, one after the other."""
        for item in items:
            self.verdicts.append(self._take(item))
            yield from self._rows
            self._rows.clear()

    def _take(self, item: Item) -> Verdict:
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
        if draft.contact and not customer and not draft.identifiers:
            draft.identifiers = self._parts.identifiers(draft.contact)
        refs = draft.identifiers
        if not customer:
            customer, refs = self._erased(draft)
        if not customer and refs:
            found = self._register.recognise(refs, self._position + 1, new_id)
            customer, learnt = found.customer, found.learnt
            for value in draft.values:
                self._sealed.setdefault(value.ref.key, value)
        for number, event in enumerate(learnt):  # what joins or parts comes before the touch that showed it
            if isinstance(event, _BEFORE):
                self._derive(draft, event, number, customer)
        self._row(draft, customer)
        if draft.type in decisions.DECISIONS:
            self._decided.append(draft)
        at = self._position
        if draft.contact:
            learnt += self._of_contact(draft, customer)
        for number, event in enumerate(learnt):  # a link after it: the fold meets facts first
            if not isinstance(event, _BEFORE):
                self._derive(draft, event, number, customer)
        return customer, at

    def _erased(self, draft: Draft) -> tuple[str, tuple[IdentifierRef, ...]]:
        """Who was forgotten since, if this comes late and is theirs: a part of their contact, or of before that day.

        It is forgotten too. Otherwise nobody, and the identifiers that say who it is: what named the forgotten on
        that day leads to nobody, whoever has it now.
        """
        if draft.contact and (who := self._parts.erased(draft.contact)):
            return who, ()
        if not self._forgotten:
            return "", draft.identifiers
        theirs = {
            ref.key: who
            for ref in draft.identifiers
            for since, who in [self._forgotten.get(ref.key, (draft.occurred_at, ""))]
            if draft.occurred_at < since
        }
        left = tuple(ref for ref in draft.identifiers if ref.key not in theirs)
        if theirs and not any(ref.key in self._register.links for ref in left):
            return next(iter(theirs.values())), ()
        return "", left

    def _inherited(self, drafts: Sequence[Draft]) -> list[tuple[IdentifierRef, ...]]:
        """The identifiers of contacts whose parts in this batch name nobody themselves."""
        silent = {d.contact for d in drafts if d.contact and not d.identifiers and not d.customer}
        return [refs for one in sorted(silent) if (refs := self._parts.identifiers(one))]

    def _of_contact(self, draft: Draft, customer: str) -> list[Event]:
        """Earlier parts of the conversation that nobody knew whose they were are this customer's too."""
        contact = draft.contact or ""
        self._parts.recorded(contact, draft.event_id, customer, draft.identifiers)
        if not customer:
            return []
        sides = (self._register.sides.get(ref.key) for ref in draft.identifiers)
        side = next(filter(None, sides), customer)
        return [EventAssigned(event_or_stream=one, customer=side) for one in self._parts.adopt(contact, side)]

    def _derive(self, draft: Draft, event: Event, number: int, customer: str) -> None:
        """An identity event takes the times and the origin of its touch, and names it as its cause."""
        entry = registry.of(event)
        source_id = f"{draft.event_id}:{number}"
        if isinstance(event, MergeProposed):  # once for two customers, however often they are seen together
            source_id = ":".join(("proposed", *sorted((event.customer, event.other))))
            if self._was_recorded("identity", source_id):
                return
            self._proposed.append((event.customer, event.other, event.why, draft))
        self._row(
            Draft(
                event_id=new_id(), type=entry.wire, schema=entry.schema, data=codec.encode(event), digest=b"",
                source="identity", source_id=source_id, origin=draft.origin,
                occurred_at=draft.occurred_at, known_at=draft.known_at, known_assumed=draft.known_assumed,
                actor="rule:identity", cause=draft.event_id, stream=entry.stream(event), trace=draft.trace,
            ),
            self._subject(event) or customer,
        )  # fmt: skip

    def _was_recorded(self, source: str, source_id: str) -> bool:
        if (source, source_id) in self._seen:
            return True
        where = (journal.c.source == source, journal.c.source_id == source_id)
        found = select(journal.c.position).where(*where)
        return (source, source_id) in self._seen or self._connection.execute(found).first() is not None

    def _subject(self, event: Event) -> str:
        """Whose identity an event is about; a blocked identifier stays with the customer it led to."""
        match event:
            case IdentifierLinked(customer=customer) | MergeProposed(customer=customer):
                return customer
            case CustomersMerged(survivor=survivor) | CustomersUnmerged(survivor=survivor):
                return survivor
            case IdentifierBlocked(identifier=ref):
                return self._register.links[ref.key]
        return ""

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
            _encode(draft.identifiers) if draft.identifiers else NO_IDENTIFIERS, draft.data, draft.trace,
            draft.contact,
        ))  # fmt: skip

    def _revision(self, stream: str) -> int:
        """A derived event's stream was not asked for beforehand; its revision is the register's."""
        if stream not in self._revisions:
            self._revisions[stream] = self._before.revision(stream)
        return self._revisions[stream]


def _customers_of(connection: Connection, events: Iterable[str]) -> dict[str, str]:
    """Whose these events were taken to be at recording; without those that are nobody's or unknown."""
    ids = [one for one in events if EVENT_ID.fullmatch(one)]
    if not ids:
        return {}
    found = connection.execute(
        select(journal.c.event_id, journal.c.customer).where(among(journal.c.event_id, ids))
    )
    return {str(event_id): str(customer) for event_id, customer in found if customer}

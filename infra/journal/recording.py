"""The journal as deciders see it: streams to read, decisions to seal and append."""

from collections.abc import Iterable, Sequence

from sqlalchemy import select

from events import codec, registry
from events.envelope import Envelope
from infra import tracing
from infra.database import unavailable
from infra.identity import store as identity_store
from infra.ids import new_id
from infra.intake import Intake
from infra.item import EVENT_ID, Accepted, Broken, Draft, Duplicate, IdentifierValues, Item
from infra.journal.journal import Journal
from infra.matching import Matcher
from infra.vault import DataKey, Vault
from models.domain.identity import Key
from models.errors import Refused
from models.ports import By, Write
from models.tables.journal import journal

REUSED = Refused(
    "idempotency_key.reused", "another command was given under this Idempotency-Key: take a new key"
)


class Recorder:
    """Implements `models.ports.Log` on the journal.

    `values` are the identifiers of whom the first event of each item is about, where no customer is named.
    """

    def __init__(
        self, journal: Journal, intake: Intake, vault: Vault, matcher: Matcher,
        values: tuple[IdentifierValues, ...] = (),
    ) -> None:  # fmt: skip
        self._journal, self._intake, self._vault, self._matcher = journal, intake, vault, matcher
        self._values = values

    def about(self, values: tuple[IdentifierValues, ...]) -> "Recorder":
        """A recorder whose events are recognised by these identifiers (`Intake.identify` makes them)."""
        return Recorder(self._journal, self._intake, self._vault, self._matcher, values)

    def stream(self, name: str) -> list[Envelope]:
        """A stream's events in order."""
        return self._journal.stream(name)

    def record(self, by: By, writes: Sequence[Write]) -> bool:
        """Append as one item; False for a repeat of the same source id, which adds nothing."""
        trace = self._traces([by]).get(by.cause)
        return isinstance(self._journal.append_one(self.item(by, writes, trace)), Accepted)

    def record_once(self, by: By, writes: Sequence[Write]) -> bool:
        """As `record`, under an id that a caller chose: raises `Refused` where they gave it to something else."""
        trace = self._traces([by]).get(by.cause)
        verdict = self._journal.append_one(self.item(by, writes, trace))
        if isinstance(verdict, Duplicate) and verdict.code:
            raise REUSED
        return isinstance(verdict, Accepted)

    def known(self, by: By) -> bool:
        """Was this recorded before? Raises `Refused` where the caller asked for something else under this id."""
        query = select(journal.c.digest).where(
            journal.c.source == by.source, journal.c.source_id == by.source_id
        )
        with unavailable(), self._journal.engine.connect() as connection:
            digest = connection.execute(query).scalar()
        if digest is not None and digest != self._asked(by):
            raise REUSED
        return digest is not None

    def record_batch(self, decisions: Sequence[tuple[By, Sequence[Write]]]) -> int:
        """Append many items in one go; how many were new. A stale one among them adds nothing.

        Raises RuntimeError where some could not be recorded by a defect of ours; the others were.
        """
        traces = self._traces(by for by, _ in decisions)
        items = [self.item(by, writes, traces.get(by.cause)) for by, writes in decisions]
        verdicts = self._journal.append(items)
        broken = [verdict.kind for verdict in verdicts if isinstance(verdict, Broken)]
        if broken:
            raise RuntimeError(f"{len(broken)} of {len(verdicts)} could not be recorded ({broken[0]})")
        return sum(isinstance(verdict, Accepted) for verdict in verdicts)

    def item(self, by: By, writes: Sequence[Write], trace: str | None = None) -> Item:
        """The item to append, in the trace that is open here or else in this one. Sealing keys are committed.

        The first event carries the source id itself, those after it a number behind it. Raises `Undecodable`
        for an event that its own schema does not allow, `Refused` for one that is too large.
        """
        drafts: list[Draft] = []
        keys: list[DataKey] = (
            [] if by.customer else self._intake.seal_values(self._values, self._unknown(), {})
        )
        for write in writes:
            for event, occurred_at in write.events:
                event_id, entry = new_id(), registry.of(event)
                sealed, key = self._intake.seal_event(event, event_id)
                keys += [key] if key else []
                number = f":{len(drafts)}" if drafts else ""
                values = () if drafts or by.customer else self._values
                data = codec.encode(sealed)
                codec.decode(entry.wire, entry.schema, data)  # what no reader could read is never written
                drafts.append(
                    Draft(
                        event_id=event_id, type=entry.wire, schema=entry.schema, data=data,
                        digest=self._asked(by) if by.asked and not drafts
                        else self._matcher.content(entry.wire.encode(), repr(event).encode()),
                        source=by.source, source_id=by.source_id + number, origin=by.origin,
                        occurred_at=occurred_at, known_at=None if by.origin == "live" else occurred_at,
                        actor=by.actor, cause=by.cause, stream=write.stream, customer=by.customer,
                        identifiers=tuple(value.ref for value in values), values=values,
                        trace=tracing.current() or trace, contact=getattr(event, "contact_id", None),
                    )
                )  # fmt: skip
        item = Item(tuple(drafts), {write.stream: write.expected for write in writes if write.stream})
        self._vault.keep(keys)
        return item

    def _asked(self, by: By) -> bytes:
        return self._matcher.content(b"asked", by.asked.encode())

    def _traces(self, who: Iterable[By]) -> dict[str, str]:
        """Cause → the trace it came under. What is decided within a request needs none: it has its own."""
        causes = {by.cause for by in who if EVENT_ID.fullmatch(by.cause)}
        if tracing.current() or not causes:
            return {}
        with unavailable(), self._journal.engine.connect() as connection:
            rows = connection.execute(
                select(journal.c.event_id, journal.c.trace).where(
                    journal.c.event_id.in_(causes), journal.c.trace.is_not(None)
                )
            )
            return {str(event_id): trace for event_id, trace in rows}

    def _unknown(self) -> set[Key]:
        if not self._values:
            return set()
        with unavailable(), self._journal.engine.connect() as connection:
            return identity_store.unknown(connection, [value.ref.key for value in self._values])

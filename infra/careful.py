"""Between a feed and a handler: an event that the handler cannot take stops neither it nor its neighbours."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import msgspec
import structlog
from sqlalchemy import Connection, Engine

from events import codec
from events.envelope import Envelope
from infra import ledger
from infra.attempts import MOST, Attempts
from infra.database import among, driver, unavailable
from infra.feeds import JOURNAL, Batch
from infra.intake import Rejected
from infra.journal.stored import read
from infra.logs import described
from infra.process.heart import Heart
from infra.projector import Fenced
from infra.quarantine.aside import PROJECTOR, Aside
from infra.records import Strange
from models.errors import Conflict, Unavailable
from models.tables.journal import journal

log = structlog.get_logger()
Act = Callable[[Sequence[Batch]], None]
NO_SUCH = "not_in_journal", "the journal has no such event at its position"
ALTERED = "not_as_recorded", "the journal has this event with another content"


@dataclass(frozen=True, slots=True)
class _Failure:
    """What a handler raised, and the event it had in hand, "" where it did not say."""

    event_id: str
    error: Exception


class Careful:
    """Hands batches on. What the handler raises, or what it hung on before its parent killed it, counts as
    an attempt of the event in hand; with the third the event is set aside and the rest goes on.
    """

    def __init__(self, engine: Engine, heart: Heart, attempts: Attempts, aside: Aside, act: Act) -> None:
        self._engine, self._heart, self._attempts = engine, heart, attempts
        self._aside, self._act = aside, act
        self._tried = attempts.counts()
        self._aside_now: set[str] = set()

    def take(self, batches: Sequence[Batch]) -> None:
        """Have batches handled to their end. Raises `Fenced`, `Conflict` or `Unavailable`: count for nothing."""
        self._aside_now.clear()
        self._heart.wait()
        try:
            self._take(batches)
        finally:
            self._heart.rest()

    def _take(self, batches: Sequence[Batch]) -> None:
        self._give_up()
        batches = [self._genuine(batch) for batch in batches]
        for batch in batches:
            for one in batch.strange:
                self._keep(one)
        while (failure := self._attempt(batches)) is not None:
            if not failure.event_id:
                self._singly(batches)
                break
            self._failed(failure.event_id, failure.error)
        self._taken(batches)

    def _attempt(self, batches: Sequence[Batch]) -> "_Failure | None":
        self._heart.wait()
        try:
            self._act(batches)
        except (Unavailable, Fenced, Conflict):
            raise
        except Exception as error:
            return _Failure(self._heart.item, error)
        finally:
            self._heart.wait()
        return None

    def _singly(self, batches: Sequence[Batch]) -> None:
        """It is not known which event failed: one at a time, and only then move the reader's place."""
        for batch in batches:
            for envelope in batch.envelopes:
                self._alone(replace(batch, envelopes=[envelope], next_offset=None), envelope)
            self._act([replace(batch, envelopes=[])])

    def _alone(self, batch: Batch, envelope: Envelope) -> None:
        while (failure := self._attempt([batch])) is not None:
            blamed = failure.event_id or envelope.event_id
            self._failed(blamed, failure.error)
            if blamed == envelope.event_id and blamed not in self._tried:  # it lies aside now
                return

    def _failed(self, event_id: str, error: Exception) -> None:
        if event_id in self._aside_now:
            raise error  # it lies aside and fails all the same: a defect, which ends the process loudly
        count = self._attempts.failed(event_id)
        self._tried = self._attempts.counts()
        log.warning(
            "attempt failed", reader=self._aside.reader, event_id=event_id, attempt=count, **described(error)
        )
        if count >= MOST:
            self._set_aside(event_id, "failed", f"its handler raised {type(error).__name__} every time")

    def _give_up(self) -> None:
        """What a killed predecessor hung on for the last time."""
        for event_id in [one for one, count in self._tried.items() if count >= MOST]:
            self._set_aside(event_id, "hung", "its handler did not come to an end")

    def _set_aside(self, event_id: str, how: str, detail: str) -> None:
        self._aside.event(event_id, f"{self._aside.reader}_{how}", detail)
        self._attempts.forget([event_id])
        self._aside_now.add(event_id)
        self._tried = self._attempts.counts()

    def _taken(self, batches: Sequence[Batch]) -> None:
        if self._tried:
            self._attempts.forget([one.event_id for batch in batches for one in batch.envelopes])
            self._tried = self._attempts.counts()

    def _keep(self, one: Strange) -> None:
        """Of an event that nobody here can read, the event; of what only calls itself by its id, the record."""
        if not (one.event_id and self._aside.unreadable(one.event_id, one.code, one.detail)):
            self._aside.keep([Rejected(one.code, "$", one.detail, one.raw, one.source, one.source_id)])
        log.error("strange record", reader=self._aside.reader, code=one.code, place=one.source_id)

    def _genuine(self, batch: Batch) -> Batch:
        """A topic can be written to by others: what the journal does not have at that position is no event.

        Nor is what says something else of an event that was folded. What a first copy says is taken on trust.
        """
        if batch.topic_id == JOURNAL or not batch.envelopes:
            return batch
        positions = ledger.array(one.position for one in batch.envelopes if 0 < one.position < 2**63)
        with unavailable(), self._engine.connect() as connection:
            found = driver(connection).execute(
                "SELECT position, event_id::text FROM journal WHERE position = ANY(%s::bigint[])", [positions]
            )
            recorded: dict[int, str] = dict(found.fetchall())
            known = [one for one in batch.envelopes if recorded.get(one.position) == one.event_id]
            altered = _altered(connection, known) if self._aside.reader == PROJECTOR else []
        if len(known) == len(batch.envelopes) and not altered:
            return batch
        unknown = [one for one in batch.envelopes if recorded.get(one.position) != one.event_id]
        strange = [_forged(one, batch, *NO_SUCH) for one in unknown]
        strange += [_forged(one, batch, *ALTERED) for one in altered]
        false = {id(one) for one in altered}
        genuine = [one for one in known if id(one) not in false]
        return replace(batch, envelopes=genuine, strange=[*batch.strange, *strange])


def _altered(connection: Connection, envelopes: Sequence[Envelope]) -> list[Envelope]:
    """Which of these were folded before, hardly any as a rule, and are not as the journal has them."""
    before = ledger.entered(connection, (one.position for one in envelopes))
    if not before:
        return []
    copies = {one.position: one for one in read(connection, among(journal.c.position, before))}
    return [one for one in envelopes if one.position in before and copies[one.position] != one]


def _forged(one: Envelope, batch: Batch, code: str, detail: str) -> Strange:
    raw = msgspec.json.encode({
        "event_id": one.event_id, "position": one.position, "type": one.type, "customer": one.customer,
        "data": msgspec.Raw(codec.encode(one.event)),
    })  # fmt: skip
    place = f"{batch.topic_id}:{batch.partition}:{one.position}"
    return Strange(code, detail, raw, "topic", place)

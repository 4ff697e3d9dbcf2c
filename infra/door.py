"""Every door's one path: received bytes → read → seal → append or quarantine → a verdict per item."""

from collections import Counter as Counts
from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct
from prometheus_client import Counter
from sqlalchemy import Engine

from infra.clock import Clock
from infra.database import unavailable
from infra.identity import store as identity_store
from infra.intake import Intake, Pending, Rejected
from infra.item import Accepted, Broken, Duplicate, Stale, Verdict
from infra.journal.journal import Journal
from infra.quarantine.store import Quarantine

RECEIVED = Counter("touchstone_received_total", "Items that reached a door", ["door"])
VERDICTS = Counter(
    "touchstone_verdicts_total",
    "Accepted + duplicate + refused + quarantined = received",
    ["door", "verdict"],
)


class Answer(Struct, omit_defaults=True):
    """What became of one received item. `code`, `path` and `detail` say why it was not accepted."""

    index: int
    verdict: str
    source_id: str = ""
    event_id: str = ""
    customer: str = ""
    code: str = ""
    path: str = ""
    detail: str = ""


class Door:
    """Takes items in from outside. HTTP gateway, Kafka intake and replay differ only in `name`."""

    def __init__(
        self,
        name: str,
        engine: Engine,
        journal: Journal,
        intake: Intake,
        quarantine: Quarantine,
        clock: Clock,
    ) -> None:
        self.name, self._journal, self._intake = name, journal, intake
        self._asking = engine.execution_options(isolation_level="AUTOCOMMIT")  # one question, one round trip
        self._quarantine, self._clock = quarantine, clock
        RECEIVED.labels(name)
        for verdict in ("accepted", "duplicate", "refused", "quarantined"):
            VERDICTS.labels(name, verdict)

    def receive(self, raws: Sequence[bytes]) -> list[Answer]:
        """A verdict for each item, in order; what was accepted is committed. Raises `Unavailable`."""
        now = self._clock.now()
        return self.settle(self.read(raws, now), now)

    def read(self, items: Sequence[bytes | Rejected], now: datetime) -> list[Pending | Rejected]:
        """Read and check items; asks nobody. What a translator could not make an event of stays rejected."""
        return [one if isinstance(one, Rejected) else self._intake.read(one, now) for one in items]

    def hold(self, one: Rejected) -> None:
        """Put an item into quarantine as it came, where nobody else would keep it."""
        self._quarantine.keep([one], self._clock.now())

    def settle(self, read: Sequence[Pending | Rejected], now: datetime) -> list[Answer]:
        """Record what was read, quarantine what could not be, and count both."""
        pending = [one for one in read if isinstance(one, Pending)]
        self._quarantine.keep([one for one in read if isinstance(one, Rejected)], now)
        verdicts = self._append(pending)
        broken = {id(one): _broken(one, verdict) for one, verdict in zip(pending, verdicts, strict=True)
                  if isinstance(verdict, Broken)}  # fmt: skip
        self._quarantine.keep(list(broken.values()), now)
        told = iter(verdicts)
        answers = []
        for index, one in enumerate(read):
            if isinstance(one, Rejected):
                answers.append(_rejected(index, one))
            elif isinstance(verdict := next(told), Broken):
                answers.append(_rejected(index, broken[id(one)]))
            else:
                answers.append(_answer(index, one, verdict))
        RECEIVED.labels(self.name).inc(len(answers))
        for name, count in Counts(answer.verdict for answer in answers).items():
            VERDICTS.labels(self.name, name).inc(count)
        return answers

    def _append(self, pending: Sequence[Pending]) -> list[Verdict]:
        if not pending:
            return []
        keys = {value.ref.key for one in pending for value in one.draft.values}
        with unavailable(), self._asking.connect() as connection:
            unknown = identity_store.unknown(connection, keys)
        return self._journal.append(self._intake.seal(pending, unknown))


def _rejected(index: int, one: Rejected) -> Answer:
    return Answer(
        index=index, verdict="quarantined" if one.keep else "refused", source_id=one.source_id,
        code=one.code, path=one.path, detail=one.detail,
    )  # fmt: skip


def _broken(one: Pending, verdict: Broken) -> Rejected:
    """A defect of ours: the bytes are kept, so that it can be replayed when the defect is mended."""
    sentence = f"the journal could not take it ({verdict.kind})"
    return Rejected("unrecordable", "$", sentence, one.raw, one.draft.source, one.draft.source_id)


def _answer(index: int, pending: Pending, verdict: Accepted | Duplicate | Stale) -> Answer:
    source_id = pending.draft.source_id
    match verdict:
        case Accepted(event_ids=ids, customer=customer):
            return Answer(index, "accepted", source_id, ids[0], customer)
        case Duplicate(event_id=event_id, customer=customer, code=code):
            detail = "recorded before with other content; the first stands" if code else ""
            return Answer(index, "duplicate", source_id, event_id, customer, code, detail=detail)
        case Stale(stream=stream):
            return Answer(
                index, "refused", source_id, code="stream_exists", path="$.data",
                detail=f"{stream} was opened before, under another source id",
            )  # fmt: skip

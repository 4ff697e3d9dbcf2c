"""Where readers get events from, batch by batch: Kafka, or the journal itself where there is no broker."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.structs import ConsumerRecord
from sqlalchemy import Engine, select

from events.codec import Undecodable
from events.envelope import Envelope
from infra.database import unavailable
from infra.ids import new_id
from infra.journal.stored import envelope
from infra.process.heart import Heart
from infra.process.stuck import StuckWatch
from infra.records import Strange
from infra.records import read as read_record
from infra.topics_admin import topic_id
from models.errors import Unavailable
from models.tables.journal import COLUMNS, journal

BATCH = 5_000
BEHIND = 1_000
"""Events at once: whoever finds so many has a backlog, and reads on while these are worked on."""
PAGE = 250
"""Records that are fetched and read at once: what they are made of stays in the processor's cache."""
IDLE_SECONDS = 0.05
LOOK_SECONDS = 30.0
"""Between two looks whether the topic that is read is still the one of that name."""
JOURNAL = "journal"
UNREADABLE = "an event that this process cannot read"
Record: TypeAlias = "ConsumerRecord[bytes, bytes]"


@dataclass(frozen=True, slots=True)
class Batch:
    """Events of one partition, in order, and the offset from which to go on after them.

    Without that offset the reader's place stays where it is. `strange` is what was found among them and
    is no event that this process can read.
    """

    partition: int
    topic_id: str
    envelopes: Sequence[Envelope]
    next_offset: int | None
    strange: Sequence[Strange] = ()


Claim = Callable[[int, str], int]
"""(partition, topic id) → the offset to begin at; makes the caller the partition's only writer."""


class Feed(Protocol):
    """Batches, for as long as somebody asks."""

    def batches(self, claim: Claim) -> AsyncGenerator[list[Batch], None]:
        """What is new, a list of batches at a time. Every partition is claimed before it is read.

        Raises what a claim raised, or `Unavailable`. Whoever stops asking closes it (`aclosing`).
        """
        ...


class JournalFeed:
    """The journal as one partition; its offset is the last position read."""

    def __init__(self, engine: Engine, heart: Heart | None = None, *, live_only: bool = False) -> None:
        self._engine, self._heart, self._live_only = engine, heart or Heart(), live_only
        self._position = 0

    async def batches(self, claim: Claim) -> AsyncGenerator[list[Batch], None]:
        """Poll the journal beyond the claimed position."""
        with self._heart.asking():
            self._position = await asyncio.to_thread(claim, 0, JOURNAL)
        while True:
            with self._heart.asking():
                batch = await asyncio.to_thread(self._read)
            if batch is None:
                await asyncio.sleep(IDLE_SECONDS)
                continue
            self._position = batch.next_offset or self._position
            yield [batch]

    def _read(self) -> Batch | None:
        with unavailable(), self._engine.connect() as connection:
            rows = connection.execute(
                select(*(journal.c[name] for name in COLUMNS))
                .where(journal.c.position > self._position)
                .order_by(journal.c.position)
                .limit(BATCH)
            ).all()
        if not rows:
            return None
        envelopes, strange = [], []
        for row in rows:
            if self._live_only and row.origin != "live":
                continue
            try:
                envelopes.append(envelope(row))
            except Undecodable:
                event_id = str(row.event_id)
                strange.append(Strange("undecodable", UNREADABLE, b"", JOURNAL, event_id, event_id))
        return Batch(0, JOURNAL, envelopes, rows[-1].position, strange)


@dataclass(frozen=True, slots=True)
class _Read:
    """What was read, and after how many claims: what another may have claimed since is not ours to hand on."""

    claims: int
    batches: list[Batch]


class KafkaFeed:
    """One member of a consumer group on one topic. Kafka's own offsets are a hint; the claim decides."""

    def __init__(
        self, bootstrap: str, topic: str, group: str, heart: Heart | None = None, *, live_only: bool = False
    ) -> None:
        self._bootstrap, self._topic, self._group, self._live_only = bootstrap, topic, group, live_only
        self._heart = heart or Heart()

    async def batches(self, claim: Claim) -> AsyncGenerator[list[Batch], None]:
        """Join the group, claim what is assigned, and read in batches, for as long as the topic is the same."""
        identity = await self._identity()
        looked = time.monotonic()
        member = f"{self._group}.{new_id()}"
        watch = StuckWatch(self._bootstrap, self._topic, self._group, member)
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap, group_id=self._group, client_id=member, enable_auto_commit=False,
            auto_offset_reset="earliest", session_timeout_ms=8_000, heartbeat_interval_ms=2_500,
            request_timeout_ms=10_000, max_poll_interval_ms=120_000, fetch_max_bytes=16 * 1024 * 1024,
            max_partition_fetch_bytes=4 * 1024 * 1024,
        )  # fmt: skip
        claimer = _Claimer(consumer, claim, identity, self._identity, watch, self._heart)
        consumer.subscribe([self._topic], listener=claimer)
        ahead: asyncio.Task[_Read] | None = None
        try:
            await consumer.start()
            watch.start()
            while True:
                read = await (ahead or self._read(consumer, claimer, identity))
                ahead = None
                if time.monotonic() - looked >= LOOK_SECONDS:
                    _expect(identity, await self._identity())
                    looked = time.monotonic()
                if claimer.failure is not None:
                    raise claimer.failure
                found = read.batches if read.claims == claimer.claims else []
                if sum(len(batch.envelopes) for batch in found) >= BEHIND:
                    ahead = asyncio.create_task(self._read(consumer, claimer, identity))
                if found:
                    watch.works(True)
                    yield found
                    for batch in found:
                        watch.went_on(batch.partition, batch.next_offset or 0)
                    watch.works(False)
                    await consumer.commit({
                        TopicPartition(self._topic, batch.partition): batch.next_offset
                        for batch in found
                        if TopicPartition(self._topic, batch.partition) in consumer.assignment()
                        and batch.next_offset is not None
                    })  # fmt: skip
        except KafkaError as error:
            raise Unavailable(
                f"Kafka at {self._bootstrap} does not answer ({type(error).__name__})"
            ) from error
        finally:
            watch.stop()
            if ahead is not None:
                ahead.cancel()
                await asyncio.gather(ahead, return_exceptions=True)
            await consumer.stop()

    async def _read(self, consumer: AIOKafkaConsumer, claimer: "_Claimer", identity: str) -> _Read:
        """A batch of each partition, page by page: a few raw records at a time are quick to make and to let go."""
        claims, count = claimer.claims, 0
        pages: dict[int, list[Batch]] = {}
        while count < BATCH:
            fetched = await consumer.getmany(timeout_ms=0 if count else 200, max_records=PAGE)
            if claims != claimer.claims:
                claims, pages = claimer.claims, {}
            for part, records in fetched.items():
                if records and claimer.follows(part, records[0].offset):
                    page = self._batch(part.partition, identity, records)
                    pages.setdefault(part.partition, []).append(page)
            read = sum(map(len, fetched.values()))
            if not read:
                break
            count += read
        return _Read(claims, [_joined(batches) for batches in pages.values()])

    async def _identity(self) -> str:
        return await asyncio.to_thread(topic_id, self._bootstrap, self._topic)

    def _batch(self, partition: int, topic_id: str, records: Sequence[Record]) -> Batch:
        """Whoever wants live events alone does not read the others, nor what is no event."""
        envelopes, strange = [], []
        for record in records:
            if self._live_only and ("ts_origin", b"live") not in record.headers:
                continue
            match read_record(record, topic_id):
                case Strange() as found:
                    strange.append(found)
                case envelope:
                    envelopes.append(envelope)
        return Batch(partition, topic_id, envelopes, records[-1].offset + 1, strange)


def _joined(pages: Sequence[Batch]) -> Batch:
    """Pages of one partition, in order, as one batch."""
    if len(pages) == 1:
        return pages[0]
    envelopes = [one for page in pages for one in page.envelopes]
    strange = [one for page in pages for one in page.strange]
    return replace(pages[-1], envelopes=envelopes, strange=strange)


class _Claimer(ConsumerRebalanceListener):
    """Makes this member the writer of every partition it is given, and begins where the views stand."""

    def __init__(
        self,
        consumer: AIOKafkaConsumer,
        claim: Claim,
        identity: str,
        identity_now: Callable[[], Awaitable[str]],
        watch: StuckWatch,
        heart: Heart,
    ) -> None:
        self._consumer, self._claim, self._watch, self._heart = consumer, claim, watch, heart
        self._identity, self._identity_now = identity, identity_now
        self._claimed: dict[TopicPartition, int | None] = {}
        self.claims = 0
        self.failure: Exception | None = None

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """Nothing to give back: a later claim fences us."""
        self.claims += 1
        self._claimed.clear()
        self._watch.gives_back()

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """Claim and seek each partition. What goes wrong is kept for the reader: aiokafka would only log it."""
        try:
            _expect(self._identity, await self._identity_now())
            for part in assigned:
                with self._heart.asking():
                    offset = await asyncio.to_thread(self._claim, part.partition, self._identity)
                self._consumer.seek(part, offset)
                self._claimed[part] = offset
                self._watch.reads(part.partition, offset)
        except Exception as error:
            self.failure = error

    def follows(self, part: TopicPartition, offset: int) -> bool:
        """Do these records go on where the claim said? aiokafka fetches a new partition before it is claimed."""
        if part not in self._claimed:
            return False
        begin = self._claimed[part]
        if begin is not None and offset != begin:
            self._claimed[part] = None if offset > begin else begin  # beyond it: retention took the rest, or
            self._consumer.seek(part, begin)  # an early fetch, which the seek repeats once
            return False
        self._claimed[part] = None
        return True


def _expect(identity: str, now: str) -> None:
    """A topic made anew has offsets of its own: whoever reads it begins again."""
    if now != identity:
        raise Unavailable("the topic was deleted and made anew")

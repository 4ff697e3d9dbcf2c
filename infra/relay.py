"""Journal → Kafka: in order, acknowledged by all, checkpoint after the acknowledgement."""

import threading
import time
from contextlib import suppress
from typing import Any

import structlog
from confluent_kafka import KafkaException, Producer
from prometheus_client import Counter
from psycopg.sql import SQL, Identifier
from sqlalchemy import Connection, Engine, select, text

from events.topics import events_topic, family_topic, family_topics
from infra.database import driver, unavailable
from infra.messages import Message, from_row
from infra.process.heart import Heart
from infra.telemetry import LAG
from infra.topics_admin import PROMPT, forget, topic_ids
from models.errors import Unavailable
from models.tables.journal import WRITTEN
from models.tables.readers import relay_checkpoint

log = structlog.get_logger()
BATCH = 2_000
"""Rows read at a time: while they become messages, the broker takes those before."""
UNACKNOWLEDGED = 20_000
"""Most messages under way: memory is bounded, and requests, each of one partition, are still large."""
UNACKNOWLEDGED_KB = 64 * 1024
STEP_SECONDS = 1.0
"""So long a step reads on; then all that is under way is waited for, and noted."""
PATIENCE_SECONDS = 30.0
"""Longest step; a parent's patience with a relay that waits is a little longer."""
IDLE_SECONDS = 0.05
WAIT_SECONDS = 1.0
LOOK_SECONDS = 2.0
"""Between two looks whether the topics are still those that were filled."""
SETTLE_SECONDS = 3.0
"""A broker tells of a topic made anew before it lets go of the old one's files; what it takes meanwhile is lost."""
_IDS = ("event_id", "customer")
_ROWS = SQL("SELECT {} FROM journal WHERE position > %s ORDER BY position LIMIT %s").format(
    SQL(", ").join(SQL("{}::text" if name in _IDS else "{}").format(Identifier(name)) for name in WRITTEN)
)
"""Ids as text, as messages have them: the driver need not build UUIDs."""
_BEHIND = text(
    "SELECT position - coalesce((SELECT position FROM relay_checkpoint WHERE topic = :topic), 0) FROM journal_head"
)
TELL_SECONDS = 3.0
SENT = Counter("touchstone_relayed_total", "Journal events sent to Kafka")


class Relay:
    """Sends what the journal has and the topics have not. One instance a workspace.

    Uncompressed: a subscriber with plain aiokafka could not read lz4 or zstd without another package.
    """

    def __init__(
        self, engine: Engine, bootstrap: str, prefix: str, heart: Heart | None = None, public_url: str = ""
    ) -> None:
        self._engine, self._bootstrap, self._prefix = engine, bootstrap, prefix
        self._public_url = public_url
        self._heart = heart or Heart()
        self._producer = _producer(bootstrap)
        self._topic = events_topic(prefix)
        self._known = ""
        self._sent: dict[tuple[str, int], int] = {}

    def run(self, stop: threading.Event) -> None:
        """Go on until told to stop; whatever does not answer is waited for."""
        threading.Thread(target=self._tell, args=(stop,), name="lag", daemon=True).start()
        filled, looked = "", 0.0
        while not stop.is_set():
            self._heart.wait()
            try:
                if not filled or time.monotonic() - looked >= LOOK_SECONDS:
                    filled, looked = self._look(), time.monotonic()
                sent = self.step(filled)
            except Unavailable as error:
                log.warning("waiting", why=str(error))
                filled, sent = "", 0
                stop.wait(WAIT_SECONDS)
            self._heart.rest()
            if not sent:
                stop.wait(IDLE_SECONDS)

    def _tell(self, stop: threading.Event) -> None:
        """How far the topics are behind the journal, also while a broker keeps a step waiting."""
        while not stop.is_set():
            with suppress(Unavailable), unavailable(), self._engine.connect() as connection:
                LAG.labels("relay", "0").set(connection.execute(_BEHIND, {"topic": self._topic}).scalar_one())
            stop.wait(TELL_SECONDS)

    def topics(self) -> str:
        """Which topics there are now: another answer means that one was deleted and made anew."""
        ids = topic_ids(self._bootstrap, [self._topic, *family_topics(self._prefix)])
        return " ".join(ids[name] for name in sorted(ids))

    def _look(self) -> str:
        """Which topics there are. What was sent to new ones before they were seen to be new is taken out again,
        else whoever reads them from their beginning would find the latest events before the first.
        """
        now = self.topics()
        if self._known not in ("", now):
            time.sleep(SETTLE_SECONDS)
            forget(self._bootstrap, self._sent)
            log.warning("filling new topics", events=self._topic)
        self._known = now
        self._sent.clear()
        return now

    def step(self, topics: str) -> int:
        """Send to these topics for about a second, and move the checkpoint; how many journal events it were.

        The lock is held until all is acknowledged or given up: no other relay sends what is under way here.
        """
        with unavailable(), self._engine.begin() as connection:
            before = self._checkpoint(connection, topics)
            position = self._send(connection, before)
            if position > before:
                connection.execute(
                    text("UPDATE relay_checkpoint SET position = :position WHERE topic = :topic"),
                    {"position": position, "topic": self._topic},
                )
                SENT.inc(position - before)
            return position - before

    def _checkpoint(self, connection: Connection, topics: str) -> int:
        """Where to go on, locked against a second relay; if a topic is new, all are filled from the beginning."""
        connection.execute(
            text(
                "INSERT INTO relay_checkpoint (topic, topic_id, position) VALUES (:topic, :id, 0) "
                "ON CONFLICT (topic) DO NOTHING"
            ),
            {"topic": self._topic, "id": topics},
        )
        held = connection.execute(
            select(relay_checkpoint).where(relay_checkpoint.c.topic == self._topic).with_for_update()
        ).one()
        if held.topic_id == topics:
            return int(held.position)
        connection.execute(
            text("UPDATE relay_checkpoint SET topic_id = :id, position = 0 WHERE topic = :topic"),
            {"id": topics, "topic": self._topic},
        )
        return 0

    def _send(self, connection: Connection, position: int) -> int:
        """Send what comes after a position; the last position that is acknowledged, with all before it.

        Rows are read and sent while those before them are still under way. If one message fails, all that are
        under way are given up, so that whoever begins again at the checkpoint disturbs no order.
        """
        under_way = _UnderWay(self._producer, self._sent)
        until = time.monotonic() + STEP_SECONDS
        try:
            while rows := _after(connection, position):
                for row in rows:
                    message = from_row(row, self._public_url)
                    for key in message.keys:
                        under_way.add(self._topic, key, message)
                    under_way.add(family_topic(self._prefix, message.family), message.keys[0], message)
                position = rows[-1][0]
                if len(rows) < BATCH or time.monotonic() >= until:
                    break
                under_way.check()
            under_way.finish()
        except BaseException:
            self._producer.purge()
            self._producer = _producer(self._bootstrap)  # an idempotent one may be beyond help after an error
            raise
        return position


def _producer(bootstrap: str) -> Producer:
    return Producer({
        "bootstrap.servers": bootstrap, "enable.idempotence": True, "acks": "all",
        "partitioner": "murmur2_random", "message.max.bytes": 1_000_000, **PROMPT,
        "queue.buffering.max.messages": UNACKNOWLEDGED, "queue.buffering.max.kbytes": UNACKNOWLEDGED_KB,
        "linger.ms": 50,  # fewer, larger requests; the flush that ends a step does not wait for it
        # With more under way, a batch that a broker lost was told as delivered when a later one arrived.
        "max.in.flight.requests.per.connection": 1,
    })  # fmt: skip


class _UnderWay:
    """The messages of one step on their way to the broker; `sent` learns where the last of each partition lies."""

    def __init__(self, producer: Producer, sent: dict[tuple[str, int], int]) -> None:
        self._producer, self._sent = producer, sent
        self._failed: list[str] = []
        self._deadline = time.monotonic() + PATIENCE_SECONDS

    def add(self, topic: str, key: bytes, message: Message) -> None:
        """Hand a message to the producer, as soon as that has room. Raises `Unavailable`."""
        headers: Any = message.headers  # the client's type would have None among the values
        while True:
            try:
                self._producer.produce(topic, message.value, key, headers=headers, on_delivery=self._told)
            except BufferError:
                self.check(0.05)
            except KafkaException as error:
                raise Unavailable(f"Kafka does not take events: {error.args[0].str()}") from None
            else:
                return

    def check(self, wait: float = 0.0) -> None:
        """Hear what became of messages, if need be after a while. Raises `Unavailable` if one failed."""
        self._producer.poll(wait)
        self._expect(time.monotonic() < self._deadline)

    def finish(self) -> None:
        """Wait until all are acknowledged. Raises `Unavailable` if they are not."""
        left = self._producer.flush(max(0.0, self._deadline - time.monotonic()))
        self._expect(not left)

    def _expect(self, in_time: bool) -> None:
        if self._failed or not in_time:
            count = len(self._failed) + len(self._producer)
            raise Unavailable(f"Kafka did not take up to {count} messages: {self._failed[:1]}")

    def _told(self, error: Any, message: Any) -> None:
        if error is not None:
            self._failed.append(error.str())
        elif (offset := message.offset()) is None:
            self._failed.append("the broker did not say where it lies")
        else:
            self._sent[message.topic(), message.partition()] = offset


def _after(connection: Connection, position: int) -> list[tuple[Any, ...]]:
    """The journal's next rows as the driver has them: SQLAlchemy's take twice as long."""
    with driver(connection).cursor(binary=True) as cursor:
        return cursor.execute(_ROWS, (position, BATCH)).fetchall()

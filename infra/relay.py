"""Journal → Kafka: in order, acknowledged by all, checkpoint after the acknowledgement."""

import threading
import time
from collections.abc import Sequence
from typing import Any

import structlog
from confluent_kafka import KafkaException, Producer
from prometheus_client import Counter
from sqlalchemy import Connection, Engine, select, text

from events.topics import events_topic, family_topic, family_topics
from infra.database import unavailable
from infra.heart import Heart
from infra.messages import Message, from_row
from infra.telemetry import LAG
from infra.topics_admin import PROMPT, forget, topic_ids
from models.errors import Unavailable
from models.tables.journal import WRITTEN, journal, journal_head
from models.tables.readers import relay_checkpoint

log = structlog.get_logger()
BATCH = 5_000
IDLE_SECONDS = 0.05
WAIT_SECONDS = 1.0
LOOK_SECONDS = 2.0
"""Between two looks whether the topics are still those that were filled."""
SETTLE_SECONDS = 3.0
"""A broker tells of a topic made anew before it lets go of the old one's files; what it takes meanwhile is lost."""
SENT = Counter("touchstone_relayed_total", "Journal events sent to Kafka")


class Relay:
    """Sends what the journal has and the topics have not. One instance a workspace.

    Uncompressed: a subscriber with plain aiokafka could not read lz4 or zstd without another package.
    """

    def __init__(self, engine: Engine, bootstrap: str, prefix: str, heart: Heart | None = None) -> None:
        self._engine, self._bootstrap, self._prefix = engine, bootstrap, prefix
        self._heart = heart or Heart()
        self._producer = Producer({
            "bootstrap.servers": bootstrap, "enable.idempotence": True, "acks": "all", "linger.ms": 5,
            "partitioner": "murmur2_random", "queue.buffering.max.messages": 200_000,
            "message.max.bytes": 1_000_000, **PROMPT, "log_level": 3,
            # With more under way, a batch that a broker lost was told as delivered when a later one arrived.
            "max.in.flight.requests.per.connection": 1,
        })  # fmt: skip
        self._topic = events_topic(prefix)
        self._known = ""
        self._sent: dict[tuple[str, int], int] = {}

    def run(self, stop: threading.Event) -> None:
        """Go on until told to stop; whatever does not answer is waited for."""
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
        """Send one batch to these topics and move the checkpoint; how many journal events it had."""
        with unavailable(), self._engine.begin() as connection:
            position = self._checkpoint(connection, topics)
            rows = connection.execute(
                select(*(journal.c[name] for name in WRITTEN))
                .where(journal.c.position > position)
                .order_by(journal.c.position)
                .limit(BATCH)
            ).all()
            if rows:
                self._send([from_row(row) for row in rows])
                connection.execute(
                    text("UPDATE relay_checkpoint SET position = :position WHERE topic = :topic"),
                    {"position": rows[-1][0], "topic": self._topic},
                )
                SENT.inc(len(rows))
                position = rows[-1][0]
            LAG.labels("relay", "0").set(
                connection.execute(select(journal_head.c.position)).scalar_one() - position
            )
            return len(rows)

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

    def _send(self, messages: Sequence[Message]) -> None:
        failed: list[str] = []

        def told(error: Any, message: Any) -> None:
            if error is not None:
                failed.append(error.str())
            elif message.offset() is None:
                failed.append("the broker did not say where it lies")
            else:
                self._sent[message.topic(), message.partition()] = message.offset()

        try:
            for message in messages:
                for key in message.keys:
                    self._produce(self._topic, key, message, told)
                self._produce(family_topic(self._prefix, message.family), message.keys[0], message, told)
            left = self._producer.flush(30)
        except KafkaException as error:
            raise Unavailable(f"Kafka does not take events: {error.args[0].str()}") from None
        if failed or left:
            self._producer.purge()
            raise Unavailable(f"Kafka did not take {len(failed) + left} messages: {failed[:1]}")

    def _produce(self, topic: str, key: bytes, message: Message, told: Any) -> None:
        while True:
            try:
                self._producer.produce(
                    topic, message.value, key, headers=list(message.headers), on_delivery=told
                )
            except BufferError:
                self._producer.poll(0.05)
            else:
                return

"""Journal to Kafka, beside a bare send of the same bytes with either client."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer
from confluent_kafka import Producer
from sqlalchemy import select

from bench.figures import Aim, Figure, Line, Path
from bench.ground import Ground
from bench.processes import Meter, kafka, postgres
from bench.timing import frozen, interleaved, seconds
from events.topics import events_topic, family_topic
from infra.messages import from_row
from infra.relay import Relay
from infra.settings import Settings
from models.tables.journal import WRITTEN, journal

Sent = tuple[str, bytes, bytes, Any]
"""Topic (without its prefix), key, value, headers."""

WARMING = 2
"""Sends before the first that counts: a broker just started takes half as much, until its code is compiled."""


def measure(ground: Ground, say: Callable[[str], None]) -> Path:
    """Events a second from the journal to the brokers' acknowledgement, and the same messages out of memory."""
    base = ground.journal_of(ground.sizes.relay_events)
    messages = _messages(ground, base)
    events = _count(ground, base)
    each = len(messages) / events
    spent: dict[str, float] = {}

    def own() -> float:
        settings = ground.settings(like=base, topics=True)
        workspace = ground.open(settings)
        relay = Relay(workspace.engine, settings.kafka_bootstrap, settings.topic_prefix)
        topics = relay.topics()
        with frozen():
            meter, before = Meter(PostgreSQL=postgres(ground), Kafka=kafka(ground)), time.process_time()
            took = seconds(lambda: _drain(relay, topics))
            told = {"relay": time.process_time() - before, **meter.spent()}
        spent.update({name: round(used / events * 1e6, 1) for name, used in told.items()})
        workspace.close()
        ground.drop(settings)
        return events / took

    def bare(send: Callable[[str, str, Sequence[Sent]], None]) -> Callable[[], float]:
        def run() -> float:
            settings = ground.settings(topics=True)
            with frozen():
                took = seconds(lambda: send(settings.kafka_bootstrap, settings.topic_prefix, messages))
            ground.drop(settings)
            return events / took

        return run

    contestants = {"relay": own, "bare confluent-kafka": bare(_confluent), "bare aiokafka": bare(_aiokafka)}
    for _ in range(WARMING):
        bare(_confluent)()
    found = interleaved(ground.sizes.runs, contestants, "events/s", say)
    ground.drop(base)
    others = sorted((found["bare confluent-kafka"], found["bare aiokafka"]), key=lambda one: -one.median)
    relay = found["relay"]
    counted = Figure(
        "relay, counted in messages", "messages/s", tuple(each * value for value in relay.values)
    )
    return Path(
        name="relay", title="Relay, journal → Kafka",
        lines=[
            Line(relay, others[0], Aim("ratio", "at least", 0.6)),
            Line(relay, others[1]),
            Line(relay, aim=Aim("figure", "at least", 50_000.0)),
            Line(counted),
            Line(Figure("a message", "bytes", (round(sum(map(_bytes, messages)) / len(messages)),))),
        ],
        cpu=spent, cpu_unit="CPU seconds per million events",
        notes=[
            f"{events:,} events of the journal are {len(messages):,} messages: each goes on the events topic and, "
            "as a copy for subscribers, on its family's. All figures but the one that says so count events; the "
            "bare sends send the same messages, with the same keys and headers, built beforehand and held in "
            "memory. All are idempotent, acks=all, linger 50 ms (aiokafka 5 ms), uncompressed, to topics made for each "
            "run. The relay has one request under way at a time, the bare sends up to five. The broker was warm: it "
            f"had taken the same messages {WARMING} times before.",
        ],
    )  # fmt: skip


def _bytes(message: Sent) -> int:
    """Of value, key and headers."""
    _, key, value, headers = message
    return len(key) + len(value) + sum(len(name) + len(text) for name, text in headers)


def _drain(relay: Relay, topics: str) -> None:
    while relay.step(topics):
        pass


def _count(ground: Ground, settings: Settings) -> int:
    workspace = ground.open(settings)
    found = workspace.journal.head()
    workspace.close()
    return found


def _messages(ground: Ground, settings: Settings) -> list[Sent]:
    """What the relay would send, in its order."""
    engine = ground.engine(settings)
    found: list[Sent] = []
    with engine.connect() as connection:
        query = select(*(journal.c[name] for name in WRITTEN)).order_by(journal.c.position)
        for row in connection.execute(query):
            message = from_row(row)
            found += [(events_topic(""), key, message.value, message.headers) for key in message.keys]
            found.append((family_topic("", message.family), message.keys[0], message.value, message.headers))
    engine.dispose()
    return found


def _confluent(bootstrap: str, prefix: str, messages: Sequence[Sent]) -> None:
    producer = Producer({
        "bootstrap.servers": bootstrap, "enable.idempotence": True, "acks": "all", "linger.ms": 50,
        "partitioner": "murmur2_random", "queue.buffering.max.messages": 200_000, "log_level": 3,
    })  # fmt: skip
    failed: list[str] = []

    def told(error: object, _: object) -> None:
        if error is not None:
            failed.append(str(error))

    for topic, key, value, headers in messages:
        while True:
            try:
                producer.produce(prefix + topic, value, key, headers=headers, on_delivery=told)
                break
            except BufferError:
                producer.poll(0.05)
    if producer.flush(60) or failed:
        raise RuntimeError(f"not everything was sent: {failed[:1]}")


def _aiokafka(bootstrap: str, prefix: str, messages: Sequence[Sent]) -> None:
    async def send() -> None:
        producer = AIOKafkaProducer(
            bootstrap_servers=bootstrap,
            enable_idempotence=True,
            acks="all",
            linger_ms=5,
            max_batch_size=262_144,
        )
        await producer.start()
        sent = [
            await producer.send(prefix + topic, value, key, headers=headers)
            for topic, key, value, headers in messages
        ]
        await asyncio.gather(*sent)
        await producer.stop()

    asyncio.run(send())

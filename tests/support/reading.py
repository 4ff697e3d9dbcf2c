"""Reading a topic from its first message, as a subscriber does."""

import time
from contextlib import suppress

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Message, TopicPartition

from events.topics import PARTITIONS

PATIENCE = 30
"""Polls of a second each without a message, then whoever waits has lost."""
STARTING_SECONDS = 60.0
"""For a broker that has just started, or has just been told of a topic."""


def read_topic(bootstrap: str, topic: str, count: int) -> list[Message]:
    """The first `count` messages of all partitions, each partition's in order."""
    consumer = Consumer({
        "bootstrap.servers": bootstrap, "group.id": "a test", "enable.auto.commit": False, "log_level": 0,
    })  # fmt: skip
    consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in range(PARTITIONS)])
    found: list[Message] = []
    quiet = 0
    while len(found) < count and quiet < PATIENCE:
        message = consumer.poll(1)
        quiet = quiet + 1 if message is None else 0
        if message is not None and message.error() is None:
            found.append(message)
    extra = consumer.poll(0.2)
    consumer.close()
    assert extra is None, f"{topic} has more than {count} messages"
    return sorted(found, key=lambda one: (one.partition(), one.offset()))


def count_in(bootstrap: str, topic: str) -> int:
    """How many messages a topic holds."""
    consumer = _asking(bootstrap)
    try:
        return sum(high - low for low, high in (marks(consumer, topic, each) for each in range(PARTITIONS)))
    finally:
        consumer.close()


def ends(bootstrap: str, topic: str) -> dict[int, int]:
    """Partition → the offset after its last message."""
    consumer = _asking(bootstrap)
    try:
        return {number: marks(consumer, topic, number)[1] for number in range(PARTITIONS)}
    finally:
        consumer.close()


def marks(consumer: Consumer, topic: str, number: int) -> tuple[int, int]:
    """The first and the next offset of a partition. One that has no leader yet is asked again."""
    deadline = time.monotonic() + STARTING_SECONDS
    while True:
        try:
            low, high = consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=10)
            return int(low), int(high)
        except KafkaException:
            if time.monotonic() > deadline:
                raise
            with suppress(KafkaException):  # else it keeps what it heard from a broker that was starting
                consumer.list_topics(topic, timeout=5)


def _asking(bootstrap: str) -> Consumer:
    return Consumer({"bootstrap.servers": bootstrap, "group.id": "a test", "log_level": 0})

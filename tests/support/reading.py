"""Reading a topic from its first message, as a subscriber does."""

from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, TopicPartition

from events.topics import PARTITIONS

PATIENCE = 30
"""Polls of a second each without a message, then whoever waits has lost."""


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
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "a test", "log_level": 0})
    places = [TopicPartition(topic, number) for number in range(PARTITIONS)]
    try:
        marks = [consumer.get_watermark_offsets(place, timeout=10) or (0, 0) for place in places]
    finally:
        consumer.close()
    return sum(high - low for low, high in marks)

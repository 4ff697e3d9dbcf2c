"""Reading the topics as the contract tells a subscriber to: from the first event, leaving out repeats."""

import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Message, TopicPartition

from events.envelope import Envelope
from events.topics import PARTITIONS
from infra.messages import to_envelope
from tests.support.reading import marks

PATIENCE = 60.0


@dataclass
class Heard:
    """What a subscriber of one topic ends up with."""

    events: dict[int, Envelope] = field(default_factory=dict)
    """Position → event."""
    places: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))
    """Position → the partitions on which it came, once on each."""
    partitions: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    """Key → the partitions on which it ever came; there should be one."""
    repeats: int = 0


def listen(bootstrap: str, topics: Iterable[str]) -> dict[str, Heard]:
    """Everything that is on these topics now. A repeat shows a position not above its partition's last."""
    consumer = _consumer(bootstrap)
    found: dict[str, Heard] = {topic: Heard() for topic in topics}
    try:
        left = _left(consumer, found)
        consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for topic, number in left])
        last: dict[tuple[str, int], int] = defaultdict(int)
        deadline = time.monotonic() + PATIENCE
        while left:
            assert time.monotonic() < deadline, f"the broker gives no more, {len(left)} partitions are unread"
            for message in consumer.consume(2_000, 1.0):
                if message.error() is not None:
                    raise KafkaException(message.error())
                place = (str(message.topic()), int(message.partition() or 0))
                _hear(found[place[0]], message, place, last)
                if int(message.offset() or 0) + 1 >= left.get(place, 0):
                    left.pop(place, None)
    finally:
        consumer.close()
    return found


def _left(consumer: Consumer, topics: Iterable[str]) -> dict[tuple[str, int], int]:
    left = {}
    for topic in topics:
        for number in range(PARTITIONS):
            low, high = marks(consumer, topic, number)
            if high > low:
                left[(topic, number)] = high
    return left


def _hear(heard: Heard, message: Message, place: tuple[str, int], last: dict[tuple[str, int], int]) -> None:
    headers = dict(message.headers() or [])
    named = [(name, value) for name, value in headers.items() if isinstance(value, bytes)]
    envelope = to_envelope(message.value() or b"", named)
    heard.partitions[(message.key() or b"").decode()].add(place[1])
    if envelope.position <= last[place]:
        heard.repeats += 1
        return
    last[place] = envelope.position
    heard.events[envelope.position] = envelope
    heard.places[envelope.position].add(place[1])


def _consumer(bootstrap: str) -> Consumer:
    return Consumer({
        "bootstrap.servers": bootstrap, "group.id": "a subscriber", "enable.auto.commit": False,
        "log_level": 0,
    })  # fmt: skip

"""How far each reader of the journal is behind it, told from where the readers stand: no table is counted."""

import time
from collections.abc import Mapping

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient, OffsetSpec
from msgspec import Struct
from sqlalchemy import Engine, text

from events.topics import PARTITIONS, events_topic
from infra.database import unavailable
from infra.feeds import JOURNAL
from infra.quarantine.aside import POLICIES, PROJECTOR
from infra.topics_admin import PROMPT, offsets

ANSWER_SECONDS = 8.0
"""A broker that has just begun is slow."""
ASK_AGAIN_SECONDS = 0.2
RELAY = "relay"
_PASSING = (KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE)

_STAND = text(
    'SELECT h.position AS head, r.reader, r.partition, r.topic_id, r."offset", '
    "(SELECT position FROM relay_checkpoint WHERE topic = :topic) AS relayed "
    "FROM journal_head h LEFT JOIN reader_position r ON r.reader = ANY(:readers) AND r.partition >= 0"
)
"""One statement: the head and whatever follows it are of one moment, so nobody is ever ahead."""

Offsets = Mapping[tuple[str, int], int]
"""(reader, partition) → the offset from which it goes on."""


class Lags(Struct, frozen=True, kw_only=True):
    """The journal's last position, and by reader the events that it has still to read.

    Where Kafka does not answer, the numbers of those who read it are what is surely missing, and `kafka`
    says so; they may have more to read.
    """

    head: int
    behind: dict[str, int]
    kafka: str = ""


def lags(engine: Engine, bootstrap: str, prefix: str) -> Lags:
    """Of the relay, where there is a broker, the projector and the policies. Raises `Unavailable`.

    Whoever reads Kafka has before it what the relay has not sent, and what lies on its partitions; a repeat
    there counts as an event.
    """
    topic = events_topic(prefix)
    with unavailable(), engine.connect() as connection:
        rows = connection.execute(_STAND, {"topic": topic, "readers": [PROJECTOR, POLICIES]}).all()
    head = int(rows[0].head)
    if not bootstrap:
        stand = {row.reader: int(row.offset) for row in rows if row.topic_id == JOURNAL}
        return Lags(head=head, behind={one: head - stand.get(one, 0) for one in (PROJECTOR, POLICIES)})
    unsent = head - int(rows[0].relayed or 0)
    try:
        now, first, end = _topic(bootstrap, topic)
    except (KafkaException, TimeoutError):
        return Lags(
            head=head, behind=dict.fromkeys((RELAY, PROJECTOR, POLICIES), unsent),
            kafka=f"Kafka at {bootstrap} does not answer",
        )  # fmt: skip
    stands = {(row.reader, row.partition): int(row.offset) for row in rows if row.topic_id == now}
    waiting = {one: _waiting(one, stands, first, end) for one in (PROJECTOR, POLICIES)}
    return Lags(head=head, behind={RELAY: unsent} | {one: unsent + count for one, count in waiting.items()})


def _waiting(reader: str, stands: Offsets, first: Mapping[int, int], end: Mapping[int, int]) -> int:
    """What lies on the partitions for a reader; what retention took is nobody's to read any more."""
    return sum(
        max(0, end[number] - max(first[number], stands.get((reader, number), 0)))
        for number in range(PARTITIONS)
    )


def _topic(bootstrap: str, topic: str) -> tuple[str, dict[int, int], dict[int, int]]:
    """The topic's id, and by partition the first offset that it still has and the next to be given.

    A topic that has just been made has no leaders yet: it is asked again, for a while.
    """
    admin = AdminClient({"bootstrap.servers": bootstrap, **PROMPT})
    until = time.monotonic() + ANSWER_SECONDS
    while True:
        try:
            described = admin.describe_topics(TopicCollection([topic]), request_timeout=ANSWER_SECONDS)
            found = str(described[topic].result(ANSWER_SECONDS).topic_id)
            first, end = (
                offsets(admin, topic, range(PARTITIONS), one, ANSWER_SECONDS)
                for one in (OffsetSpec.earliest(), OffsetSpec.latest())
            )
        except KafkaException as error:
            if time.monotonic() > until or error.args[0].code() not in _PASSING:
                raise
            time.sleep(ASK_AGAIN_SECONDS)
        else:
            return found, first, end

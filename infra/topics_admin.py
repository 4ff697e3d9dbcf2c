"""Creating the topics, and telling one topic from another of the same name."""

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from confluent_kafka import (
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec, TopicMetadata

from events import registry
from events.topics import PARTITIONS, events_topic, family_topic, intake_topic, state_topic
from models.errors import Refused, Unavailable

TIMEOUT = 15.0
PROMPT: Mapping[str, str | int] = {"socket.timeout.ms": 10_000, "log_level": 0}
"""For every client of librdkafka: a connection that gives no answer is replaced before anybody has lost patience.

What it would write to stderr is no JSON; what it could not do, we say ourselves.
"""
NO_ANSWER = (KafkaException, TimeoutError)
"""A broker that takes a connection and says nothing shows as either."""
PROBE_SECONDS = 1.5
SEEN_SECONDS = 0.05
"""Between two looks whether a new topic is known."""
INTAKE_HOURS = 24
REPLICAS = 3
"""Where there are as many brokers: one may fail, and another be down for repair, and nothing stops."""
MESSAGE_BYTES = 1024 * 1024
"""With key and headers; an encoded event has at most 900,000 bytes."""


@dataclass(frozen=True, slots=True)
class TopicPlan:
    """A topic as it should be, and why. Settings have the names that Kafka gives them."""

    name: str
    partitions: int
    replication: int
    settings: Mapping[str, str]
    why: str


def planned(prefix: str, replication: int = REPLICAS) -> list[TopicPlan]:
    """Every topic of a workspace, each partition kept by so many brokers."""
    shared = {
        "cleanup.policy": "delete",
        "max.message.bytes": str(MESSAGE_BYTES),
        # With two of three replicas an acknowledged event outlives a broker; with fewer brokers it cannot.
        "min.insync.replicas": "2" if replication >= REPLICAS else "1",
    }
    for_ever = {**shared, "retention.ms": "-1"}
    # An hour to a file: what was deleted, because somebody is to be forgotten, leaves the disk with its file.
    a_day = {**shared, "retention.ms": str(INTAKE_HOURS * 3_600_000), "segment.ms": str(3_600_000)}
    latest = {**for_ever, "cleanup.policy": "compact"}
    families = sorted({entry.family for entry in registry.all_types()})
    return [
        TopicPlan(events_topic(prefix), PARTITIONS, replication, for_ever,
                  "every event, in order within a key: the workers read it, and a subscriber can begin at the first"),
        TopicPlan(intake_topic(prefix), PARTITIONS, replication, a_day,
                  "what other systems hand in; once recorded it is in the journal, so a day of grace is enough"),
        TopicPlan(state_topic(prefix), PARTITIONS, replication, latest,
                  "where each customer stands now, to begin from without replaying all; the last of a key stays"),
        *(
            TopicPlan(family_topic(prefix, family), PARTITIONS, replication, for_ever,
                      f"a copy of the {family.replace('-', '_')} events, for subscribers who want no others")
            for family in families
        ),
    ]  # fmt: skip


def create_topics(bootstrap: str, prefix: str, replication: int | None = None) -> list[str]:
    """Make the topics that are missing; the names that were made. What is there stays as it is.

    Without a replication, as many replicas as there are brokers, three at most. Raises `Unavailable`, or
    `Refused` where Kafka does not make one.
    """
    admin = AdminClient({"bootstrap.servers": bootstrap, **PROMPT})
    try:
        known = admin.list_topics(timeout=TIMEOUT)
    except NO_ANSWER as error:
        raise _no_answer(bootstrap, error) from None
    replication = replication or min(REPLICAS, len(known.brokers))
    new = [
        NewTopic(plan.name, plan.partitions, plan.replication, config=dict(plan.settings))
        for plan in planned(prefix, replication)
        if plan.name not in known.topics
    ]
    made = []
    for name, asked in (admin.create_topics(new) if new else {}).items():
        try:
            asked.result(TIMEOUT)
        except TimeoutError as error:
            raise _no_answer(bootstrap, error) from None
        except KafkaException as error:
            code = error.args[0].code()
            if code == KafkaError.TOPIC_ALREADY_EXISTS:  # another was first, or it is being deleted just now
                continue
            if code in (KafkaError._TIMED_OUT, KafkaError._TRANSPORT, KafkaError.REQUEST_TIMED_OUT):
                raise _no_answer(bootstrap, error) from None
            raise Refused("topic.not_made", f"Kafka does not make {name}: {error.args[0].str()}") from None
        made.append(name)
    _until_seen(admin, bootstrap, made)
    return sorted(made)


def _until_seen(admin: AdminClient, bootstrap: str, names: list[str]) -> None:
    """The controller answers before the brokers have heard of a new topic; who asks them at once finds none."""
    deadline = time.monotonic() + TIMEOUT
    try:
        while not admin.list_topics(timeout=TIMEOUT).topics.keys() >= set(names):
            if time.monotonic() > deadline:
                raise Unavailable(f"Kafka at {bootstrap} does not tell of the topics that it made")
            time.sleep(SEEN_SECONDS)
    except NO_ANSWER as error:
        raise _no_answer(bootstrap, error) from None


def odd_topics(bootstrap: str, prefix: str) -> dict[str, str]:
    """Topics that are there with another number of partitions than they should have, and what is wrong."""
    admin = AdminClient({"bootstrap.servers": bootstrap, **PROMPT})
    try:
        known: Mapping[str, TopicMetadata] = admin.list_topics(timeout=TIMEOUT).topics
    except NO_ANSWER as error:
        raise _no_answer(bootstrap, error) from None
    return {
        plan.name: f"has {len(known[plan.name].partitions)} partitions instead of {plan.partitions}"
        for plan in planned(prefix)
        if plan.name in known and len(known[plan.name].partitions) != plan.partitions
    }


def topic_id(bootstrap: str, topic: str) -> str:
    """The broker's own id of a topic: another one means it was deleted and made anew."""
    return topic_ids(bootstrap, [topic])[topic]


def topic_ids(bootstrap: str, topics: Collection[str]) -> dict[str, str]:
    """The broker's own ids of topics by name. Raises `Unavailable`, also where one of them is missing."""
    admin = AdminClient({"bootstrap.servers": bootstrap, **PROMPT})
    try:
        asked = admin.describe_topics(TopicCollection(list(topics)), request_timeout=TIMEOUT)
        return {name: str(described.result(TIMEOUT).topic_id) for name, described in asked.items()}
    except NO_ANSWER as error:
        raise _no_answer(bootstrap, error) from None


def answers(bootstrap: str) -> Callable[[], None]:
    """A check that Kafka answers; it raises `Unavailable` where it does not, soon."""
    admin = AdminClient({"bootstrap.servers": bootstrap, **PROMPT})

    def check() -> None:
        try:
            admin.list_topics(timeout=PROBE_SECONDS)
        except KafkaException as error:
            raise _no_answer(bootstrap, error) from None

    return check


def offsets(
    admin: AdminClient, topic: str, partitions: Iterable[int], which: OffsetSpec, seconds: float
) -> dict[int, int]:
    """Partition → its first or next offset. Raises KafkaException or TimeoutError where a broker does not say."""
    asked = admin.list_offsets(
        {TopicPartition(topic, number): which for number in partitions}, request_timeout=seconds
    )
    found = {place.partition: int(one.result(seconds).offset) for place, one in asked.items()}
    if any(offset < 0 for offset in found.values()):  # so it tells of a broker that is frozen
        raise TimeoutError
    return found


def forget(bootstrap: str, upto: Mapping[tuple[str, int], int]) -> None:
    """Delete the records of partitions, (topic, number), up to an offset, where there are so many. Or `Unavailable`."""
    admin = AdminClient({"bootstrap.servers": bootstrap, **PROMPT})
    places = [TopicPartition(topic, part, offset + 1) for (topic, part), offset in upto.items()]
    for deleted in (admin.delete_records(places, request_timeout=TIMEOUT) if places else {}).values():
        try:
            deleted.result(TIMEOUT)
        except TimeoutError as error:
            raise _no_answer(bootstrap, error) from None
        except KafkaException as error:
            if error.args[0].code() != KafkaError.OFFSET_OUT_OF_RANGE:
                raise _no_answer(bootstrap, error) from None


def next_offsets(bootstrap: str, topic: str) -> dict[int, int]:
    """Partition → the offset that its next record will have, for those that hold any. Raises `Unavailable`."""
    admin = AdminClient({"bootstrap.servers": bootstrap, **PROMPT})
    try:
        first, after = (
            offsets(admin, topic, range(PARTITIONS), which, TIMEOUT)
            for which in (OffsetSpec.earliest(), OffsetSpec.latest())
        )
    except NO_ANSWER as error:
        raise _no_answer(bootstrap, error) from None
    return {number: end for number, end in after.items() if end > first[number]}


def forget_read(bootstrap: str, topic: str, group: str) -> dict[int, int]:
    """Delete the records of a topic that a consumer group has read and committed.

    Partition → the offset up to which that was. Raises `Unavailable`.
    """
    admin = AdminClient({"bootstrap.servers": bootstrap, **PROMPT})
    try:
        asked = admin.list_consumer_group_offsets(
            [ConsumerGroupTopicPartitions(group)], request_timeout=TIMEOUT
        )
        places = asked[group].result(TIMEOUT).topic_partitions
    except NO_ANSWER as error:
        raise _no_answer(bootstrap, error) from None
    read = {one.partition: one.offset for one in places if one.topic == topic and one.offset > 0}
    forget(bootstrap, {(topic, number): after - 1 for number, after in read.items()})
    return read


def _no_answer(bootstrap: str, error: KafkaException | TimeoutError) -> Unavailable:
    why = error.args[0].str() if isinstance(error, KafkaException) else "not in time"
    return Unavailable(f"Kafka at {bootstrap} does not answer: {why}")

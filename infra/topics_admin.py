"""Creating the topics, and telling one topic from another of the same name."""

from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient, NewTopic

from events.topics import PARTITIONS, events_topic, family_topics, intake_topic
from models.errors import Unavailable

TIMEOUT = 15.0
DAY_MS = 24 * 3_600 * 1_000


def create_topics(bootstrap: str, prefix: str) -> list[str]:
    """Make the topics that are missing; the names that were made. Raises `Unavailable`."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    try:
        there = set(admin.list_topics(timeout=TIMEOUT).topics)
        wanted = dict.fromkeys([events_topic(prefix), *family_topics(prefix)], "-1")
        wanted[intake_topic(prefix)] = str(DAY_MS)
        new = [
            NewTopic(name, PARTITIONS, config={"retention.ms": kept, "cleanup.policy": "delete"})
            for name, kept in wanted.items()
            if name not in there
        ]
        for made in admin.create_topics(new).values() if new else ():
            made.result(TIMEOUT)
    except KafkaException as error:
        raise Unavailable(f"Kafka at {bootstrap} does not answer: {error.args[0].str()}") from None
    return sorted(topic.topic for topic in new)


def topic_id(bootstrap: str, topic: str) -> str:
    """The broker's own id of a topic: another one means it was deleted and made anew."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    try:
        described = admin.describe_topics(TopicCollection([topic]), request_timeout=TIMEOUT)[topic]
        return str(described.result(TIMEOUT).topic_id)
    except KafkaException as error:
        raise Unavailable(f"Kafka at {bootstrap} does not answer: {error.args[0].str()}") from None

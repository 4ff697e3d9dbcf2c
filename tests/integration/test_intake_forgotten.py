"""What came by Kafka and lies on the intake topic in the clear is gone when an erasure is done, and not before."""

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from events.topics import intake_topic
from infra.personal.erasure import Eraser
from infra.topics_admin import create_topics, next_offsets
from infra.workspace import open_workspace
from tests.support.calling import caller, read
from tests.support.folding import fold
from tests.support.reading import ends
from tests.support.sending import account, item, send


@pytest.fixture
def workspace(settings, clock, kafka):
    create_topics(kafka.bootstrap, settings.topic_prefix)
    opened = open_workspace(settings.model_copy(update={"kafka_bootstrap": kafka.bootstrap}), clock)
    yield opened
    opened.close()


def test_an_erasure_waits_until_what_lay_on_the_intake_topic_was_read_and_then_deletes_it(workspace, kafka):
    (who,) = send(workspace, item("1", account("1"), channel="chat", text="hello"))
    fold(workspace)
    topic = intake_topic(workspace.settings.topic_prefix)
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "log_level": 0})
    producer.produce(topic, b'{"her": "letter"}', partition=3)
    producer.flush(30)
    assert sum(ends(kafka.bootstrap, topic).values()) == 1
    api = caller(workspace)
    assert api.post(f"/v1/customers/{who.customer}/erasure", json={"asked_by": "ann"}).status_code == 202
    eraser, path = Eraser(workspace), f"/v1/customers/{who.customer}/erasure"

    assert eraser.turn() == 0
    told = read(api, path)
    assert (told["state"], "intake topic" in told["waiting"]) == ("waiting", True)
    assert next_offsets(kafka.bootstrap, topic) == {3: 1}

    consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": topic, "log_level": 0})
    consumer.commit(offsets=[TopicPartition(topic, 3, 1)], asynchronous=False)
    consumer.close()
    assert eraser.turn() == 1
    assert read(api, path)["state"] == "erased"
    assert next_offsets(kafka.bootstrap, topic) == {}

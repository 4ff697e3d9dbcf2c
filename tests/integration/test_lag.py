"""How far readers are behind: told from where they stand, never less than nothing."""

import pytest
from sqlalchemy import text

from events.topics import events_topic
from infra import lag
from infra.lag import lags
from infra.policy_runner import begin
from infra.relay import Relay
from infra.topics_admin import create_topics, topic_id
from tests.support.sending import account, item, phone, send


def sent(workspace, count: int) -> None:
    send(
        workspace, *(item(f"{workspace.journal.head()}-{n}", phone(), channel="voice") for n in range(count))
    )


def stands(workspace, reader: str, topic: str, offset: int, partition: int = 0) -> None:
    """A reader has read a partition up to here."""
    with workspace.engine.begin() as connection:
        connection.execute(
            text(
                'INSERT INTO reader_position (reader, partition, topic_id, "offset", position, holder) '
                "VALUES (:reader, :partition, :topic, :offset, 0, '') "
                'ON CONFLICT (reader, partition) DO UPDATE SET "offset" = :offset, topic_id = :topic'
            ),
            {"reader": reader, "topic": topic, "offset": offset, "partition": partition},
        )


@pytest.fixture
def found(workspace):
    """The lags of a workspace without a broker."""
    return lambda: lags(workspace.engine, "", workspace.settings.topic_prefix)


def test_without_a_broker_a_reader_s_place_is_a_position(workspace, found):
    sent(workspace, 5)
    head = workspace.journal.head()
    assert found().behind == {"projector": head, "policies": head}
    stands(workspace, "projector", "journal", head)
    stands(workspace, "policies", "journal", head - 2)
    assert (found().head, found().behind) == (head, {"projector": 0, "policies": 2})


def test_an_empty_journal_leaves_nobody_behind(workspace, found):
    begin(workspace.engine)
    assert found() == lag.Lags(head=0, behind={"projector": 0, "policies": 0})


@pytest.fixture
def topic(workspace, kafka):
    create_topics(kafka.bootstrap, workspace.settings.topic_prefix)
    return events_topic(workspace.settings.topic_prefix)


def test_with_a_broker_readers_lack_what_is_not_sent_and_what_they_have_not_read(workspace, kafka, topic):
    prefix = workspace.settings.topic_prefix
    sent(workspace, 5)
    head = workspace.journal.head()
    one = lags(workspace.engine, kafka.bootstrap, prefix)
    assert one.behind == {"relay": head, "projector": head, "policies": head}
    relay = Relay(workspace.engine, kafka.bootstrap, prefix)
    relay.step(relay.topics())
    assert lags(workspace.engine, kafka.bootstrap, prefix).behind == {
        "relay": 0, "projector": head, "policies": head,
    }  # fmt: skip
    now = topic_id(kafka.bootstrap, topic)
    _, first, end = lag._topic(kafka.bootstrap, topic)
    for partition, offset in end.items():
        stands(workspace, "projector", now, offset, partition)
        stands(workspace, "policies", "of a topic that is gone", offset, partition)
    sent(workspace, 2)
    assert lags(workspace.engine, kafka.bootstrap, prefix).behind == {
        "relay": 2, "projector": 2, "policies": head + 2,
    }  # fmt: skip
    assert set(first.values()) == {0}


def test_where_kafka_is_away_what_is_surely_missing_is_told(workspace, monkeypatch):
    monkeypatch.setattr(lag, "ANSWER_SECONDS", 0.5)
    send(workspace, item("1", account(), channel="voice"))
    head = workspace.journal.head()
    found = lags(workspace.engine, "127.0.0.1:1", workspace.settings.topic_prefix)
    assert found.behind == {"relay": head, "projector": head, "policies": head}
    assert found.kafka == "Kafka at 127.0.0.1:1 does not answer"

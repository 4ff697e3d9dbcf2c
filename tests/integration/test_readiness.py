"""A process that can't do its work says so, and figures go on telling the truth meanwhile."""

import socket
import threading
from dataclasses import replace

import pytest
from prometheus_client import REGISTRY

from infra import topics_admin
from infra.process.readiness import ready
from infra.relay import Relay
from infra.topics_admin import create_topics
from models.errors import Unavailable
from tests.support.faults.crew import until
from tests.support.sending import account, item, send


@pytest.fixture
def nowhere():
    """An address where a connection is taken, and nobody ever answers."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        yield f"127.0.0.1:{silent.getsockname()[1]}"


def lag() -> float | None:
    return REGISTRY.get_sample_value("touchstone_lag_events", {"consumer": "relay", "partition": "0"})


def test_kafka_answers_or_it_is_said_at_once_that_it_does_not(kafka, nowhere):
    topics_admin.answers(kafka.bootstrap)()
    with pytest.raises(Unavailable, match="does not answer"):
        topics_admin.answers(nowhere)()


def test_a_worker_is_ready_if_what_it_reads_from_answers(workspace, settings, nowhere):
    ready(workspace)()
    reading = settings.model_copy(update={"kafka_bootstrap": nowhere})
    with pytest.raises(Unavailable, match="Kafka"):
        ready(replace(workspace, settings=reading))()


def test_the_relays_lag_grows_while_kafka_does_not_answer_and_goes_when_it_does(
    workspace, kafka, nowhere, monkeypatch
):
    monkeypatch.setattr(topics_admin, "TIMEOUT", 3.0)  # for the relay's own patience
    prefix = workspace.settings.topic_prefix
    create_topics(kafka.bootstrap, prefix)
    send(workspace, *(item(f"{n}", account(f"{n}")) for n in range(3)))
    for bootstrap, behind in ((nowhere, workspace.journal.head()), (kafka.bootstrap, 0)):
        stop = threading.Event()
        relay = Relay(workspace.engine, bootstrap, prefix)
        running = threading.Thread(target=relay.run, args=(stop,), daemon=True)
        running.start()
        until(lambda behind=behind: lag() == behind, 20, lambda: f"the lag is {lag()}")
        stop.set()
        running.join(30)

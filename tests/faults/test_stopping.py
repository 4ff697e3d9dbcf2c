"""SIGTERM: what is under way is finished, the group is left at once, nothing is lost."""

import signal
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import httpx
import psutil
import pytest
from confluent_kafka.admin import AdminClient
from sqlalchemy import func, select

from infra.clock import SystemClock
from infra.process.supervisor import Supervisor
from infra.topics_admin import create_topics
from infra.workspace import Workspace, open_workspace
from models.tables.journal import journal
from models.tables.readers import ledger
from services.cli.stack import GATEWAY, environment
from tests.support.faults.crew import crew, until
from tests.support.sending import account, item, purchase, send

STOP_SECONDS = 10.0
TAKE_OVER_SECONDS = 7.0
"""Less than the eight seconds after which a group misses a member that did not say good-bye."""


@pytest.fixture
def workspace(settings, kafka) -> Iterator[Workspace]:
    """A workspace with a broker, whose clock is the machine's."""
    opened = open_workspace(settings.model_copy(update={"kafka_bootstrap": kafka.bootstrap}), SystemClock())
    create_topics(kafka.bootstrap, settings.topic_prefix)
    yield opened
    opened.close()


def buy(workspace: Workspace, *names: str) -> None:
    send(workspace, *(purchase(name, account(name), at=datetime.now(UTC)) for name in names))


def free_port() -> int:
    """A port that is free just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def folded(workspace: Workspace) -> bool:
    with workspace.engine.connect() as connection:
        entered = connection.execute(select(func.count()).select_from(ledger)).scalar_one()
    return entered == workspace.journal.head()


def members(workspace: Workspace, group: str) -> int:
    admin = AdminClient({"bootstrap.servers": workspace.settings.kafka_bootstrap, "log_level": 0})
    name = f"{workspace.settings.topic_prefix}.{group}"
    return len(admin.describe_consumer_groups([name])[name].result(15).members)


def test_a_worker_told_to_stop_leaves_its_group_and_the_next_one_goes_on_at_once(
    workspace, tmp_path, figures
):
    with crew(workspace, tmp_path / "logs") as workers:
        workers.add("relay")
        first = workers.add("projector")
        buy(workspace, *map(str, range(50)))
        until(lambda: folded(workspace), 60, lambda: workers.log("projector"))
        process = psutil.Process(workers.pid("projector"))
        figures["stopped after (s)"] = round(until_stopped(first, process), 1)
        assert members(workspace, "projector") == 0
        workers.add("next", role="projector")
        until(lambda: members(workspace, "projector") == 1, 30, lambda: workers.log("next"))
        buy(workspace, *map(str, range(50, 100)))
        took = until(lambda: folded(workspace), TAKE_OVER_SECONDS, lambda: workers.log("next"))
        figures["taken over after (s)"] = round(took, 1)


def until_stopped(parent: Supervisor, process: psutil.Process) -> float:
    """Ask nicely; how long it took to end by itself."""
    stopping = threading.Thread(target=parent.stop)
    stopping.start()
    took = until(lambda: not process.is_running(), STOP_SECONDS, "it did not stop by itself")
    stopping.join()
    return took


def test_a_gateway_told_to_stop_answers_whom_it_has_heard(workspace, tmp_path):
    """Every request is either answered, and then recorded, or never taken: the sender knows which."""
    settings = workspace.settings.model_copy(update={"gateway_port": free_port()})
    env = {**environment(settings), "TOUCHSTONE_API_KEYS": "test-key"}
    parent = Supervisor([GATEWAY], tmp_path / "logs", env)
    parent.start()
    answered: list[str] = []
    gone = threading.Event()

    def sender(number: int) -> None:
        headers = {"Authorization": "Bearer test-key"}
        with httpx.Client(base_url=settings.gateway_url, headers=headers, timeout=30) as client:
            for count in range(100_000):
                name = f"{number}-{count}"
                try:
                    answer = client.post("/v1/touches", json=item(name, account(name), channel="voice"))
                except httpx.TransportError:
                    if answered:
                        return
                    continue
                assert answer.status_code == 200, answer.text
                answered.append(name)
                if gone.is_set() and count > 50:
                    return

    senders = [threading.Thread(target=sender, args=(number,)) for number in range(8)]
    for one in senders:
        one.start()
    until(lambda: len(answered) > 100, 60, lambda: parent.log_of("gateway").read_text())
    process = psutil.Process(parent.pids()["gateway"])
    process.send_signal(signal.SIGTERM)
    until(
        lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE,
        STOP_SECONDS,
        "it runs on",
    )
    parent.stop()
    gone.set()
    for one in senders:
        one.join()
    with workspace.engine.connect() as connection:
        recorded = set(
            connection.execute(select(journal.c.source_id).where(journal.c.source == "test")).scalars()
        )
    assert set(answered) <= recorded
    assert len(answered) == len(set(answered))

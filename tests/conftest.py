"""Real PostgreSQL and real Kafka, started here; a fresh workspace a test."""

import gc
import os
import signal
import subprocess
from collections.abc import Generator, Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import settings as examples
from xdist.remote import Producer

from infra.local.kafka import LocalKafka
from infra.local.postgres import LocalPostgres
from infra.settings import Settings
from infra.workspace import Workspace, open_workspace
from tests.support.clock import SetClock
from tests.support.databases import Databases
from tests.support.sharing import BySystem

pytest_plugins = ["tests.support.faults.running"]
_numbers = count(1)
examples.register_profile("untimed", deadline=None)  # how long an example takes says nothing here
examples.load_profile("untimed")
# A broker lives for minutes here: what its second compiler would gain later is not worth the time it takes.
os.environ.setdefault("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> BySystem:
    """Who runs which tests, where there are several processes."""
    return BySystem(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """All that is loaded here stays: the collector need not look through it, neither now nor ever again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalPostgres]:
    """A PostgreSQL of this test run's own.

    It need not survive the machine, so it does not wait for the disk; tests of crashes start their own.
    """
    quick = {"shared_buffers": "128MB", "fsync": "off", "full_page_writes": "off"}
    server = LocalPostgres(tmp_path_factory.mktemp("postgres"), settings=quick)
    server.start()
    try:
        yield server
    finally:
        # Everything is thrown away: it need not put its files in order first, nor anybody wait for the deleting.
        if running := server._program.find():
            running.send_signal(signal.SIGQUIT)
            running.wait(60)
        server.stop()
        subprocess.Popen(["rm", "-rf", server.home], start_new_session=True)


@pytest.fixture(scope="session")
def databases(postgres: LocalPostgres) -> Databases:
    """Databases to lend to tests."""
    return Databases(postgres)


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalKafka]:
    """An Apache Kafka of this test run's own."""
    broker = LocalKafka(tmp_path_factory.mktemp("kafka"))
    broker.start()
    try:
        yield broker
    finally:
        broker.remove()


@pytest.fixture
def clock() -> SetClock:
    """A clock that stands until a test moves it."""
    return SetClock()


@pytest.fixture
def settings(databases: Databases, tmp_path: Path) -> Iterator[Settings]:
    """Settings of a workspace with databases of its own and no broker."""
    pair = workspace, vault = databases.lend()
    yield Settings(
        DATABASE_URL=databases.url(workspace), VAULT_URL=databases.url(vault),
        KAFKA_BOOTSTRAP="", TOUCHSTONE_VAR=tmp_path, topic_prefix=f"test{next(_numbers)}", api_keys="test-key",
        var=tmp_path,
    )  # fmt: skip
    databases.take_back(pair)


@pytest.fixture
def workspace(settings: Settings, clock: SetClock) -> Iterator[Workspace]:
    """An open workspace with nothing in it."""
    opened = open_workspace(settings, clock)
    yield opened
    opened.close()

"""Real PostgreSQL and real Kafka, started here; a fresh workspace a test."""

import subprocess
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import settings as examples
from sqlalchemy import text
from xdist.remote import Producer

from infra.database import engine_for
from infra.local.kafka import LocalKafka
from infra.local.postgres import LocalPostgres
from infra.migrating import migrate
from infra.settings import Settings
from infra.workspace import Workspace, open_workspace
from tests.support.clock import SetClock
from tests.support.sharing import BySystem

pytest_plugins = ["tests.support.faults.running"]
_numbers = count(1)
examples.register_profile("untimed", deadline=None)  # how long an example takes says nothing here
examples.load_profile("untimed")


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> BySystem:
    """Who runs which tests, where there are several processes."""
    return BySystem(config, log)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalPostgres]:
    """A PostgreSQL of this test run's own, with migrated templates to copy from.

    It need not survive the machine, so it does not wait for the disk; tests of crashes start their own.
    """
    quick = {"shared_buffers": "128MB", "fsync": "off", "full_page_writes": "off"}
    server = LocalPostgres(tmp_path_factory.mktemp("postgres"), settings=quick)
    server.start()
    try:
        for chain in ("workspace", "vault"):
            server.create_database(f"template_{chain}")
            engine = engine_for(server.url(f"template_{chain}"))
            migrate(engine, chain)
            engine.dispose()
        yield server
    finally:
        server.stop()
        # A thousand databases are half a million files: nobody need wait until they are deleted.
        subprocess.Popen(["rm", "-rf", server.home], start_new_session=True)


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
def settings(postgres: LocalPostgres, tmp_path: Path) -> Settings:
    """Settings of a workspace with databases of its own and no broker."""
    number = next(_numbers)
    admin = engine_for(postgres.url("postgres"))
    with admin.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for chain in ("workspace", "vault"):
            connection.execute(text(f"CREATE DATABASE {chain}_{number} TEMPLATE template_{chain}"))
    admin.dispose()
    return Settings(
        DATABASE_URL=postgres.url(f"workspace_{number}"), VAULT_URL=postgres.url(f"vault_{number}"),
        KAFKA_BOOTSTRAP="", TOUCHSTONE_VAR=tmp_path, topic_prefix=f"test{number}", api_keys="test-key",
        var=tmp_path,
    )  # fmt: skip


@pytest.fixture
def workspace(settings: Settings, clock: SetClock) -> Iterator[Workspace]:
    """An open workspace with nothing in it."""
    opened = open_workspace(settings, clock)
    yield opened
    opened.close()

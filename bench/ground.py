"""The servers of one run, in a temporary folder: real PostgreSQL with fsync, real Kafka; gone when it ends."""

import shutil
import tempfile
import time
from contextlib import suppress
from functools import cached_property
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec
from sqlalchemy import Engine, text

from bench import filling
from bench.people import Senders, batches
from bench.sizes import SEED, Sizes
from events.topics import PARTITIONS, events_topic, family_topics, intake_topic
from infra import policy_runner
from infra.database import engine_for
from infra.local.jars import locked
from infra.local.kafka import LocalKafka
from infra.local.postgres import LocalPostgres
from infra.migrating import migrate
from infra.settings import Settings
from infra.topics_admin import create_topics
from infra.workspace import Workspace, open_workspace

KEY = "bench-key"
HISTORY = 20
"""Events of a customer: what they did, and the one or two links that identity derives."""
ACTS = 18
LATE = 0.05
TOPICS_SECONDS = 60.0
BASE_CUSTOMERS = 500
"""Histories that really came through the door; larger journals are copies of them under other ids."""


class Ground:
    """Where everything is measured. What is made here is thrown away."""

    def __init__(self, sizes: Sizes) -> None:
        self.sizes = sizes
        self.folder = Path(tempfile.mkdtemp(prefix="touchstone-bench-"))
        self.folder.chmod(0o755)  # PostgreSQL runs as an account of its own where we are root
        keys = self.folder / "var" / "keys"
        keys.mkdir(parents=True)
        (keys / "api-key").write_text(KEY)
        self.postgres = LocalPostgres(self.folder / "postgres")
        self._kafka: LocalKafka | None = None
        self._numbers = count(1)
        self._grown: dict[int, Settings] = {}

    def __enter__(self) -> Self:
        self.postgres.start()
        self._admin = engine_for(self.postgres.url("postgres")).execution_options(
            isolation_level="AUTOCOMMIT"
        )
        for chain in ("workspace", "vault"):
            self.postgres.create_database(f"empty_{chain}")
            engine = engine_for(self.postgres.url(f"empty_{chain}"))
            migrate(engine, chain)
            if chain == "workspace":
                policy_runner.begin(engine)
            engine.dispose()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._admin.dispose()
        if self._kafka is not None:
            self._kafka.stop()
        self.postgres.stop()
        self.postgres.remove()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def kafka(self) -> LocalKafka:
        """The broker, started when it is first asked for."""
        if self._kafka is None:
            self._kafka = LocalKafka(self.folder / "kafka")
            self._kafka.start()
        return self._kafka

    def versions(self) -> tuple[str, str]:
        """PostgreSQL's and Kafka's."""
        with self._admin.connect() as connection:
            told = str(connection.execute(text("SHOW server_version")).scalar_one())
        kafka = next(jar.version for jar in locked() if jar.artifact == "kafka-clients")
        return told, kafka

    def settings(self, *, like: Settings | None = None, topics: bool = False) -> Settings:
        """A workspace with databases of its own: empty ones, or copies of another's."""
        number = next(self._numbers)
        urls = {}
        for chain, url in (("workspace", like and like.database_url), ("vault", like and like.vault_url)):
            origin = _name(url) if url else f"empty_{chain}"
            with self._admin.connect() as connection:
                connection.execute(text(f'CREATE DATABASE "{chain}_{number}" TEMPLATE "{origin}"'))
            urls[chain] = self.postgres.url(f"{chain}_{number}")
        prefix = f"bench{number}"
        if topics:
            create_topics(self.kafka.bootstrap, prefix)
            _await_partitions(self.kafka.bootstrap, prefix)
        return Settings(
            database_url=urls["workspace"], vault_url=urls["vault"], topic_prefix=prefix,
            kafka_bootstrap=self.kafka.bootstrap if topics else "", var=self.folder / "var",
        )  # fmt: skip

    def open(self, settings: Settings) -> Workspace:
        """The workspace of these settings, in this process."""
        return open_workspace(settings)

    def drop(self, settings: Settings) -> None:
        """Delete its databases and topics."""
        with self._admin.connect() as connection:
            for url in (settings.database_url, settings.vault_url):
                connection.execute(text(f'DROP DATABASE IF EXISTS "{_name(url)}" WITH (FORCE)'))
        if settings.kafka_bootstrap:
            admin = AdminClient({"bootstrap.servers": settings.kafka_bootstrap, "log_level": 0})
            prefix = f"{settings.topic_prefix}."
            made = [name for name in admin.list_topics(timeout=15).topics if name.startswith(prefix)]
            for deleted in admin.delete_topics(made).values() if made else ():
                with suppress(Exception):  # whoever is gone already need not be deleted
                    deleted.result(15)

    @cached_property
    def known(self) -> Settings:
        """A workspace in which `people` customers were seen once: what comes next is recognised."""
        found = self.settings()
        workspace = self.open(found)
        senders = Senders(SEED, "known")
        door = workspace.door("bench")
        for batch in batches((senders.touch(one) for one in range(self.sizes.people)), 1_000):
            door.receive(batch)
        workspace.close()
        return found

    @cached_property
    def base(self) -> Settings:
        """A journal of 500 histories of 20 events, 5 % late, through the real door; nothing folded yet."""
        found = self.settings()
        workspace = self.open(found)
        door = workspace.door("bench")
        for batch in batches(Senders(SEED, "base").histories(BASE_CUSTOMERS, ACTS, LATE), 1_000):
            door.receive(batch)
        workspace.close()
        return found

    @cached_property
    def folded(self) -> Settings:
        """The base with its views."""
        found = self.settings(like=self.base)
        workspace = self.open(found)
        filling.fold_all(workspace)
        workspace.close()
        return found

    def journal_of(self, events: int, *, views: bool = False, topics: bool = False) -> Settings:
        """A journal of about so many events in histories of 20, each a copy of one of the base's."""
        found = self.settings(like=self.folded if views else self.base, topics=topics)
        engine = self.engine(found)
        filling.multiply(engine, self.copies(events))
        engine.dispose()
        return found

    def grown(self, events: int) -> Settings:
        """A folded journal of about so many events, kept for whoever asks again; smaller ones are dropped."""
        if events not in self._grown:
            for smaller in [size for size in self._grown if size < events]:
                self.drop(self._grown.pop(smaller))
            self._grown[events] = self.journal_of(events, views=True)
        return self._grown[events]

    def copies(self, events: int) -> int:
        """How many copies of the base such a journal has."""
        return max(1, events // (BASE_CUSTOMERS * HISTORY))

    def customers_of(self, number: int) -> Settings:
        """About so many customers with their identifiers and views, and no journal beyond the base's."""
        found = self.settings(like=self.folded)
        engine = self.engine(found)
        filling.multiply(engine, max(1, number // BASE_CUSTOMERS), filling.READ)
        engine.dispose()
        return found

    def engine(self, settings: Settings) -> Engine:
        """An engine on its workspace."""
        return engine_for(settings.database_url)


def _await_partitions(bootstrap: str, prefix: str) -> None:
    """The broker makes partitions after it has answered; wait until each of them can be asked for its end."""
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    topics = [*family_topics(prefix), events_topic(prefix), intake_topic(prefix)]
    parts = {
        TopicPartition(topic, number): OffsetSpec.latest() for topic in topics for number in range(PARTITIONS)
    }
    deadline = time.monotonic() + TOPICS_SECONDS
    while parts:
        for part, asked in admin.list_offsets(parts).items():
            if asked.exception(TOPICS_SECONDS) is None:
                del parts[part]
        if time.monotonic() > deadline:
            raise RuntimeError(f"{len(parts)} partitions do not answer")
        time.sleep(0.05)


def _name(url: str) -> str:
    """The database in an address."""
    return url.partition("?")[0].rpartition("/")[2]

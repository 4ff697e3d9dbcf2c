"""A whole system of its own, with a network between its processes and its servers that can be made bad."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from random import Random
from threading import Thread

import httpx
import psutil
from sqlalchemy import Connection, Text, any_, func, literal, select, text
from sqlalchemy.dialects.postgresql import ARRAY

from events.topics import events_topic, intake_topic
from infra.keeper import Keeper
from infra.local.kafka import LocalKafka
from infra.local.postgres import LocalPostgres
from infra.local.processes import Program
from infra.settings import Settings
from infra.supervisor import Spec, Supervisor
from infra.workspace import Workspace, open_workspace
from models.tables.journal import journal, journal_head
from models.tables.readers import ledger, reader_position, relay_checkpoint
from services.cli import stack as launching
from tests.support.faults.book import Book
from tests.support.faults.checking import judge
from tests.support.faults.load import Load
from tests.support.faults.proxy import Network
from tests.support.faults.subscribing import ends

RULES = """\
[opportunity]
follow_up_hours = 0.0006
default_department = "sales"
"""
READERS = ("projector", "policies")
CAUGHT_UP_SECONDS = 120.0
LOOK_SECONDS = 0.1


class Rig:
    """PostgreSQL that waits for the disk, Kafka, and what `touchstone up` runs in front of them.

    Our processes reach the servers through the links `database` and `broker`; whoever judges does not.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.seed = folder, seed
        self.book = Book()
        self._loads = 0
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "rules.toml").write_text(RULES)
        self.network = Network(seed)
        self.postgres = LocalPostgres(folder / "postgres", {"shared_buffers": "128MB"})
        self.database = self.network.link(_socket(self.postgres))
        self.broker = self.network.link(0)
        self.kafka = LocalKafka(folder / "kafka", advertised=self.broker.port)
        self.keeper = self._keeper()
        self._stop: list[Callable[[], None]] = [self.network.close]

    def start(self) -> None:
        """Start everything; returns when it answers."""
        starting = Thread(target=self.kafka.start)
        starting.start()
        self._stop.append(self.postgres.remove)
        self.postgres.start()
        for name in ("touchstone", "touchstone_vault"):
            self.postgres.create_database(name)
        starting.join()
        self._stop.append(self.kafka.remove)
        self.network.aim(self.broker, int(self.kafka.bootstrap.rpartition(":")[2]))
        proxied = f"postgresql+psycopg://postgres@127.0.0.1:{self.database.port}"
        settings = Settings(
            DATABASE_URL=f"{proxied}/touchstone", VAULT_URL=f"{proxied}/touchstone_vault",
            KAFKA_BOOTSTRAP=f"127.0.0.1:{self.broker.port}", var=self.folder, gateway_port=_PORT,
            api_port=_PORT, workspace=self.folder / "rules.toml",
        )  # fmt: skip
        self.stack = launching.start(settings, no_kafka=False, say=lambda _: None)
        self.keeper.start()
        self._stop.append(self._stop_processes)
        self.settings = self.stack.settings
        self.workspace = self._open()
        self._stop.append(self.workspace.close)

    def stop(self) -> None:
        """End and remove all of it, the last started first."""
        while self._stop:
            self._stop.pop()()

    def _stop_processes(self) -> None:
        self.keeper.stop()
        self.stack.stop()

    def _keeper(self) -> Keeper:
        return Keeper({"PostgreSQL": self.postgres, "Apache Kafka": self.kafka})

    def _open(self) -> Workspace:
        """The same workspace, reached past the bad network."""
        beside = {"database_url": self.postgres.url("touchstone"),
                  "vault_url": self.postgres.url("touchstone_vault")}  # fmt: skip
        return open_workspace(self.stack.settings.model_copy(update=beside))

    # what is done to it

    def load(self, pace: float = 1.0) -> Load:
        """Senders, to be entered as a context; a new name each time, the same book."""
        self._loads += 1
        return Load(
            seed=self.seed, book=self.book, gateway=self.settings.gateway_url, api=self.settings.api_url,
            key=self.key, name=f"load{self._loads}", bootstrap=self.kafka.bootstrap,
            intake=intake_topic(self.settings.topic_prefix), pace=pace,
        )  # fmt: skip

    def chance(self, of: str) -> Random:
        """A stream of chance for one purpose; the same seed gives the same again."""
        return Random(f"{self.seed}:{of}")

    def kill(self, name: str) -> int | None:
        """kill -9 one of our processes; its id, or None if it does not run just now."""
        pid = self.stack.supervisor.pids().get(name)
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
        return pid

    def kill_server(self, server: LocalPostgres | LocalKafka) -> None:
        """kill -9 the server's own process; the keeper finds it dead and starts it again."""
        process = server_process(server)
        process.kill()
        psutil.wait_procs([process], timeout=10)

    @contextmanager
    def away(self, server: LocalKafka) -> Iterator[None]:
        """A killed server that stays away until the end of the block."""
        self.keeper.stop()
        try:
            self.kill_server(server)
            yield
        finally:
            self.keeper = self._keeper()
            self.keeper.start()

    @contextmanager
    def frozen(self, pid: int) -> Iterator[None]:
        """A process that stands still until the end of the block."""
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    @contextmanager
    def second(self, name: str) -> Iterator[Supervisor]:
        """Another process of the same kind as one of the stack's, for the length of the block."""
        spec = replace(self.spec(name), name=f"{name}-2")
        other = Supervisor([spec], self.folder / "logs", launching.environment(self.settings))
        other.start()
        try:
            yield other
        finally:
            other.stop()

    def spec(self, name: str) -> Spec:
        """What the stack runs under this name."""
        specs = (launching.GATEWAY, launching.RELAY, launching.INTAKE, *launching.WORKERS)
        return next(one for one in specs if one.name == name)

    # what is seen of it

    @property
    def key(self) -> str:
        """A key that may call."""
        return next(iter(self.settings.keys))

    def client(self) -> httpx.Client:
        """A caller of the API."""
        return httpx.Client(
            base_url=self.settings.api_url, headers={"Authorization": f"Bearer {self.key}"}, timeout=30
        )

    def head(self) -> int:
        """The journal's last position."""
        with self.workspace.engine.connect() as connection:
            return int(connection.execute(select(journal_head.c.position)).scalar_one())

    def folded(self) -> int:
        """The last position that the views have."""
        with self.workspace.engine.connect() as connection:
            return int(connection.execute(select(func.max(ledger.c.position))).scalar() or 0)

    def behind(self) -> dict[str, int]:
        """How many events each reader has yet to see, of those that lag."""
        topic = events_topic(self.settings.topic_prefix)
        with self.workspace.engine.connect() as connection:
            head = int(connection.execute(select(journal_head.c.position)).scalar_one())
            found = {
                "relay": head - int(connection.execute(select(relay_checkpoint.c.position)).scalar() or 0),
                "ledger": head - int(connection.execute(select(func.count()).select_from(ledger)).scalar_one()),
                **_opportunities(connection),
            }
            rows = connection.execute(select(reader_position).where(reader_position.c.partition >= 0)).all()
            found["intake"] = self._not_taken_in(connection)
        high = ends(self.kafka.bootstrap, topic)
        done = {(row.reader, row.partition): int(row.offset) for row in rows}
        for reader in READERS:
            found[reader] = sum(end - done.get((reader, part), 0) for part, end in high.items() if end)
        return {name: count for name, count in found.items() if count}

    def _not_taken_in(self, connection: Connection) -> int:
        """Events that the broker took on the intake topic and the journal does not have."""
        handed = [key for key, event_id in self.book.acknowledged().items() if not event_id]
        sources = sorted({source for source, _ in handed})
        where = (journal.c.source == any_(literal(sources, ARRAY(Text))),)
        ids = connection.execute(select(journal.c.source, journal.c.source_id).where(*where))
        return len(set(handed) - {(row.source, row.source_id) for row in ids})

    def wait_caught_up(self, seconds: float = CAUGHT_UP_SECONDS) -> float:
        """Wait until every reader has seen everything and nothing more follows from it; how long it took."""
        began, behind = time.monotonic(), {"not looked": 1}
        while behind:
            took = time.monotonic() - began
            assert took < seconds, f"{seconds:.0f} s after the fault still behind: {behind}\n{self.tails()}"
            time.sleep(LOOK_SECONDS)
            behind = self.behind()
        return time.monotonic() - began

    def judge(self) -> dict[str, int]:
        """Wait until all is at rest, then compare everything with everything."""
        self.wait_caught_up()
        with self.client() as client:
            return judge(self.workspace, self.book, client, self.kafka.bootstrap)

    def tails(self, lines: int = 12) -> str:
        """The end of every process's log."""
        parts = []
        for path in sorted((self.folder / "logs").glob("*.log")):
            said = path.read_text(errors="replace").splitlines()[-lines:]
            parts.append("\n  ".join([f"{path.name}:", *said]))
        return "\n".join(parts)


_PORT = 0
"""Any that is free."""


def until(look: Callable[[], object], seconds: float, what: str) -> float:
    """Look again until it is true; how long that took. Fails with `what` after so many seconds."""
    began = time.monotonic()
    while not look():
        took = time.monotonic() - began
        assert took < seconds, f"after {seconds:.0f} s: {what}"
        time.sleep(LOOK_SECONDS)
    return time.monotonic() - began


def server_process(server: LocalPostgres | LocalKafka) -> psutil.Process:
    """The running server's process."""
    program: Program = server._program
    process = program.find()
    assert process is not None, f"{program.title} does not run"
    return process


def _socket(server: LocalPostgres) -> Path:
    return server._socket_directory() / ".s.PGSQL.5432"


def _opportunities(connection: Connection) -> dict[str, int]:
    """Captured ones that no policy has routed, or whose missed follow-up no sweep has recorded."""
    rows = connection.execute(
        select(journal.c.type, func.count()).where(text("stream LIKE 'opportunity-%'")).group_by(journal.c.type)
    ).all()
    count = {row[0].removeprefix("opportunity."): int(row[1]) for row in rows}
    captured = count.get("captured", 0)
    return {"routed": captured - count.get("routed", 0), "missed": captured - count.get("follow_up_missed", 0)}

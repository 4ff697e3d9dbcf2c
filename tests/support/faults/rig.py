"""A whole system of its own, with a network between its processes and its servers that can be made bad."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from random import Random
from threading import Thread

import httpx
import psutil

from events.topics import intake_topic
from infra.local.kafka import LocalKafka
from infra.local.postgres import LocalPostgres
from infra.local.processes import Program
from infra.process.keeper import Keeper, Server
from infra.process.supervisor import Spec, Supervisor
from infra.settings import Settings
from infra.workspace import open_workspace
from services.cli import stack as launching
from tests.support.faults import progress
from tests.support.faults.book import Book
from tests.support.faults.checking import judge
from tests.support.faults.crew import until
from tests.support.faults.load import Load
from tests.support.faults.proxy import Network

RULES = """\
[opportunity]
follow_up_hours = 0.0006
default_department = "sales"
"""
SMALL = {"shared_buffers": "128MB"}
CAUGHT_UP_SECONDS = 120.0


class Rig:
    """Servers, and what `touchstone up` runs in front of them; the book of all that is sent to it.

    Our processes reach the servers through the links `database` and `broker`; whoever judges does not.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.seed, self.book = folder, seed, Book()
        self.broken = False
        """A test failed with it; the next one needs another."""
        self._loads = 0
        self._ends: list[Callable[[], None]] = []
        self.network = Network(seed)
        self._ends.append(self.network.close)
        self.postgres = LocalPostgres(folder / "postgres", SMALL)
        self.database = self.network.link(_socket(self.postgres))
        self.broker = self.network.link(0)
        self.kafka = LocalKafka(folder / "kafka", advertised=self.broker.port)

    def start(self, *, no_kafka: bool = False) -> None:
        """Start everything; returns when it answers."""
        try:
            self._start_servers(no_kafka)
            self._start_processes(no_kafka)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End and remove all of it, the last started first."""
        while self._ends:
            self._ends.pop()()

    def _start_servers(self, no_kafka: bool) -> None:
        starting = Thread(target=self.kafka.start)
        if not no_kafka:
            self._ends.append(self.kafka.remove)
            starting.start()
        self._ends.append(self.postgres.remove)
        self.postgres.start()
        for name in ("touchstone", "touchstone_vault"):
            self.postgres.create_database(name)
        if not no_kafka:
            starting.join()
            self.network.aim(self.broker, int(self.kafka.bootstrap.rpartition(":")[2]))
        self.bootstrap = "" if no_kafka else self.kafka.bootstrap
        self.keeper = self._keeper()
        self.keeper.start()
        self._ends.append(lambda: self.keeper.stop())

    def _start_processes(self, no_kafka: bool) -> None:
        rules = self.folder / "rules.toml"
        rules.write_text(RULES)
        proxied = f"postgresql+psycopg://postgres@127.0.0.1:{self.database.port}"
        settings = Settings().model_copy(update={
            "var": self.folder, "workspace": rules, "gateway_port": 0, "api_port": 0,
            "database_url": f"{proxied}/touchstone", "vault_url": f"{proxied}/touchstone_vault",
            "kafka_bootstrap": "" if no_kafka else f"127.0.0.1:{self.broker.port}",
        })  # fmt: skip
        self.stack = launching.start(settings, no_kafka=no_kafka, say=lambda _: None)
        self._ends.append(self.stack.stop)
        self.settings = self.stack.settings
        beside = {"database_url": self.postgres.url("touchstone"),
                  "vault_url": self.postgres.url("touchstone_vault")}  # fmt: skip
        self.workspace = open_workspace(self.settings.model_copy(update=beside))
        self._ends.append(self.workspace.close)

    def _keeper(self) -> Keeper:
        servers: dict[str, Server] = {"PostgreSQL": self.postgres, "Apache Kafka": self.kafka}
        return Keeper(servers if self.bootstrap else {"PostgreSQL": self.postgres})

    def load(self, pace: float = 1.0, crowd: int = 120) -> Load:
        """Senders, to be entered as a context; a new name each time, the same book."""
        self._loads += 1
        return Load(
            seed=self.seed, book=self.book, gateway=self.settings.gateway_url, api=self.settings.api_url,
            key=self.key, name=f"load{self._loads}", bootstrap=self.bootstrap,
            intake=intake_topic(self.settings.topic_prefix), pace=pace, crowd=crowd,
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
    def away(self, server: LocalPostgres | LocalKafka) -> Iterator[None]:
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
        return progress.head(self.workspace)

    def folded(self) -> int:
        """The last position that the views have."""
        return progress.folded(self.workspace)

    def behind(self) -> dict[str, int]:
        """How many events each reader has yet to see, or to cause, of those that have any."""
        return progress.behind(self.workspace, self.book, self.bootstrap)

    def wait_caught_up(self, seconds: float = CAUGHT_UP_SECONDS) -> float:
        """Wait until every reader has seen everything and nothing more follows from it; how long it took."""
        left: dict[str, int] = {}

        def done() -> bool:
            nonlocal left
            left = self.behind()
            return not left

        return until(done, seconds, lambda: f"still behind by {left}")

    def judge(self) -> dict[str, int]:
        """Wait until all is at rest, then compare everything with everything."""
        self.wait_caught_up()
        with self.client() as client:
            return judge(self.workspace, self.book, client, self.bootstrap)

    def tails(self, lines: int = 12) -> str:
        """The end of every process's log."""
        parts = []
        for path in sorted((self.folder / "logs").glob("*.log")):
            said = path.read_text(errors="replace").splitlines()[-lines:]
            parts.append("\n  ".join([f"{path.name}:", *said]))
        return "\n".join(parts)


def server_process(server: LocalPostgres | LocalKafka) -> psutil.Process:
    """The running server's process."""
    program: Program = server._program
    process = program.find()
    assert process is not None, f"{program.title} does not run"
    return process


def _socket(server: LocalPostgres) -> Path:
    return server._socket_directory() / ".s.PGSQL.5432"

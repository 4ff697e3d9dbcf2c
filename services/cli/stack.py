"""The whole system on one machine: PostgreSQL, Kafka, and our processes in front of them."""

import os
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
from sqlalchemy import text

from infra import policy_runner
from infra.database import engine_for
from infra.local.kafka import JarsMissing, LocalKafka
from infra.local.postgres import LocalPostgres
from infra.migrating import migrate
from infra.process.keeper import Keeper
from infra.process.supervisor import Spec, Supervisor
from infra.settings import Settings
from infra.telemetry import serve_metrics
from infra.topics_admin import create_topics
from models.domain.rules import load_rules
from models.errors import Unavailable

GATEWAY = Spec("gateway", "services.gateway")
API = Spec("api", "services.api")
WORKERS = [
    Spec(role, "services.workers", (role,))
    for role in ("projector", "policies", "sweep", "erasure", "search")
]
RELAY = Spec("relay", "services.workers.relay")
INTAKE = Spec("intake", "services.workers", ("intake",))
STATE = Spec("state", "services.workers.customer_state")
WEBHOOKS = Spec("webhooks", "services.workers.webhooks")
SCHEDULER = Spec("scheduler", "services.workers.scheduler")
EVERY = (GATEWAY, API, RELAY, *WORKERS, INTAKE, STATE, WEBHOOKS, SCHEDULER)
"""All that `touchstone worker` runs, and `touchstone up` but for those that need Kafka where there is none."""
READY_SECONDS = 60.0
FIGURES_PORT = 8472
_ON_KAFKA = (RELAY, INTAKE, STATE)
_HTTP = (GATEWAY, API)

Say = Callable[[str], None]


@dataclass
class Stack:
    """What runs, and how to stop it. What others own (DATABASE_URL, KAFKA_BOOTSTRAP) is used, never stopped."""

    settings: Settings
    supervisor: Supervisor
    postgres: LocalPostgres | None
    kafka: LocalKafka | None
    keeper: Keeper
    metrics: dict[str, int]
    """Name → the port where a process serves its figures at /metrics."""

    def stop(self) -> None:
        """End our processes first, then the servers that we started."""
        self.keeper.stop()
        self.supervisor.stop()
        if self.kafka is not None:
            self.kafka.stop()
        if self.postgres is not None:
            self.postgres.stop()


def start(settings: Settings, *, no_kafka: bool, say: Say) -> Stack:
    """Start what is not given, migrate, create the topics, run the processes, wait until they answer."""
    load_rules(settings.workspace)  # a mistake in them is told now, not by a process that ends
    var = settings.var.resolve()
    var.mkdir(parents=True, exist_ok=True)
    postgres = kafka = None
    database_url, vault_url, bootstrap = settings.database_url, settings.vault_url, settings.kafka_bootstrap
    try:
        if not database_url:
            postgres = LocalPostgres(var / "postgres")
            postgres.start()
            for name in ("touchstone", "touchstone_vault"):
                postgres.create_database(name)
            database_url, vault_url = postgres.url("touchstone"), postgres.url("touchstone_vault")
            say("PostgreSQL runs")
        vault_url = vault_url or vault_beside(database_url)
        if not bootstrap and not no_kafka:
            kafka = _kafka(var, say)
            bootstrap = kafka.bootstrap if kafka else ""
        settings = settings.model_copy(update={
            "var": var, "database_url": database_url, "vault_url": vault_url, "kafka_bootstrap": bootstrap,
            "gateway_port": _free(settings.gateway_port), "api_port": _free(settings.api_port),
        })  # fmt: skip
        _prepare(settings)
        silent = _with_figures([one for one in EVERY if bootstrap or one not in _ON_KAFKA], settings)
        supervisor = Supervisor([GATEWAY, API, *silent], var / "logs", environment(settings))
        servers = {"PostgreSQL": postgres, "Apache Kafka": kafka}
        keeper = Keeper({name: server for name, server in servers.items() if server is not None})
        metrics = _figures(settings, silent)
        stack = Stack(settings, supervisor, postgres, kafka, keeper, metrics)
        serve_metrics(metrics["supervisor"])
        supervisor.start()
        keeper.start()
    except BaseException:
        for server in (kafka, postgres):
            if server is not None:
                server.stop()
        raise
    try:
        _wait(stack)
    except BaseException:
        stack.stop()
        raise
    say(f"gateway, {'relay, ' if bootstrap else ''}workers and API run")
    return stack


def _with_figures(specs: Sequence[Spec], settings: Settings) -> list[Spec]:
    """Processes that speak no HTTP, with ports of their own for their figures."""
    first = settings.metrics_port or FIGURES_PORT
    silent = [spec for spec in specs if spec not in _HTTP]
    return [replace(spec, metrics_port=_free(first + number)) for number, spec in enumerate(silent, 1)]


def _figures(settings: Settings, silent: Sequence[Spec]) -> dict[str, int]:
    own = {"gateway": settings.gateway_port, "api": settings.api_port}
    own["supervisor"] = _free(settings.metrics_port or FIGURES_PORT)
    return own | {spec.name: spec.metrics_port for spec in silent}


def environment(settings: Settings) -> dict[str, str]:
    """The settings as a child process reads them."""
    found = {
        **os.environ, "DATABASE_URL": settings.database_url, "VAULT_URL": settings.vault_url,
        "KAFKA_BOOTSTRAP": settings.kafka_bootstrap, "TOUCHSTONE_VAR": str(settings.var),
        "TOUCHSTONE_TOPIC_PREFIX": settings.topic_prefix, "TOUCHSTONE_GATEWAY_PORT": str(settings.gateway_port),
        "TOUCHSTONE_API_PORT": str(settings.api_port), "TOUCHSTONE_REGION": settings.region,
        "TOUCHSTONE_ZONE": settings.zone, "TOUCHSTONE_WEBHOOK_HOSTS": settings.webhook_hosts,
        "TOUCHSTONE_PUBLIC_URL": settings.public_url,
    }  # fmt: skip
    if settings.workspace is not None:
        found["TOUCHSTONE_WORKSPACE"] = str(settings.workspace.resolve())
    return found


def vault_beside(database_url: str) -> str:
    """The vault's database on the same server, made if missing: `<database>_vault`."""
    base, _, query = database_url.partition("?")
    name = base.rpartition("/")[2] + "_vault"
    admin = engine_for(database_url)
    with admin.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        found = connection.execute(text("SELECT 1 FROM pg_database WHERE datname = :name"), {"name": name})
        if found.first() is None:
            connection.execute(text(f'CREATE DATABASE "{name}"'))
    admin.dispose()
    return f"{base}_vault" + (f"?{query}" if query else "")


def _kafka(var: Path, say: Say) -> LocalKafka | None:
    broker = LocalKafka(var / "kafka")
    try:
        broker.start()
    except JarsMissing as error:
        say(f"Kafka's jars can't be had ({error}), so this goes on without Kafka (as with --no-kafka).")
        return None
    say("Apache Kafka runs")
    return broker


def _prepare(settings: Settings) -> None:
    _ = settings.keys, settings.master, settings.matching  # made once, before two processes both would
    for chain, url in (("workspace", settings.database_url), ("vault", settings.vault_url)):
        engine = engine_for(url)
        migrate(engine, chain)
        if chain == "workspace":
            policy_runner.begin(engine)
        engine.dispose()
    if settings.kafka_bootstrap:
        create_topics(settings.kafka_bootstrap, settings.topic_prefix)


def _wait(stack: Stack) -> None:
    deadline = time.monotonic() + READY_SECONDS
    for name, url in (("gateway", stack.settings.gateway_url), ("api", stack.settings.api_url)):
        while True:
            try:
                if httpx.get(f"{url}/health", timeout=5).status_code == 200:
                    break
            except httpx.TransportError:
                pass
            if time.monotonic() > deadline:
                raise Unavailable(f"the {name} did not start; see {stack.supervisor.log_of(name)}")
            time.sleep(0.1)


def _free(port: int) -> int:
    """This port, or where it is taken one that is free."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

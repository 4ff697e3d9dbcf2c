"""migrate, topics, worker, state: what an operator runs with servers of his own."""

import signal
import threading
from collections.abc import Mapping
from typing import Annotated

import typer
from rich.table import Table

from events.topics import PARTITIONS, state_topic
from infra import policy_runner
from infra.customer_state import topic as state_topic_writer
from infra.database import engine_for
from infra.migrating import migrate as migrate_chain
from infra.process.supervisor import Supervisor
from infra.settings import Settings
from infra.telemetry import serve_metrics
from infra.topics_admin import REPLICAS, create_topics, odd_topics, planned
from models.domain.rules import load_rules
from services.cli import running
from services.cli.running import console, fail
from services.cli.scheduled import check_all
from services.cli.stack import EVERY, SCHEDULER, environment

ROLES = {one.name: one for one in EVERY}

Replication = Annotated[
    int | None,
    typer.Option(
        min=1, max=9, help=f"Copies of each partition. Without it: one on each broker, {REPLICAS} at most."
    ),
]


def migrate() -> None:
    """Bring the databases of the workspace and of its vault to the tables of this release.

    Doing it twice changes nothing. Do it before the processes of a new release start: the old ones go on
    working with what it adds.
    """
    settings = running.settings()
    if not settings.vault_url:
        fail("VAULT_URL is not set: the vault is a database of its own, kept on other backups")
    for chain, url in (("workspace", settings.database_url), ("vault", settings.vault_url)):
        engine = engine_for(url)
        migrate_chain(engine, chain)
        if chain == "workspace":
            policy_runner.begin(engine)
        engine.dispose()
        console.print(f"{chain}: up to date")


def worker(
    context: typer.Context,
    role: Annotated[str, typer.Argument(help=f"{', '.join(ROLES)}.")],
) -> None:
    """Run one process here, and watch it: what makes no progress is killed and started again.

    What it says goes to this command's own output. Without this parent an event on which a worker hangs would
    hold it up for ever, and nobody would replace a gateway that is frozen. It serves its own figures one port
    above TOUCHSTONE_METRICS_PORT, where relay and workers serve theirs.
    """
    if role not in ROLES:
        fail(f"there is no process {role!r}: it is one of {', '.join(ROLES)}")
    settings = running.settings()
    if role == SCHEDULER.name:
        try:
            check_all(settings, load_rules(settings.workspace), context)
        except ValueError as error:
            fail(str(error))
    port = settings.metrics_port
    supervisor = Supervisor([ROLES[role]], settings.var / "run", environment(settings), logs=False)
    serve_metrics(port + 1 if port else 0, host=settings.host)
    supervisor.start()
    told = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: told.set())
    told.wait()
    supervisor.stop()


def topics(
    replication: Replication = None,
    partitions: Annotated[
        int, typer.Option(help=f"Always {PARTITIONS}: a key must stay on its partition for ever.")
    ] = PARTITIONS,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what each topic is for.")] = False,
) -> None:
    """Create the topics that are missing; what is there is left as it is."""
    settings = running.found() or Settings()
    if partitions != PARTITIONS:
        fail(
            f"every topic has {PARTITIONS} partitions: with another number the same customer's events would lie "
            "on other partitions than before, and lose their order. A partition is work for one worker at a "
            "time; it is not a limit on customers."
        )
    if dry_run:
        _show(settings.topic_prefix, replication or REPLICAS)
        return
    if not settings.kafka_bootstrap:
        fail("KAFKA_BOOTSTRAP is not set: without a broker there are no topics, and none are needed")
    made = create_topics(settings.kafka_bootstrap, settings.topic_prefix, replication)
    for name in made:
        console.print(f"made {name}")
    if not made:
        console.print("every topic is there")
    odd = odd_topics(settings.kafka_bootstrap, settings.topic_prefix)
    if odd:
        fail("\n".join(f"{name} {what}" for name, what in odd.items()))


def _show(prefix: str, replication: int) -> None:
    table = Table("topic", "partitions", "replicas", "in sync", "kept", "why", box=None)
    for plan in planned(prefix, replication):
        table.add_row(
            plan.name, str(plan.partitions), str(plan.replication), plan.settings["min.insync.replicas"],
            _kept(plan.settings), plan.why,
        )  # fmt: skip
    console.print(table)


def _kept(settings: Mapping[str, str]) -> str:
    hours = int(settings["retention.ms"]) // 3_600_000
    if settings["cleanup.policy"] == "compact":
        return "the last of a key"
    return "for ever" if hours < 0 else f"{hours} hours"


def state(
    refill: Annotated[
        bool, typer.Option("--refill", help="Have every customer written again, the erased as gone.")
    ] = False,
) -> None:
    """How far the topic with each customer's state has come, and, with --refill, write everybody anew."""
    known = running.settings()
    if not known.kafka_bootstrap:
        fail("KAFKA_BOOTSTRAP is not set: without a broker there is no such topic")
    engine = engine_for(known.database_url)
    topic = state_topic(known.topic_prefix)
    begun = state_topic_writer.refill(engine, known.topic_prefix) if refill else True
    found = state_topic_writer.place_of(engine, known.topic_prefix)
    engine.dispose()
    if found is None or not begun:
        console.print(f"{topic}: nothing is written yet; `touchstone worker state` fills it by itself")
        return
    position, filling, head = found
    behind = f"{max(0, head - position):,} events behind the journal"
    console.print(f"{topic}: {'is being filled' if filling else behind}")

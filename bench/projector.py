"""Kafka to all read models: our worker, the bare parts of it, and what a user would pick instead."""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path as File

import msgspec
from sqlalchemy import Engine, text

from bench import apart, folding
from bench.figures import Aim, Figure, Line, Path
from bench.ground import BASE_CUSTOMERS, HISTORY, LATE, Ground
from bench.processes import ROOT, Child, Meter, kafka, postgres
from bench.timing import interleaved
from events.topics import events_topic
from infra.relay import Relay
from infra.settings import Settings
from services.cli.stack import environment

RIVALS = ROOT / ".venv-bench" / "bin" / "python"
"""The environment of what can't be installed beside us; `make bench` makes it."""
LOOK_SECONDS = 0.02
PATIENCE = 180.0


def measure(ground: Ground, say: Callable[[str], None]) -> Path:
    """Events a second from the first batch to the last, by the position the worker keeps in its transaction."""
    sizes = ground.sizes
    source = ground.journal_of(sizes.fold_customers * HISTORY, topics=True)
    total = _relay_all(ground, source)
    topic = events_topic(source.topic_prefix)
    kept: list[Settings] = []
    cpu: dict[str, float] = {}
    peak: list[float] = []

    def own(workers: int = 1) -> float:
        settings = _beside(ground, source)
        rate, spent, most = _follow(ground, settings, total, workers)
        cpu.update({f"{name}, {workers} worker{'s' * (workers > 1)}": used for name, used in spent.items()})
        peak.append(most)
        for older in kept:
            ground.drop(older)
        kept[:] = [settings.model_copy(update={"kafka_bootstrap": ""})]  # its topics are the source's
        return rate

    def bare() -> float:
        return apart.call(ground, folding.fetch_and_decode, source.kafka_bootstrap, topic, total).answer

    def unfolded() -> float:
        target = ground.settings(like=source)
        called = apart.call(
            ground, folding.write_unfolded, source.kafka_bootstrap, topic, total, kept[0].database_url,
            target.database_url,
        )  # fmt: skip
        ground.drop(target)
        return called.answer

    def rival(program: str, python: File, events: int) -> Callable[[], float]:
        return lambda: _rival(ground, source, topic, program, python, events)

    contestants: dict[str, Callable[[], float]] = {
        "worker": own, "fetch and decode": bare, "COPY and upsert, unfolded": unfolded,
        "faust agent, an upsert an event": rival("faust_agent", File(sys.executable), sizes.rival_events),
    }  # fmt: skip
    if RIVALS.exists():
        contestants |= {
            "Quix Streams, an upsert an event": rival("quix", RIVALS, sizes.rival_events),
            "Quix Streams, its state and its PostgreSQL sink": rival("quix_sink", RIVALS, total // 4),
            "eventsourcing's projection": rival("eventsourced", RIVALS, sizes.rival_events),
        }
    found = interleaved(sizes.runs, contestants, "events/s", say)
    two = Figure(
        "two workers", "events/s", (own(2),)
    )  # once: it is the CPU seconds that scaling is judged by
    for settings in (*kept, source):
        ground.drop(settings)
    mine, others = found["worker"], list(found.values())[1:]
    aims = [
        None, Aim("ratio", "at least", 0.5), Aim("ratio", "at least", 8.0), Aim("ratio", "more than", 1.0),
        Aim("ratio", "more than", 1.0), Aim("ratio", "more than", 1.0),
    ]  # fmt: skip
    return Path(
        name="projector", title="Kafka → all read models, 5 % late, histories of 20",
        lines=[
            *(Line(mine, other, aim) for other, aim in zip(others, aims, strict=False)),
            Line(mine, aim=Aim("figure", "at least", 10_000.0)),
            Line(Figure("most memory of a worker", "MB", (round(max(peak)),)), aim=Aim("figure", "at most", 400.0)),
            *([Line(two, mine)] if two.median else []),
        ],
        cpu=cpu, cpu_unit="CPU seconds per million events", peak_mb={"worker": max(peak)},
        notes=_notes(total, sizes.rival_events),
    )  # fmt: skip


def _beside(ground: Ground, source: Settings) -> Settings:
    """A copy of the source's databases, nothing folded yet, that reads the source's topics."""
    copied = ground.settings(like=source)
    return copied.model_copy(
        update={"kafka_bootstrap": source.kafka_bootstrap, "topic_prefix": source.topic_prefix}
    )


def _relay_all(ground: Ground, source: Settings) -> int:
    """Fill the topics; how many messages the events topic has."""
    workspace = ground.open(source)
    relay = Relay(workspace.engine, source.kafka_bootstrap, source.topic_prefix)
    topics = relay.topics()
    while relay.step(topics):
        pass
    total = workspace.journal.head()
    workspace.close()
    return total


def _follow(
    ground: Ground, settings: Settings, total: int, workers: int
) -> tuple[float, dict[str, float], float]:
    """Rate, CPU seconds per million events by process, and the peak of a worker's memory.

    It begins when all workers are at work. Where everything was folded by then, there is no rate (0).
    """
    engine = ground.engine(settings)
    log = ground.folder / "worker.log"
    children = [
        Child(f"worker {n}", ["-m", "services.workers", "projector"], environment(settings), log)
        for n in range(workers)
    ]
    watched = {child.name: child.told for child in children}
    try:
        first = _until(engine, lambda done, holders: done == total or (done > 0 and holders == workers))
        if first == total:
            return 0.0, {}, 0.0
        meter = Meter(**watched, PostgreSQL=postgres(ground), Kafka=kafka(ground))
        began = time.perf_counter()
        _until(engine, lambda done, _: done >= total)
        took = time.perf_counter() - began
        spent = {name: round(used / (total - first) * 1e6, 1) for name, used in meter.spent().items()}
        return (total - first) / took, spent, max(child.peak_mb() for child in children)
    finally:
        for child in children:
            child.stop()
        engine.dispose()


def _until(engine: Engine, enough: Callable[[int, int], bool]) -> int:
    """Look how far the workers are, and how many they are, until it is enough."""
    deadline = time.monotonic() + PATIENCE
    query = text(
        'SELECT coalesce(sum("offset"), 0), count(DISTINCT holder) FROM reader_position '
        "WHERE reader = 'projector'"
    )
    done = 0
    while time.monotonic() < deadline:
        with engine.connect() as connection:
            done, holders = connection.execute(query).one()
        if enough(int(done), int(holders)):
            return int(done)
        time.sleep(LOOK_SECONDS)
    raise RuntimeError(f"the workers stopped at {done:,} messages")


def _rival(ground: Ground, source: Settings, topic: str, program: str, python: File, events: int) -> float:
    target = ground.settings(like=source)
    task = {
        "bootstrap": source.kafka_bootstrap, "topic": topic, "events": events, "folder": str(ground.folder),
        "database": target.database_url.replace("+psycopg", ""), "name": f"{program}-{target.topic_prefix}",
    }  # fmt: skip
    env = {"BENCH_TASK": json.dumps(task), "PYTHONPATH": str(ROOT)}
    log = ground.folder / f"{program}.log"
    with Child(program, ["-m", f"bench.rivals.{program}"], env, log, python=str(python), talks=True) as child:
        while not (line := child.read()).startswith("{"):
            pass  # faust greets
        told = msgspec.json.decode(line, type=dict[str, float])
    ground.drop(target)
    return told["rate"]


def _notes(total: int, few: int) -> list[str]:
    notes = [
        f"{total:,} events of {total // HISTORY:,} customers (copies of {BASE_CUSTOMERS} histories that came through "
        f"the door), {LATE:.0%} of them late, read from Kafka by the worker's own loop, folded into timeline, "
        "360-view, life cycle and pipeline in one transaction a batch, with ledger and position. The rate is "
        "taken from the first committed batch to the last, so joining the group is not in it.",
        "Unfolded: for the same batches the rows as they stand at the end, by COPY to a temporary table and an "
        "upsert, with ledger; nothing is decoded, looked up, ordered or folded.",
        f"The alternatives keep one row a customer with four columns, no timeline, no life cycle, no care for late or "
        f"repeated events. Those with an upsert an event run over {few:,} events, a commit an event as their "
        "documentation has it.",
    ]
    if not RIVALS.exists():
        notes.append("Quix Streams and eventsourcing were not measured: .venv-bench was not there.")
    return notes

"""From a sender to the 360-view: the whole system, real processes, with and without Kafka."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import psutil

from bench.figures import Aim, Figure, Line, Path, latencies, percentile
from bench.ground import Ground
from bench.loading import Load, post
from bench.people import Senders, batches
from bench.processes import Meter, kafka, peak_mb, postgres
from bench.sizes import SEED
from infra.view_store import ViewStore
from infra.workspace import Workspace
from models.projections.customer_360 import Customer360
from services.cli import stack

RATE = 200.0
LOOK_SECONDS = 0.01
AT_ONCE = 40
"""Customers looked at in one go, the longest awaited."""
PATIENCE = 60.0


def measure(ground: Ground, say: Callable[[str], None]) -> Path:
    """p95 from the intended send time until the stored row of the 360-view tells of the touch."""
    lines: list[Line] = []
    shares: dict[str, float] = {}
    peaks: dict[str, float] = {}
    for told, limit in (("with Kafka", 1.0), ("without Kafka", 0.5)):
        values, cpu, most = _system(ground, told, say)
        lines.append(Line(Figure(f"p95 {told}", "s", tuple(values)), aim=Aim("figure", "at most", limit)))
        shares |= {f"{name}, {told}": share for name, share in cpu.items()}
        peaks |= {f"{name}, {told}": peak for name, peak in most.items()}
    return Path(
        name="visible", title=f"Sender → visible in the 360-view, at {RATE:.0f} events/s", lines=lines, cpu=shares,
        peak_mb=peaks,
        notes=[
            "Gateway, relay, worker and API as `touchstone up` runs them; PostgreSQL, Kafka, load generator and the "
            "onlooker share their cores. Single touches over HTTP, constant arrival, each of another customer, known "
            f"before. The onlooker reads the rows of those awaited every {LOOK_SECONDS * 1_000:.0f} ms, so a figure "
            "may be as much too high.",
        ],
    )  # fmt: skip


def _system(
    ground: Ground, told: str, say: Callable[[str], None]
) -> tuple[list[float], dict[str, float], dict[str, float]]:
    """Run the whole system; the p95 of each run, the shares of a core, the peaks of memory."""
    sizes, broker = ground.sizes, told == "with Kafka"
    each = int(RATE * sizes.visible_seconds)
    settings = ground.settings(topics=broker)
    running = stack.start(settings, no_kafka=not broker, say=lambda _: None)
    workspace = ground.open(settings)
    try:
        begin = datetime.now(UTC)
        customers = _meet(workspace, sizes.runs * each, begin - timedelta(days=1))
        _await(workspace, customers, begin - timedelta(days=2))
        senders = Senders(SEED, "visible")
        requests = [post("/v1/touches", senders.touch(person, begin)) for person in range(len(customers))]
        pids = running.supervisor.pids()
        watched = {name: psutil.Process(pid) for name, pid in pids.items()} | {"PostgreSQL": postgres(ground)}
        watched |= {"Kafka": kafka(ground)} if broker else {}
        values = []
        with Load(ground, running.settings.gateway_port, requests, connections=16) as load:
            meter = Meter(**watched, **{"load generator": load.process})
            for number in range(sizes.runs):
                part = customers[number * each : (number + 1) * each]
                values.append(_one_run(workspace, load, part, begin, sizes.visible_seconds))
                say(f"{told}, run {number + 1} of {sizes.runs}: p95 {values[-1] * 1_000:.0f} ms")
            return values, meter.shares(), {name: peak_mb(pid) for name, pid in pids.items()}
    finally:
        workspace.close()
        running.stop()
        ground.drop(settings)


def _meet(workspace: Workspace, people: int, at: datetime) -> list[str]:
    """Have everybody seen once; their customer ids."""
    senders, door = Senders(SEED, "meeting"), workspace.door("bench")
    touches = batches((senders.touch(person, at) for person in range(people)), 1_000)
    return [answer.customer for batch in touches for answer in door.receive(batch)]


def _one_run(
    workspace: Workspace, load: Load, customers: Sequence[str], since: datetime, seconds: float
) -> float:
    """Send a touch of each and watch them come; the p95 in seconds."""
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(load.at, RATE, seconds)
        seen = _await(workspace, customers, since)
        told = sending.result()
    if told.good != len(customers):
        raise RuntimeError(f"the gateway took {told.good} of {len(customers)} touches: {told.refusal}")
    return percentile(latencies(RATE, told.started, seen), 0.95)


def _await(workspace: Workspace, customers: Sequence[str], since: datetime) -> list[float]:
    """When each customer's row first told of something since then, by the monotonic clock."""
    store = ViewStore(Customer360())
    seen: dict[str, float] = {}
    waiting = list(customers)
    deadline = time.monotonic() + PATIENCE
    while waiting:
        with workspace.engine.connect() as connection:
            rows = store.load(connection, waiting[:AT_ONCE])
        now = time.monotonic()
        new = {one for one, row in rows.items() if row.last_at is not None and row.last_at >= since}
        seen |= dict.fromkeys(new, now)
        waiting = [one for one in waiting[:AT_ONCE] if one not in new] + waiting[AT_ONCE:]
        if now > deadline:
            raise RuntimeError(f"{len(waiting)} of {len(customers)} touches never showed in the 360-view")
        if len(new) < AT_ONCE:
            time.sleep(LOOK_SECONDS)
    return [seen[one] for one in customers]

"""From a contact's start at the gateway to the prompt on the desktop: the whole system, a thousand desks listening."""

import asyncio
import re
import resource
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import msgspec
import psutil
import uvloop

from bench.figures import Aim, Figure, Line, Path, percentile
from bench.ground import BASE_CUSTOMERS, KEY, Ground
from bench.loading import post
from bench.people import identifiers
from bench.processes import Meter, kafka, peak_mb, postgres
from infra.settings import Settings
from services.cli import stack

RATE = 50.0
DESKS = 1_000
SECONDS, SMOKE_SECONDS = 60.0, 3.0
WARM_SECONDS = 5.0
CONNECTIONS = 8
PATIENCE = 20.0
FILES = 8_192
_CONTACT = re.compile(rb'"contact_id":"(bench-\d+)"')
_STATUS = re.compile(rb"HTTP/1\.1 (\d+)")
_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


def measure(ground: Ground, say: Callable[[str], None]) -> Path:
    """p50 and p95 from the gateway's answer until the desk's stream has the prompt."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(FILES, most), most))
    seconds = SECONDS if ground.sizes.runs > 2 else SMOKE_SECONDS
    lines: list[Line] = []
    shares: dict[str, float] = {}
    peaks: dict[str, float] = {}
    for told in ("with Kafka", "without Kafka"):
        delays, cpu, most_mb = _system(ground, told, seconds)
        for share, aim in ((0.5, None), (0.95, Aim("figure", "at most", 1.0)), (1.0, None)):
            what = "longest" if share == 1.0 else f"p{share * 100:.0f}"
            value = percentile(delays, share)
            lines.append(Line(Figure(f"{what} {told}", "s", (value,)), aim=aim))
            say(f"{told}: {what} {value * 1_000:.0f} ms of {len(delays)}")
        shares |= {f"{name}, {told}": one for name, one in cpu.items()}
        peaks |= {f"{name}, {told}": peak for name, peak in most_mb.items()}
    return Path(
        name="prompts", title=f"Contact starts → prompt, {RATE:.0f} a second, {DESKS:,} desks", lines=lines, cpu=shares,
        peak_mb=peaks,
        notes=[
            f"Gateway, relay, worker and API as `touchstone up` runs them, {seconds:.0f} s, one run. {DESKS:,} streams "
            f"on one API process, each of a queue of its own. Contacts of {BASE_CUSTOMERS} customers with histories of "
            "20 events and more, each at another queue than the last. A delay begins with the gateway's answer and "
            "ends when the stream's bytes are read; each prompt carries the customer's texts, opened. Every start was "
            "told once, none was missed.",
        ],
    )  # fmt: skip


def _system(
    ground: Ground, told: str, seconds: float
) -> tuple[list[float], dict[str, float], dict[str, float]]:
    """Run the whole system; the delay of each prompt, the shares of a core, the peaks of memory."""
    broker = told == "with Kafka"
    settings = ground.settings(like=ground.folded, topics=broker)
    running = stack.start(settings, no_kafka=not broker, say=lambda _: None)
    try:
        pids = running.supervisor.pids()
        watched = {name: psutil.Process(pid) for name, pid in pids.items()} | {"PostgreSQL": postgres(ground)}
        watched |= {"Kafka": kafka(ground)} if broker else {}
        with ThreadPoolExecutor(1) as pool:  # this thread's own event loop may be anybody's
            meter, delays = pool.submit(uvloop.run, _watch(running.settings, seconds, watched)).result()
        return delays, meter, {name: peak_mb(pid) for name, pid in pids.items()}
    finally:
        running.stop()
        ground.drop(settings)


async def _watch(
    settings: Settings, seconds: float, watched: dict[str, psutil.Process]
) -> tuple[dict[str, float], list[float]]:
    """Have the desks listen, start contacts at a constant rate, and see when each is told."""
    seen: dict[bytes, list[float]] = {}
    ready = [asyncio.Event() for _ in range(DESKS)]
    listening = [asyncio.create_task(_listen(settings, desk, seen, ready[desk])) for desk in range(DESKS)]
    async with asyncio.timeout(120):
        for one in ready:
            await one.wait()
    warm, count = int(RATE * WARM_SECONDS), int(RATE * (WARM_SECONDS + seconds))
    answered: dict[bytes, float] = {}
    meter = Meter(**watched)
    await _send(settings, count, answered)
    shares = meter.shares()
    until = time.monotonic() + PATIENCE
    while len(seen) < count and time.monotonic() < until:
        await asyncio.sleep(0.05)
    for task in listening:
        task.cancel()
    await asyncio.gather(*listening, return_exceptions=True)
    repeated = sum(len(times) > 1 for times in seen.values())
    if len(seen) < count or repeated:
        raise RuntimeError(f"{len(seen)} of {count} contacts were told, {repeated} of them more than once")
    order = sorted(answered, key=lambda name: int(name.removeprefix(b"bench-")))
    return shares, [max(0.0, seen[name][0] - answered[name]) for name in order[warm:]]


async def _listen(
    settings: Settings, desk: int, seen: dict[bytes, list[float]], ready: asyncio.Event
) -> None:
    """One desktop: notes when it read the prompt of a contact."""
    reader, writer = await asyncio.open_connection("127.0.0.1", settings.api_port, limit=2**20)
    writer.write(
        f"GET /v1/desk/q-{desk}/prompts HTTP/1.1\r\nHost: bench\r\nX-API-Key: {KEY}\r\n\r\n".encode()
    )
    while line := await reader.readline():
        now = time.monotonic()
        if line.startswith(b"id: "):
            ready.set()
        elif line.startswith(b"data: ") and (found := _CONTACT.search(line)):
            seen.setdefault(found[1], []).append(now)


async def _send(settings: Settings, count: int, answered: dict[bytes, float]) -> None:
    """Contacts at a constant rate, over a few connections that are kept alive; when each was answered."""
    idle: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    for _ in range(CONNECTIONS):
        idle.put_nowait(await asyncio.open_connection("127.0.0.1", settings.gateway_port))

    async def one(number: int) -> None:
        reader, writer = connection = await idle.get()
        writer.write(post("/v1/touches", _contact(number)))
        head = await reader.readuntil(b"\r\n\r\n")
        status, length = _STATUS.search(head), _LENGTH.search(head)
        if status is None or int(status[1]) != 200 or length is None:
            raise RuntimeError(f"the gateway refused: {head[:40]!r}")
        await reader.readexactly(int(length[1]))
        answered[b"bench-%d" % number] = time.monotonic()
        idle.put_nowait(connection)

    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for number in range(count):
            await asyncio.sleep(max(0.0, began + number / RATE - time.monotonic()))
            group.create_task(one(number))


def _contact(number: int) -> bytes:
    """Somebody's call enters a queue."""
    return msgspec.json.encode(
        {
            "type": "contact.queued", "source": "bench", "source_id": f"queued-{number}",
            "identifiers": identifiers(number % BASE_CUSTOMERS),
            "data": {"contact_id": f"bench-{number}", "queue": f"q-{number * 7 % DESKS}"},
        }
    )  # fmt: skip

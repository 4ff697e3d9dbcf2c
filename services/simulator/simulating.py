"""A world on its way: to a running gateway in batches, to a file of lines, or live, item by item as it happens."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from infra.clock import Clock, SystemClock
from services.importer.sending import MOST_BYTES, MOST_ITEMS, Answer, Notice, Opener, Sender, open_client
from services.simulator.report import Progress, SimulationReport, silent
from services.simulator.secret import Secret, encode, open_lines
from services.simulator.spec import BadSpec, Spec
from services.simulator.telling import Told
from services.simulator.world import world

IN_FLIGHT = 2
TELL_EVERY = 10_000
"""Items of a file between two words of progress."""
LIVE_BATCH = 500


@dataclass(frozen=True, slots=True)
class GatewayAddress:
    """A running gateway and a key of its workspace."""

    url: str
    key: str

    def __repr__(self) -> str:
        return f"GatewayAddress({self.url!r}, ***)"


Take = Callable[[Told], None]


def simulate(
    spec: Spec,
    to: Path | GatewayAddress,
    *,
    truth: Path | None = None,
    progress: Progress = silent,
    notice: Notice | None = None,
    stop: threading.Event | None = None,
    clock: Clock | None = None,
    opener: Opener = open_client,
) -> SimulationReport:
    """Let a world happen and send what is heard of it to a gateway, or write it to a file of inbound items.

    `truth` is the side file with what only the simulator knows; both files are packed where their name ends with
    .gz. `notice` gets a sentence whenever the gateway is waited for; `stop` ends it after what is on its way. A
    world with origin `live` is sent as its moments come. Sent again, the same world is duplicates all through.

    Raises `BadSpec`, `GatewayProblem` and `OSError`; what was acknowledged or written before is kept.
    """
    if isinstance(to, Path):
        if spec.origin == "live":
            raise BadSpec("to", "a live world goes to a gateway: in a file its moments would lie ahead")
        if truth is not None and truth.resolve() == to.resolve():
            raise BadSpec("truth", "the side file needs a name of its own")
    began, report = time.monotonic(), SimulationReport()
    stop = stop or threading.Event()
    with ExitStack() as stack:
        secrets = stack.enter_context(open_lines(truth)) if truth else None
        if isinstance(to, Path):
            take: Take = _Lines(stack.enter_context(open_lines(to)), spec, report, progress)
        else:
            client = stack.enter_context(opener(to.url))
            sender = Sender(to.url, to.key, client, notice)
            if spec.origin == "live":
                take = stack.enter_context(
                    _live(sender, clock or SystemClock(), stop, spec, report, progress)
                )
            else:
                take = stack.enter_context(_batches(sender, spec, report, progress))
        for one in world(spec):
            if stop.is_set():
                report.stopped = True
                break
            if isinstance(one, Told):
                report.items += 1
                take(one)
            else:
                _keep(one, secrets, report)
    report.seconds = time.monotonic() - began
    if not report.stopped:
        progress(report, 1.0)
    return report


def _keep(one: Secret, secrets: IO[bytes] | None, report: SimulationReport) -> None:
    report.secrets += 1
    if secrets is not None:
        secrets.write(encode(one) + b"\n")


def _share(spec: Spec, at: int) -> float:
    begin, end = spec.month(0), spec.month(spec.months)
    return min(max((at - begin) * spec.speed / (end - begin), 0.0), 1.0)


class _Lines:
    """Items to a file, one a line."""

    def __init__(self, file: IO[bytes], spec: Spec, report: SimulationReport, progress: Progress) -> None:
        self._file, self._spec, self._report, self._progress = file, spec, report, progress

    def __call__(self, told: Told) -> None:
        self._file.write(told.body + b"\n")
        if self._report.items % TELL_EVERY == 0:
            self._report.world_at = datetime.fromtimestamp(told.at, UTC)
            self._progress(self._report, _share(self._spec, told.at))


@contextmanager
def _batches(sender: Sender, spec: Spec, report: SimulationReport, progress: Progress) -> Iterator[Take]:
    """Full batches, a few on their way at once; their answers are counted in order."""
    pool = ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="simulator")
    waiting: deque[tuple[int, Future[Answer]]] = deque()
    bodies: list[bytes] = []
    size = last = 0

    def acknowledge() -> None:
        at, answer = waiting.popleft()
        report.add(answer.result())
        report.world_at = datetime.fromtimestamp(at, UTC)
        progress(report, _share(spec, at))

    def send() -> None:
        nonlocal size
        if bodies:
            waiting.append((last, pool.submit(sender.send, tuple(bodies))))
        bodies.clear()
        size = 0
        while len(waiting) > IN_FLIGHT:
            acknowledge()

    def take(told: Told) -> None:
        nonlocal size, last
        if len(bodies) >= MOST_ITEMS or size + len(told.body) + 1 > MOST_BYTES:
            send()
        bodies.append(told.body)
        size, last = size + len(told.body) + 1, told.at

    try:
        yield take
        send()
        while waiting:
            acknowledge()
    except BaseException:
        sender.stop()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _live(
    sender: Sender, clock: Clock, stop: threading.Event, spec: Spec, report: SimulationReport, progress: Progress
) -> Iterator[Take]:  # fmt: skip
    """Items as their moments come: whatever is due by now goes together."""
    due: list[Told] = []

    def send() -> None:
        if not due:
            return
        report.add(sender.send(_bodies(due)))
        report.world_at = datetime.fromtimestamp(due[-1].at, UTC)
        progress(report, _share(spec, due[-1].at))
        due.clear()

    def take(told: Told) -> None:
        ahead = told.at - clock.now().timestamp()
        if ahead > 0 or len(due) >= LIVE_BATCH:
            send()
        while ahead > 0 and not stop.wait(min(ahead, 1.0)):
            ahead = told.at - clock.now().timestamp()
        due.append(told)

    yield take
    # Stopped while it waited for the last one: that has not happened yet.
    now = clock.now().timestamp()
    late = [one for one in due if one.at > now]
    report.items -= len(late)
    del due[len(due) - len(late) :]
    send()


def _bodies(items: Sequence[Told]) -> list[bytes]:
    return [one.body for one in items]

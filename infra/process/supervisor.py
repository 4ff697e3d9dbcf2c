"""A parent that starts our processes, starts again what ends, and stops all of them."""

import ctypes
import mmap
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import structlog
from prometheus_client import Counter

from infra.attempts import Attempts
from infra.process import heart
from infra.process.watchdog import SILENT_SECONDS, STUCK, judge

log = structlog.get_logger()
ENDED = Counter(
    "touchstone_process_ended_total", "Processes that ended and were started again", ["process", "why"]
)
LOOK_SECONDS = 0.2
PAUSE_SECONDS = 5.0
"""Looks this far apart mean that the whole machine stood still: nobody is to blame for that."""
GRACE_SECONDS = 10.0
SHORT_LIFE_SECONDS = 5.0
BACK_OFF_SECONDS = 5.0
PR_SET_PDEATHSIG = 1
SUPERVISED = "TOUCHSTONE_SUPERVISED_BY"
METRICS = "TOUCHSTONE_METRICS_PORT"


@dataclass(frozen=True, slots=True)
class Spec:
    """One process: its name, the module it runs with which arguments, and where it serves its metrics."""

    name: str
    module: str
    arguments: tuple[str, ...] = ()
    metrics_port: int = 0


class _Child:
    def __init__(self, spec: Spec, folder: Path, env: Mapping[str, str], *, says_itself: bool) -> None:
        self.spec, self.path, self._says_itself = spec, folder / f"{spec.name}.log", says_itself
        self.place = folder / f"{spec.name}.heart"
        self.heart: mmap.mmap | None = None
        self._env = {**env, SUPERVISED: str(os.getpid()), heart.PLACE: str(self.place.resolve())}
        if spec.metrics_port:
            self._env[METRICS] = str(spec.metrics_port)
        self.process: subprocess.Popen[bytes] | None = None
        self.started, self.not_before, self.killed = 0.0, 0.0, ""

    def start(self) -> None:
        self.heart = heart.prepare(self.place)
        command = [sys.executable, "-m", self.spec.module, *self.spec.arguments]
        with nullcontext() if self._says_itself else self.path.open("ab") as output:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=self._env,
                start_new_session=True,
            )  # fmt: skip
        self.started, self.killed = time.monotonic(), ""


ENDINGS = {STUCK: "stuck"}
"""What a process says by the status it ends with."""
WHY = ("ended", *ENDINGS.values(), "hung", "silent", "starting", "waiting")
"""Why a process is started again: it ended by itself, or its parent judged it so."""


class Supervisor:
    """Keeps processes running. What ends is started again; one that ends at once, after a pause.

    What makes no progress is killed: its own watchdog could be as stuck as itself. Hearts, and unless the
    children are to speak for themselves their logs, are kept in `folder`.
    """

    def __init__(
        self, specs: Sequence[Spec], folder: Path, env: Mapping[str, str], *, logs: bool = True
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._children = [_Child(spec, folder, env, says_itself=not logs) for spec in specs]
        self._stop, self._thread = threading.Event(), threading.Thread(target=self._watch, name="supervisor")
        self.restarts = 0
        for spec in specs:
            for why in WHY:
                ENDED.labels(spec.name, why)

    def start(self) -> None:
        """Start every process and watch them."""
        self._thread.start()

    def pids(self) -> dict[str, int]:
        """Name → process id of those that run."""
        return {
            child.spec.name: child.process.pid
            for child in self._children
            if child.process is not None and child.process.poll() is None
        }

    def log_of(self, name: str) -> Path:
        """Where a process writes what it says."""
        return next(child.path for child in self._children if child.spec.name == name)

    def stop(self) -> None:
        """Ask every process to end, insist after a while, and return when all are gone."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        self._end_all()  # a thread that died may have left some

    def _watch(self) -> None:
        # Only this thread starts children: their parent's death is told by the thread that made them.
        try:
            self._keep_running()
        finally:
            self._end_all()

    def _keep_running(self) -> None:
        looked = judged_from = time.monotonic()
        while not self._stop.wait(LOOK_SECONDS):
            now = time.monotonic()
            if now - looked > PAUSE_SECONDS:
                judged_from = now + SILENT_SECONDS
            looked = now
            for child in self._children:
                if child.process is not None and child.process.poll() is None:
                    if child.heart is not None and now >= judged_from:
                        self._look_at(child, child.process, child.heart, now)
                    continue
                if child.process is not None and child.not_before <= child.started:
                    self.restarts += 1
                    why = child.killed or ENDINGS.get(child.process.returncode, "ended")
                    ENDED.labels(child.spec.name, why).inc()
                    log.warning("ended", process=child.spec.name, status=child.process.returncode, why=why)
                    short = now - child.started < SHORT_LIFE_SECONDS
                    child.not_before = now + (BACK_OFF_SECONDS if short else 0)
                if now >= child.not_before:
                    self._start(child, now)

    def _look_at(
        self, child: _Child, process: "subprocess.Popen[bytes]", beats: mmap.mmap, now: float
    ) -> None:
        attempts = Attempts.beside(child.place)
        age, stopped = now - child.started, _stopped(process.pid)
        verdict = judge(heart.read(beats), age, now, attempts.counts, stopped)
        if verdict is None:
            return
        process.kill()
        child.killed = verdict.why
        log.error("killed", process=child.spec.name, why=verdict.why, event_id=verdict.blame)
        if verdict.blame:
            try:
                attempts.failed(verdict.blame)
            except OSError as error:  # a full disk: the next time it hangs counts
                log.error("attempt not counted", process=child.spec.name, why=type(error).__name__)

    def _start(self, child: _Child, now: float) -> None:
        try:
            child.start()
        except OSError as error:  # a full disk, no memory, a log folder that is none: it may pass
            log.warning("cannot start", process=child.spec.name, why=type(error).__name__)
            child.not_before = now + BACK_OFF_SECONDS

    def _end_all(self) -> None:
        running = [child.process for child in self._children if child.process is not None]
        for process in running:
            if process.poll() is None:
                process.terminate()
        deadline = time.monotonic() + GRACE_SECONDS
        for process in running:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def end_with_parent() -> None:
    """Called by our processes as they start: if a supervisor started it and is killed, it is killed too (Linux).

    A gentler signal would wait for an interpreter that is held, and nobody would be left to end that.
    """
    if sys.platform == "linux" and SUPERVISED in os.environ:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != int(os.environ[SUPERVISED]):
            raise SystemExit("the supervisor is gone already")


def end_in_time() -> None:
    """Called by our processes when they are told to stop: whatever they wait for, they end before they are killed.

    What they had in hand was not acknowledged, so it comes again.
    """
    late = threading.Timer(GRACE_SECONDS - 1, os._exit, [0])
    late.daemon = True
    late.start()


def _stopped(pid: int) -> bool:
    """Has somebody stopped it (SIGSTOP, a debugger)? Then what it has in hand is not to blame (Linux)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] in ("T", "t")

"""A parent that starts our processes, starts again what ends, and stops all of them."""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import structlog

log = structlog.get_logger()
LOOK_SECONDS = 0.2
KEEP_SECONDS = 1.0
GRACE_SECONDS = 10.0
SHORT_LIFE_SECONDS = 5.0
BACK_OFF_SECONDS = 5.0
PR_SET_PDEATHSIG = 1
SUPERVISED = "TOUCHSTONE_SUPERVISED_BY"


@dataclass(frozen=True, slots=True)
class Spec:
    """One process: its name, and the module it runs."""

    name: str
    module: str


class _Child:
    def __init__(self, spec: Spec, folder: Path, env: Mapping[str, str]) -> None:
        self.spec, self._env, self.path = (
            spec,
            {**env, SUPERVISED: str(os.getpid())},
            folder / f"{spec.name}.log",
        )
        self.process: subprocess.Popen[bytes] | None = None
        self.started, self.not_before = 0.0, 0.0

    def start(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", self.spec.module], stdin=subprocess.DEVNULL, stdout=output,
                stderr=output, env=self._env, start_new_session=True,
            )  # fmt: skip
        self.started = time.monotonic()


class Supervisor:
    """Keeps processes running. What ends is started again; one that ends at once, after a pause."""

    def __init__(self, specs: Sequence[Spec], folder: Path, env: Mapping[str, str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._children = [_Child(spec, folder, env) for spec in specs]
        self._stop, self._thread = threading.Event(), threading.Thread(target=self._watch, name="supervisor")
        self.restarts = 0

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
        while not self._stop.wait(LOOK_SECONDS):
            now = time.monotonic()
            for child in self._children:
                if child.process is not None and child.process.poll() is None:
                    continue
                if child.process is not None and child.not_before <= child.started:
                    self.restarts += 1
                    log.warning("ended", process=child.spec.name, status=child.process.returncode)
                    short = now - child.started < SHORT_LIFE_SECONDS
                    child.not_before = now + (BACK_OFF_SECONDS if short else 0)
                if now >= child.not_before:
                    self._start(child, now)

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


class Server(Protocol):
    """A database or a broker that we started."""

    def alive(self) -> bool:
        """Does it run?"""
        ...

    def start(self) -> None:
        """Start it; what it had committed is there again."""
        ...


class Keeper:
    """Starts a local server again that ended by accident, for as long as it is told to."""

    def __init__(self, servers: Mapping[str, Server]) -> None:
        self._servers, self._stop = dict(servers), threading.Event()
        self._thread = threading.Thread(target=self._watch, name="keeper", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Watch no longer; the servers are left as they are."""
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(KEEP_SECONDS):
            for name, server in self._servers.items():
                try:
                    if not server.alive():
                        log.warning("ended", server=name)
                        server.start()
                except (OSError, RuntimeError) as error:  # a start that failed is tried again
                    log.error("not started", server=name, why=str(error).splitlines()[0])


def end_with_parent() -> None:
    """Called by our processes as they start: if a supervisor started it and is killed, it ends too (Linux)."""
    if sys.platform == "linux" and SUPERVISED in os.environ:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != int(os.environ[SUPERVISED]):
            raise SystemExit("the supervisor is gone already")

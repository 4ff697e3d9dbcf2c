"""Processes of a measurement: where they run, what they cost, how much memory they held."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
import psutil

from bench.ground import Ground
from bench.machine import cores

ROOT = Path(__file__).parents[1]
READY_SECONDS = 60.0
STOP_SECONDS = 15.0
SILENT_SECONDS = 180.0


class Child:
    """A Python module that runs as a process of its own, on the cores it was given."""

    def __init__(
        self, name: str, arguments: Sequence[str], env: Mapping[str, str], log: Path,
        on: Sequence[int] | None = None, python: str = sys.executable, talks: bool = False,
    ) -> None:  # fmt: skip
        self.name, self.log = name, log
        pipe = subprocess.PIPE if talks else None
        with log.open("ab") as errors, only(on):
            self.process = subprocess.Popen(
                [python, *arguments], cwd=ROOT, env={**os.environ, **env}, stderr=errors,
                stdin=pipe or subprocess.DEVNULL, stdout=pipe or errors, text=talks, start_new_session=True,
            )  # fmt: skip
        self.told = psutil.Process(self.process.pid)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def answers(self, url: str) -> Self:
        """Wait until it answers 200 there. RuntimeError, with the end of its log, if it does not."""
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                if httpx.get(url, timeout=5).status_code == 200:
                    return self
            except httpx.TransportError:
                time.sleep(0.05)
        raise RuntimeError(f"{self.name} did not start:\n{self.log.read_text()[-2000:]}")

    def cpu(self) -> float:
        """CPU seconds so far, those of its own children included."""
        return cpu(self.told)

    def peak_mb(self) -> float:
        """The most memory it ever held."""
        return peak_mb(self.process.pid)

    def ask(self, line: str) -> str:
        """Write it a line and read its answer. RuntimeError if it ended instead."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.read()

    def read(self) -> str:
        """The next line it says. RuntimeError if it ended instead, or is silent for long."""
        assert self.process.stdout is not None
        watch = threading.Timer(SILENT_SECONDS, self.process.kill)
        watch.start()
        answer = str(self.process.stdout.readline())
        watch.cancel()
        if not answer:
            raise RuntimeError(f"{self.name} ended:\n{self.log.read_text()[-2000:]}")
        return answer

    def stop(self) -> None:
        """End it, at last by force."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def cpu(process: psutil.Process) -> float:
    """CPU seconds of a process and its children, the dead ones included."""
    times = process.cpu_times()
    total = times.user + times.system + times.children_user + times.children_system
    for child in process.children(recursive=True):
        try:
            spent = child.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += spent.user + spent.system
    return float(total)


def peak_mb(pid: int) -> float:
    """The most resident memory of a process; where the system does not keep it, what it has now."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        kilobytes = next(line.split()[1] for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        return float(psutil.Process(pid).memory_info().rss) / 2**20
    return int(kilobytes) / 1024


def postgres(ground: Ground) -> psutil.Process:
    """PostgreSQL's parent process; its sessions are its children."""
    lines = (ground.postgres.home / "data" / "postmaster.pid").read_text().splitlines()
    return psutil.Process(int(lines[0]))


def kafka(ground: Ground) -> psutil.Process:
    """The broker's process."""
    return psutil.Process(int((ground.kafka.directory / "kafka.pid").read_text()))


class Meter:
    """CPU of named processes between two moments."""

    def __init__(self, **watched: psutil.Process) -> None:
        self._watched = watched
        self.reset()

    def reset(self) -> None:
        """Begin again."""
        self._before = {name: cpu(process) for name, process in self._watched.items()}
        self._began = time.monotonic()

    def spent(self) -> dict[str, float]:
        """CPU seconds since then."""
        return {name: cpu(process) - self._before[name] for name, process in self._watched.items()}

    def shares(self) -> dict[str, float]:
        """The share of one core that each had since then; more than 1 is more than one core."""
        elapsed = time.monotonic() - self._began
        return {name: round(spent / elapsed, 2) for name, spent in self.spent().items()}


def halves() -> tuple[list[int] | None, list[int] | None]:
    """One core for the service, the others for whatever else there is; nothing is pinned on a single core."""
    there = cores()
    if len(there) < 2 or not hasattr(os, "sched_setaffinity"):
        return None, None
    return there[:1], there[1:]


@contextmanager
def postgres_on(ground: Ground, on: Sequence[int] | None) -> Iterator[None]:
    """Keep PostgreSQL, and every session that it opens, on these cores meanwhile."""
    if on is None:
        yield
        return
    _pin(postgres(ground), on)
    try:
        yield
    finally:
        _pin(postgres(ground), cores())


def _pin(process: psutil.Process, on: Sequence[int]) -> None:
    for one in (process, *process.children(recursive=True)):
        try:
            one.cpu_affinity(list(on))
        except psutil.NoSuchProcess:
            continue


@contextmanager
def only(on: Sequence[int] | None) -> Iterator[None]:
    """A process started meanwhile inherits these cores."""
    if on is None:
        yield
        return
    usual = os.sched_getaffinity(0)
    os.sched_setaffinity(0, on)
    try:
        yield
    finally:
        os.sched_setaffinity(0, usual)

"""Programs of ours that outlive the caller: start them, find them again, stop them, and no others."""

import fcntl
import logging
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from pwd import struct_passwd

import psutil

log = logging.getLogger(__name__)

POLL_SECONDS = 0.05

_children: dict[int, "subprocess.Popen[bytes]"] = {}
"""What this very process started: only its parent can clear away a child that has died."""


class StartFailed(RuntimeError):
    """A local server did not come up; the message says why, with the end of its log."""


@dataclass(frozen=True)
class Program:
    """A server with one home: recognised by its name and the directory it works in, not by its pid alone."""

    title: str
    name: str
    home: Path
    pid_file: Path
    log: Path
    stop_with: Sequence[tuple[signal.Signals, float]]
    """Signals from polite to last, each with the seconds it is given."""

    def find(self) -> psutil.Process | None:
        """The running server; None if it is dead, or if its pid now belongs to another program."""
        try:
            pid = int(self.pid_file.read_text().split()[0])
        except (OSError, ValueError, IndexError):
            return None
        return self.recognise(pid)

    def recognise(self, pid: int) -> psutil.Process | None:
        """The process of that pid, if it is this server."""
        if child := _children.get(pid):
            child.poll()
        try:
            process = psutil.Process(pid)
            ours = (
                process.status() != psutil.STATUS_ZOMBIE
                and process.name() == self.name
                and process.cwd() == str(self.home)
            )
        except psutil.Error:
            return None
        return process if ours else None

    def spawn(
        self, argv: Sequence[str], env: Mapping[str, str], cwd: Path, who: struct_passwd | None = None
    ) -> psutil.Process:
        """Start it, as `who` if named, in a session of its own: neither our end nor a Ctrl-C reaches it."""
        if self.log.exists():
            self.log.replace(self.log.with_suffix(".previous"))
        with self.log.open("ab") as output:
            child = subprocess.Popen(
                list(argv),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(env),
                cwd=cwd,
                start_new_session=True,
                user=who.pw_uid if who else None,
                group=who.pw_gid if who else None,
                extra_groups=[] if who else None,
            )
        _children[child.pid] = child
        return psutil.Process(child.pid)

    def await_ready(self, process: psutil.Process, ready: Callable[[], bool], seconds: float) -> None:
        """Return as soon as it answers; StartFailed if it dies first or the time is up."""
        deadline = time.monotonic() + seconds
        while not ready():
            if not running(process):
                raise StartFailed(f"{self.title} stopped while starting; {self.last_words()}")
            if time.monotonic() > deadline:
                raise StartFailed(f"{self.title} gave no answer within {seconds:.0f} s; {self.last_words()}")
            time.sleep(POLL_SECONDS)

    def stop(self, *, politely: bool = True) -> None:
        """Stop it, politely first unless all that it holds is to go; does nothing if it does not run."""
        process = self.find()
        if process is None:
            return
        for number, seconds in self.stop_with if politely else self.stop_with[-1:]:
            try:
                process.send_signal(number)
                process.wait(seconds)
            except psutil.NoSuchProcess:
                break
            except psutil.TimeoutExpired:
                log.warning("%s did not stop on %s within %.0f s", self.title, number.name, seconds)
            else:
                break
        self.recognise(process.pid)

    def last_words(self, lines: int = 15) -> str:
        """The end of its log, for an error message."""
        try:
            tail = self.log.read_text(errors="replace").splitlines()[-lines:]
        except OSError:
            tail = []
        return "\n  ".join([f"its log {self.log} ends:", *tail]) if tail else f"its log {self.log} is empty"


def running(process: psutil.Process) -> bool:
    """Whether it is alive; one that died and only waits to be cleared away is not."""
    if child := _children.get(process.pid):
        child.poll()
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold a lock file, so that two callers never start or stop the same server at once."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)

"""A disk that fills up and is freed again, without harm to anybody else's.

Who may mount gets a small file system in memory below PostgreSQL, whose end comes with ENOSPC. Others get
a limit on the size of the files that PostgreSQL's processes may write, whose end comes with EFBIG.
"""

import os
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil

ROOMY, SPARE_KB = "1g", 64
LIMIT_BYTES = 64 * 1024
LOOK_SECONDS = 0.02


class SmallDisk:
    """A file system of its own at a directory. Its size is changed while it is used."""

    name = "tmpfs"

    def __init__(self, place: Path) -> None:
        self._place = place

    def __enter__(self) -> "SmallDisk":
        self._place.mkdir(parents=True)
        self._place.chmod(0o755)
        _run("mount", "-t", "tmpfs", "-o", f"size={ROOMY},mode=755", "none", str(self._place))
        return self

    def __exit__(self, *_: object) -> None:
        _run("umount", "--lazy", str(self._place))

    def fill(self) -> None:
        """From now on there is next to nothing left."""
        used = os.statvfs(self._place)
        kilobytes = (used.f_blocks - used.f_bfree) * used.f_frsize // 1024
        _run("mount", "-o", f"remount,size={kilobytes + SPARE_KB}k", str(self._place))

    def free(self) -> None:
        """There is room again."""
        _run("mount", "-o", f"remount,size={ROOMY}", str(self._place))


class FileSizeLimit:
    """No process of a server may write beyond the first kilobytes of any file."""

    name = "file-size limit"

    def __init__(self, server: Callable[[], psutil.Process]) -> None:
        self._server, self._full = server, threading.Event()
        self._limited: set[int] = set()
        self._thread = threading.Thread(target=self._watch, name="file-size limit", daemon=True)

    def __enter__(self) -> "FileSizeLimit":
        return self

    def __exit__(self, *_: object) -> None:
        self.free()

    def fill(self) -> None:
        """From now on whatever the server starts is limited too, and so is its successor."""
        self._full.set()
        self._thread.start()

    def free(self) -> None:
        """No limits any more."""
        self._full.clear()
        if self._thread.is_alive():
            self._thread.join()

    def _watch(self) -> None:
        while self._full.is_set():
            for process in self._processes():
                if process.pid not in self._limited:
                    self._limited.add(process.pid)
                    _limit(process, str(LIMIT_BYTES))
            time.sleep(LOOK_SECONDS)
        for process in self._processes():
            _limit(process, "unlimited")

    def _processes(self) -> list[psutil.Process]:
        try:
            server = self._server()
            return [server, *server.children(recursive=True)]
        except (AssertionError, psutil.Error):
            return []  # it has just died of it


def _limit(process: psutil.Process, size: str) -> None:
    """Done as the account that the process runs as: nobody else may, not even every root."""
    try:
        user, group = process.uids().real, process.gids().real
    except psutil.Error:
        return
    command = ["prlimit", "--pid", str(process.pid), f"--fsize={size}:unlimited"]
    other = {"user": user, "group": group} if user != os.geteuid() else {}
    subprocess.run(command, capture_output=True, check=False, **other)


def mountable() -> bool:
    """May this process mount a file system?"""
    if os.geteuid() != 0:
        return False
    probe = Path("/proc/self/status").read_text()
    held = int(next(line for line in probe.splitlines() if line.startswith("CapEff")).split()[1], 16)
    return bool(held >> 21 & 1)  # CAP_SYS_ADMIN


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)

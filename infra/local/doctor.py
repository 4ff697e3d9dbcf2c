"""What this machine needs to run everything locally, checked one by one, each lack with its cure."""

import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from infra.local import account, jars
from infra.local.kafka import java_runtime
from infra.local.processes import StartFailed

GIB = 2**30
DISK_BYTES, MEMORY_BYTES, OPEN_FILES = 2 * GIB, 3 * GIB, 1024
CONTAINER_LIMIT = Path("/sys/fs/cgroup/memory.max")
EXTRA = "pip install 'touchstone[local]'"


@dataclass(frozen=True)
class Check:
    """One need: whether it is met, what was found, and what to do if it isn't."""

    name: str
    ok: bool
    found: str
    fix: str


def checks(var: Path = Path("var"), fetch: bool = False) -> list[Check]:
    """Every need, met or not. Nothing is downloaded unless `fetch` is set, and then only Kafka's jars."""
    return [
        _python(),
        _program("PostgreSQL", lambda: account.installed_programs() / "postgres"),
        _program("Java", java_runtime),
        _jars(fetch),
        _disk(var),
        _memory(),
        _open_files(),
        _writable(var),
    ]


def _python() -> Check:
    found = ".".join(map(str, sys.version_info[:3]))
    return Check(
        "Python",
        sys.version_info[:2] == (3, 11),
        found,
        "Touchstone runs on Python 3.11: install it and make .venv anew.",
    )


def _program(name: str, find: Callable[[], Path]) -> Check:
    try:
        path = find()
        done = subprocess.run([str(path), "--version"], capture_output=True, text=True, timeout=30)
    except (StartFailed, OSError, subprocess.TimeoutExpired) as error:
        return Check(name, False, str(error), f"{name} comes in a wheel: {EXTRA}.")
    found = (done.stdout or done.stderr).strip().partition("\n")[0]
    return Check(
        name,
        done.returncode == 0,
        found,
        f"{path} does not run here: look which wheels exist for this system.",
    )


def _jars(fetch: bool) -> Check:
    """Cached ones are verified; of missing ones it is only asked whether a registry has them."""
    name = "Kafka's jars"
    try:
        wanted, where = jars.locked(), jars.cache()
        if fetch:
            jars.ready()
        missing = jars.missing(wanted, where)
        jars.verify([jar for jar in wanted if jar not in missing], where)
    except jars.JarsMissing as error:
        return Check(
            name,
            False,
            str(error),
            f"With a network, the first start fetches them; jgo itself comes with {EXTRA}.",
        )
    found = f"{len(wanted) - len(missing)} of {len(wanted)} in {where}"
    if missing and jars.reachable(missing[0]):
        return Check(name, True, f"{found}, the first start fetches the others", "")
    return Check(
        name,
        not missing,
        found,
        "They are fetched on the first start, which needs a network (or copy that folder from elsewhere).",
    )


def _disk(var: Path) -> Check:
    free = shutil.disk_usage(_nearest(var)).free
    fix = f"Free some space: the file system of {var.absolute()} needs {DISK_BYTES / GIB:.0f} GiB."
    return Check("disk", free >= DISK_BYTES, f"{free / GIB:.1f} GiB free", fix)


def _memory() -> Check:
    """The machine's, or less where a container is given less."""
    total = psutil.virtual_memory().total
    with suppress(OSError, ValueError):
        total = min(total, int(CONTAINER_LIMIT.read_text()))
    fix = f"PostgreSQL, Kafka and the workers need {MEMORY_BYTES / GIB:.0f} GiB: give the machine more."
    return Check("memory", total >= MEMORY_BYTES, f"{total / GIB:.1f} GiB", fix)


def _open_files() -> Check:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = soft == resource.RLIM_INFINITY or soft >= OPEN_FILES
    return Check("open files", enough, f"at most {soft}", "Raise the limit in this shell: ulimit -n 4096.")


def _writable(var: Path) -> Check:
    nearest = _nearest(var)
    fix = f"Data is kept in {var.absolute()}: make {nearest} writable for this user."
    try:
        tempfile.TemporaryFile(dir=nearest).close()
    except OSError as error:
        return Check("directory", False, f"{nearest}: {error.strerror}", fix)
    return Check("directory", os.access(nearest, os.X_OK), f"{var.absolute()} can be written", fix)


def _nearest(path: Path) -> Path:
    """The path, or what exists above it."""
    return next(part for part in (path.absolute(), *path.absolute().parents) if part.is_dir())

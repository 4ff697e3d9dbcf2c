"""What the figures were measured on."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil
from msgspec import Struct

LIBRARIES = (
    "aiokafka", "confluent-kafka", "cryptography", "fastapi", "faust-streaming", "msgspec", "psycopg",
    "sqlalchemy", "uvicorn", "uvloop",
)  # fmt: skip


class Machine(Struct, frozen=True, kw_only=True):
    """A machine and what is installed on it. No name of host or user."""

    cpu: str
    cores: int
    memory_gb: float
    system: str
    python: str
    postgres: str
    kafka: str
    libraries: dict[str, str]

    @property
    def short(self) -> str:
        """A few words that may stand in a file's name."""
        words = "".join(one if one.isalnum() else " " for one in self.cpu.lower()).split()
        return "-".join([*words[:3], f"{self.cores}core"])


def describe(postgres: str, kafka: str) -> Machine:
    """This machine; the servers' versions are told by them."""
    return Machine(
        cpu=_cpu(), cores=len(cores()), memory_gb=round(psutil.virtual_memory().total / 2**30, 1),
        system=f"{platform.system()} {platform.release()}", python=platform.python_version(),
        postgres=postgres, kafka=kafka, libraries={name: _version(name) for name in LIBRARIES},
    )  # fmt: skip


def cores() -> list[int]:
    """The cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def _cpu() -> str:
    """The model's name as Linux tells it, else what Python knows."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"

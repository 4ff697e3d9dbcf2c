"""Calling a function of the benchmark in a process of its own: `python -m bench.apart MODULE FUNCTION FILE`."""

import contextlib
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import msgspec
import psutil
from msgspec import Struct

from bench import processes
from bench.ground import Ground


class Called(Struct, frozen=True):
    """What a function returned, the CPU seconds its process took, and the most memory it held."""

    answer: float
    cpu: float
    peak_mb: float


def call(
    ground: Ground, function: Callable[..., float], *arguments: Any, on: Sequence[int] | None = None
) -> Called:
    """Call a function of a module elsewhere, on these cores; its arguments must be plain data."""
    with NamedTemporaryFile(dir=ground.folder, delete=False) as file:
        file.write(msgspec.msgpack.encode(arguments))
    path = Path(file.name)
    told = ["-m", "bench.apart", function.__module__, function.__name__, str(path)]
    with processes.Child(function.__name__, told, {}, ground.folder / "apart.log", on, talks=True) as child:
        answer = child.read()
    path.unlink()
    return msgspec.json.decode(answer, type=Called)


def main() -> None:
    """Call it; only the answer goes to the output."""
    module, name, path = sys.argv[1:]
    function = getattr(import_module(module), name)
    arguments = msgspec.msgpack.decode(Path(path).read_bytes())
    own = psutil.Process()
    with contextlib.redirect_stdout(sys.stderr):
        answer = function(*arguments)
    print(
        msgspec.json.encode(Called(answer, processes.cpu(own), processes.peak_mb(own.pid))).decode(),
        flush=True,
    )


if __name__ == "__main__":
    main()

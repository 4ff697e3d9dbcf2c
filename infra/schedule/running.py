"""Running one scheduled command to its end, as a process of its own."""

import json
import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from infra.process.supervisor import SUPERVISED

LONGEST_SECONDS = 12 * 3_600.0
"""A command that takes longer is ended: nothing else would run for as long as it hangs."""
GRACE_SECONDS = 5.0
LOOK_SECONDS = 0.2


class Stopped(Exception):
    """The command was ended because the scheduler is to end: it counts as not run."""


def run(
    program: Sequence[str], words: Sequence[str], output: Path, begins: datetime, stop: threading.Event,
    longest_seconds: float = LONGEST_SECONDS,
) -> int:  # fmt: skip
    """Run `program` with these words, and answer its status; below 0 it is the signal that ended it.

    What it says is put at the end of the file `output`. Raises `Stopped` where it was ended for `stop`, and OSError
    where it can't be started.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    with output.open("ab") as said:
        told = {"message": "a run begins", "words": list(words), "timestamp": begins.isoformat()}
        said.write(json.dumps(told).encode() + b"\n")
        said.flush()
        process = subprocess.Popen(
            [*program, *words],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            env=_environment(os.environ),
        )
    deadline = time.monotonic() + longest_seconds
    try:
        while True:
            try:
                return process.wait(LOOK_SECONDS)
            except subprocess.TimeoutExpired:
                if stop.is_set():
                    raise Stopped from None
                if time.monotonic() > deadline:
                    return _end(process)
    finally:
        _end(process)


def _environment(ours: Mapping[str, str]) -> dict[str, str]:
    """Ours; a command that asks who started it hears that it was this process, and ends with it."""
    return {**ours, SUPERVISED: str(os.getpid()), "COLUMNS": "120"}


def _end(process: "subprocess.Popen[bytes]") -> int:
    """Ask it to end, insist after a while; its status."""
    if process.poll() is None:
        process.terminate()
        try:
            return process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait()

"""A measurement in a process of its own, so that its memory is its own: `python -m bench.ml.child MODULE ARGUMENT...`.

The module's function `measure` gets the arguments as text and returns figures by name.
"""

import contextlib
import os
import resource
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import msgspec

ROOT = Path(__file__).parents[2]
PEAK = "peak_gb"
THREADS = {"POLARS_MAX_THREADS": "2", "OMP_NUM_THREADS": "1"}


def measured(module: str, *arguments: str) -> dict[str, float]:
    """The figures of a module's `measure`, and the most memory it held in GB. RuntimeError where it fails."""
    told = subprocess.run(
        [sys.executable, "-m", "bench.ml.child", module, *arguments],
        cwd=ROOT, env={**os.environ, **THREADS}, capture_output=True, check=False,
    )  # fmt: skip
    if told.returncode:
        raise RuntimeError(f"{module} failed:\n{told.stderr.decode()[-2000:]}")
    return msgspec.json.decode(told.stdout, type=dict[str, float])


def main() -> None:
    """Measure; only the figures go to the output."""
    module, *arguments = sys.argv[1:]
    with contextlib.redirect_stdout(sys.stderr):
        found = import_module(module).measure(*arguments)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    print(msgspec.json.encode({**found, PEAK: peak}).decode(), flush=True)


if __name__ == "__main__":
    main()

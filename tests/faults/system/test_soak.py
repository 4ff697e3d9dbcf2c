"""Load for a long time: nothing grows that should not, and nobody falls behind."""

import statistics
import time

import psutil

from tests.support.faults.rig import Rig

SHORT_SECONDS, LONG_SECONDS = 6.0, 1_800.0
EVERY = 60
"""So many looks are taken, evenly spread."""
WORKER_BYTES = 400 * 1024 * 1024
SLOPE_MB = 1.0
"""Megabytes a minute that a process may grow by, once it is warm."""
FILES = 20
"""Open files that a process may have more in the end than in the middle."""
BEHIND = 2_000
"""Events that a reader may be behind while they still come in."""


def test_under_load_memory_open_files_and_lag_stay_where_they_are(
    system: Rig, long: bool, figures: dict[str, object]
) -> None:
    """The short form is no soak: it shows that limits and lag are looked at, on the same path.

    In the long one there are so many people that no history becomes long: reading a longer one takes more memory.
    """
    seconds, crowd = (LONG_SECONDS, 3_000) if long else (SHORT_SECONDS, 120)
    looks: dict[str, list[tuple[float, int, int]]] = {}
    behind: list[int] = []
    with system.load(pace=0.5, crowd=crowd) as load:
        began = time.monotonic()
        while (at := time.monotonic() - began) < seconds:
            for name, pid in system.stack.supervisor.pids().items():
                process = psutil.Process(pid)
                looks.setdefault(name, []).append((at / 60, process.memory_info().rss, process.num_fds()))
            behind.append(max(system.behind().values(), default=0))
            time.sleep(seconds / EVERY)
        load.settle()
    for name, seen in looks.items():
        warm = seen[len(seen) // 3 :]
        slope = statistics.linear_regression([one[0] for one in warm], [one[1] / 2**20 for one in warm]).slope
        figures[f"{name} MB"] = round(warm[-1][1] / 2**20)
        assert warm[-1][1] < WORKER_BYTES, name
        assert warm[-1][2] <= warm[0][2] + FILES, name
        if long:
            figures[f"{name} MB a minute"] = round(slope, 2)
            assert slope < SLOPE_MB, f"{name} grows by {slope:.2f} MB a minute"
    figures["behind at most"] = max(behind)
    assert max(behind[len(behind) // 3 :]) < BEHIND
    figures |= system.judge()

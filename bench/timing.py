"""The one stopwatch, and runs that take turns."""

import gc
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from bench.figures import Figure


def seconds(act: Callable[[], object]) -> float:
    """How long it took, by the wall's clock."""
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


@contextmanager
def frozen() -> Iterator[None]:
    """What was prepared is out of the garbage collector's sight meanwhile: it is not the path's."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def interleaved(
    runs: int, contestants: Mapping[str, Callable[[], float]], unit: str, say: Callable[[str], None]
) -> dict[str, Figure]:
    """Every contestant once a round, so that a slow moment of the machine hits all of them alike.

    A contestant prepares what it needs, measures, and returns its own figure.
    """
    found: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(1, runs + 1):
        for name, run in contestants.items():
            found[name].append(run())
        told = ", ".join(f"{name} {short(values[-1])}" for name, values in found.items())
        say(f"run {number} of {runs}: {told} {unit}")
    return {name: Figure(name, unit, tuple(values)) for name, values in found.items()}


def short(value: float) -> str:
    """A figure as a person reads it: three digits that matter."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"

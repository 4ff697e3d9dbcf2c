"""Rebuilding every view of a million events, by the command a user gives; beside bare reads and COPYs."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psutil
from sqlalchemy import text

from bench import apart, rebuild_parts
from bench.figures import Aim, Figure, Line, Path
from bench.ground import Ground
from bench.machine import cores
from bench.processes import Child, Meter, peak_mb, postgres
from bench.timing import interleaved
from infra.settings import Settings
from services.cli.stack import environment

LOOK_SECONDS = 0.1
PATIENCE = 600.0


def measure(ground: Ground, say: Callable[[str], None]) -> Path:
    """Seconds of `touchstone rebuild`, from the shell's prompt to the shell's prompt."""
    sizes = ground.sizes
    settings = ground.grown(sizes.rebuild_events)
    engine = ground.engine(settings)
    with engine.connect() as connection:
        events = int(connection.execute(text("SELECT position FROM journal_head")).scalar_one())
    engine.dispose()
    processes = min(2, len(cores()))
    peaks: dict[str, float] = {}
    cpu: dict[str, float] = {}

    def own() -> float:
        meter = Meter(PostgreSQL=postgres(ground))
        took, spent = _command(ground, settings, ["rebuild", "--processes", str(processes)], peaks)
        cpu.update(
            {
                "rebuild, all its processes": round(spent, 1),
                "PostgreSQL": round(meter.spent()["PostgreSQL"], 1),
            }
        )
        _command(ground, settings, ["rebuild", "--drop-old"], {})
        return took

    def bare() -> float:
        began = time.perf_counter()
        with ThreadPoolExecutor(processes) as pool:
            parts = [
                pool.submit(apart.call, ground, part, settings.database_url, number, processes)
                for part, number in ((rebuild_parts.read_and_copy, n) for n in range(processes))
            ]
            for part in parts:
                part.result()
        rebuild_parts.index(settings.database_url)
        took = time.perf_counter() - began
        rebuild_parts.drop(settings.database_url)
        return took

    found = interleaved(sizes.runs, {"rebuild": own, "bare read and COPY": bare}, "s", say)
    mine = Figure(f"rebuild of {events:,} events, all views", "s", found["rebuild"].values)
    most = Figure("most memory of one process", "MB", (max(peaks.values()),))
    return Path(
        name="rebuild", title="Rebuild of all views beside the live ones",
        lines=[
            Line(mine, found["bare read and COPY"], Aim("figure", "at most", 40.0)),
            Line(most, aim=Aim("figure", "at most", 150.0)),
        ],
        cpu=cpu, cpu_unit="CPU seconds of one rebuild", peak_mb=peaks,
        notes=[
            f"`touchstone rebuild --processes {processes}` with its start, plan, fold, indexes, comparison with the "
            "live views and swap; nothing else is appended meanwhile.",
            f"Bare: {processes} processes read every customer's events a slice of customers at a time, and copy the "
            "rows of all views into tables without indexes; then the same indexes are built. Nothing is decoded, "
            "folded or compared.",
        ],
    )  # fmt: skip


def _command(
    ground: Ground, settings: Settings, arguments: list[str], peaks: dict[str, float]
) -> tuple[float, float]:
    """Seconds and CPU seconds of one of our commands; `peaks` learns what its processes held at most."""
    began = time.perf_counter()
    log = ground.folder / "rebuild.log"
    with Child("rebuild", ["-m", "services.cli", *arguments], environment(settings), log) as child:
        spent = 0.0
        while child.process.poll() is None:
            spent = max(spent, _look(child, peaks))
            time.sleep(LOOK_SECONDS)
            if time.perf_counter() - began > PATIENCE:
                raise RuntimeError("the rebuild takes too long")
        if child.process.returncode:
            raise RuntimeError(f"touchstone {' '.join(arguments)} failed:\n{log.read_text()[-2000:]}")
    return time.perf_counter() - began, spent


def _look(child: Child, peaks: dict[str, float]) -> float:
    """CPU seconds so far; note the peaks of the command and of the processes that fold for it."""
    try:
        everybody = [
            ("rebuild", child.told),
            *(("folding", one) for one in child.told.children(recursive=True)),
        ]
        for name, process in everybody:
            peaks[name] = max(peaks.get(name, 0.0), peak_mb(process.pid))
        return child.cpu()
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return 0.0

"""docs/faults.md: what the long form of the fault tests did and found, where and when."""

import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime

import psutil


def page(seed: int, form: str, tests: Mapping[str, Mapping[str, object]], outcomes: Mapping[str, str]) -> str:
    """The page as Markdown; `outcomes` are pytest's, by test."""
    memory = round(psutil.virtual_memory().total / 2**30)
    lines = [
        "# Faults that were really injected",
        "",
        "Written by `make faults`. What each test does and demands is in `tests/faults/`.",
        "",
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {form} form, seed {seed} "
        f"(`FAULT_SEED={seed} make faults` repeats it); "
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, {memory} GB, "
        f"Python {platform.python_version()}.",
        "",
        "| test | outcome | figures |",
        "|---|---|---|",
    ]
    for test, outcome in outcomes.items():
        figures = ", ".join(f"{name}: {value}" for name, value in tests.get(test, {}).items())
        lines.append(f"| {test.removeprefix('test_').replace('_', ' ')} | {outcome} | {figures} |")
    return "\n".join(lines) + "\n"

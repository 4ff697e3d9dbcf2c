"""docs/faults.md: what the long form of the fault tests did and found, where and when."""

import os
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import psutil


@dataclass(frozen=True, slots=True)
class Ran:
    """A test that was run: how it ended (pytest's word), how long it took, and what it measured."""

    file: str
    name: str
    outcome: str
    seconds: float
    figures: Mapping[str, object] = field(default_factory=dict)


def page(seed: int, form: str, tests: Sequence[Ran]) -> str:
    """The page as Markdown."""
    memory = round(psutil.virtual_memory().total / 2**30)
    lines = [
        "# Faults that were really injected",
        "",
        "Written by `make faults`. What each test does and demands is in `tests/faults/` and `tests/property/`; after",
        "every fault the senders' own book, the journal, the topics, the ledger, every view and a plain reckoning of",
        "each customer are compared, and all must say the same.",
        "",
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {form} form, seed {seed}; "
        f"`FAULT_SEED={seed} make faults` repeats it.",
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, {memory} GB, "
        f"Python {platform.python_version()}. PostgreSQL, Kafka, our processes and the load share the machine.",
        "",
        "| test | outcome | minutes | figures |",
        "|---|---|---|---|",
    ]
    for one in tests:
        said = ", ".join(f"{name}: {_plain(value)}" for name, value in one.figures.items())
        lines.append(f"| {_words(one)} | {one.outcome} | {one.seconds / 60:.1f} | {said} |")
    return "\n".join(lines) + "\n"


def _words(one: Ran) -> str:
    """A test's name as a sentence; what it was run with stays in its brackets."""
    name, _, parameters = one.name.removeprefix("test_").partition("[")
    return re.sub("_", " ", name) + (f" [{parameters}" if parameters else "")


def _plain(value: object) -> str:
    if isinstance(value, Mapping):
        return " ".join(f"{name} {count}" for name, count in sorted(value.items()))
    return str(value)

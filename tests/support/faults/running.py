"""How the fault tests are run: their seed and form, and what they measured, also over several processes.

FAULT_SEED=N repeats a run, FAULTS=long asks for the long form, FAULTS_REPORT=FILE keeps the figures.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from random import SystemRandom

import pytest

from tests.support.faults.report import Ran, page
from tests.support.faults.rig import Rig

FOLDER = "tests/faults/"
FIGURES = "figures"
LONG = os.environ.get("FAULTS", "") == "long"
FORM = "long" if LONG else "short"
SEED = int(os.environ.setdefault("FAULT_SEED", str(SystemRandom().randrange(10**6))))
"""What everything drawn by chance is drawn from; by way of the environment every process has the same."""


@pytest.fixture(scope="session")
def long() -> bool:
    """Is this the long form?"""
    return LONG


@pytest.fixture(scope="session")
def seed() -> int:
    """What everything drawn by chance is drawn from."""
    return SEED


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> dict[str, object]:
    """What a test measured, for the report."""
    found: dict[str, object] = {}
    request.node.user_properties.append((FIGURES, found))
    return found


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """A failing test says how to repeat it, and what the processes said."""
    report = yield
    if report.when == "call" and report.failed and item.nodeid.startswith(FOLDER):
        again = f"FAULT_SEED={SEED} {'FAULTS=long ' if LONG else ''}python -m pytest '{item.nodeid}'"
        report.sections.append(("how to repeat it", again))
        rig = getattr(item, "funcargs", {}).get("system")
        if isinstance(rig, Rig):
            rig.broken = True
            report.sections.append(("ends of the logs", rig.tails(30)))
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The figures, on the terminal and, if asked for, in a file."""
    ran = sorted(_ran(terminalreporter), key=lambda one: (one.file, one.name))
    if any(one.file.startswith(FOLDER) for one in ran):
        terminalreporter.write_line(f"faults: seed {SEED}, {FORM} form")
    for one in ran:
        if one.figures:
            said = ", ".join(f"{name} {value}" for name, value in one.figures.items())
            terminalreporter.write_line(f"  {one.name} ({one.seconds:.0f} s): {said}")
    if path := os.environ.get("FAULTS_REPORT"):
        Path(path).write_text(page(SEED, FORM, ran))


def _ran(terminalreporter: pytest.TerminalReporter) -> Iterator[Ran]:
    for outcome in ("passed", "failed", "error"):
        for one in terminalreporter.stats.get(outcome, []):
            if not isinstance(one, pytest.TestReport):
                continue  # a module that could not be collected: pytest itself tells of it
            if one.when == "call" or outcome == "error":
                file, _, name = one.nodeid.partition("::")
                yield Ran(file, name, outcome, one.duration, dict(one.user_properties).get(FIGURES, {}))

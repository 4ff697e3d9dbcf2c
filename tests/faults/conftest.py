"""One system for the tests of faults, their seed, and what a failing run says.

FAULT_SEED=N repeats a run, FAULTS=long asks for the long form, FAULTS_REPORT=FILE keeps the figures.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from random import SystemRandom

import pytest

from tests.support.faults.report import Ran, page
from tests.support.faults.rig import Rig

SEED = int(os.environ.get("FAULT_SEED") or SystemRandom().randrange(10**6))
LONG = os.environ.get("FAULTS", "") == "long"
FORM = "long" if LONG else "short"
_figures: dict[str, dict[str, object]] = {}


class Systems:
    """The system that the tests share; one that a test left broken is replaced."""

    def __init__(self, factory: pytest.TempPathFactory) -> None:
        self._factory = factory
        self._rig: Rig | None = None

    def get(self) -> Rig:
        """The running system."""
        if self._rig is None:
            self._rig = Rig(self._factory.mktemp("system"), SEED)
            self._rig.start()
        return self._rig

    def drop(self) -> None:
        """End it; whoever comes next gets a new one."""
        if self._rig is not None:
            self._rig.stop()
        self._rig = None


@pytest.fixture(scope="package")
def systems(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Systems]:
    """Whoever keeps the shared system."""
    found = Systems(tmp_path_factory)
    yield found
    found.drop()


@pytest.fixture
def system(systems: Systems, request: pytest.FixtureRequest) -> Iterator[Rig]:
    """A running system in good health, and the book of all that it was ever sent."""
    yield systems.get()
    if LONG or getattr(request.node, "failed", False):  # so much was sent that the next would only be slower
        systems.drop()


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
    return _figures.setdefault(request.node.name, {})


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    report = yield
    if report.when == "call" and report.failed:
        item.failed = True
        again = f"FAULT_SEED={SEED} {'FAULTS=long ' if LONG else ''}python -m pytest '{item.nodeid}'"
        report.sections.append(("how to repeat it", again))
        rig = getattr(item, "funcargs", {}).get("system")
        if isinstance(rig, Rig):
            report.sections.append(("ends of the logs", rig.tails(30)))
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.write_line(f"faults: seed {SEED}, {FORM} form")
    for test, found in _figures.items():
        said = ", ".join(f"{name} {value}" for name, value in found.items())
        terminalreporter.write_line(f"  {test}: {said}")
    if path := os.environ.get("FAULTS_REPORT"):
        Path(path).write_text(page(SEED, FORM, _ran(terminalreporter), _figures))


def _ran(terminalreporter: pytest.TerminalReporter) -> list[Ran]:
    """What was run, in the order of the files."""
    calls = [
        one
        for outcome in ("passed", "failed", "error")
        for one in terminalreporter.stats.get(outcome, [])
        if one.when == "call" or outcome == "error"
    ]
    found = [
        Ran(one.nodeid.partition("::")[0], one.nodeid.rpartition("::")[2], one.outcome, one.duration)
        for one in calls
    ]
    return sorted(found, key=lambda one: (one.file, one.name))

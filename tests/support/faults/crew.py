"""Single workers of one workspace, each under a parent of its own, in front of servers that are shared."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.process.supervisor import Spec, Supervisor
from infra.workspace import Workspace
from services.cli.stack import RELAY, environment

LOOK_SECONDS = 0.05


class Crew:
    """Starts workers by name and tells what became of them."""

    def __init__(self, workspace: Workspace, logs: Path) -> None:
        self._workspace, self._logs = workspace, logs
        self.parents: dict[str, Supervisor] = {}

    def add(self, name: str, module: str = "services.workers", role: str = "") -> Supervisor:
        """Start a worker; `role` is its name unless it is another."""
        spec = RELAY if name == RELAY.name else Spec(name, module, (role or name,))
        parent = Supervisor([spec], self._logs, environment(self._workspace.settings))
        parent.start()
        self.parents[name] = parent
        return parent

    def pid(self, name: str) -> int:
        """Its process id, once it runs."""
        until(lambda: name in self.parents[name].pids(), 30, f"{name} does not run")
        return self.parents[name].pids()[name]

    def log(self, name: str) -> str:
        """What it said."""
        path = self.parents[name].log_of(name)
        return path.read_text(errors="replace") if path.exists() else ""

    def stop(self) -> None:
        """End all of them."""
        for parent in self.parents.values():
            parent.stop()


@contextmanager
def crew(workspace: Workspace, logs: Path) -> Iterator[Crew]:
    """A crew for the length of the block."""
    found = Crew(workspace, logs)
    try:
        yield found
    finally:
        found.stop()


def until(look: Callable[[], object], seconds: float, what: str | Callable[[], str]) -> float:
    """Look again until it is true; how long that took. Fails with `what` after so many seconds."""
    began = time.monotonic()
    while not look():
        took = time.monotonic() - began
        assert took < seconds, f"after {seconds:.0f} s: {what() if callable(what) else what}"
        time.sleep(LOOK_SECONDS)
    return time.monotonic() - began

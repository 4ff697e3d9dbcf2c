"""`touchstone status` tells a system that works from one that does not, and says what is wrong."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable

import psutil
import pytest

from infra.local.postgres import LocalPostgres
from infra.process.supervisor import Spec
from infra.settings import Settings
from services.cli import stack
from services.cli.operating import ROLES
from services.cli.processes import _COMMANDS
from services.cli.stack import environment
from tests.support.faults.crew import until

PATIENCE = 90


class Machine:
    """A folder in which a user gives commands."""

    def __init__(self, settings: Settings) -> None:
        self.var = settings.var
        ports = {"TOUCHSTONE_GATEWAY_PORT": "0", "TOUCHSTONE_API_PORT": "0", "COLUMNS": "200"}
        self.env = {**environment(settings), **ports, "OMP_NUM_THREADS": "1"}

    def touchstone(self, *arguments: str) -> tuple[int, str]:
        """A command's status and all that it said."""
        done = subprocess.run(
            [sys.executable, "-m", "services.cli", *arguments], env=self.env, capture_output=True, text=True,
            timeout=PATIENCE, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    def parent(self) -> psutil.Process:
        return psutil.Process(json.loads((self.var / "running.json").read_text())["pid"])

    def process(self, *command: str) -> psutil.Process:
        """One of the processes that the parent runs."""
        found = (one for one in self.parent().children() if one.cmdline()[2:] == list(command))
        return next(found)

    def comes(self, right: Callable[[int, str], object]) -> str:
        """Wait for a status that is as it should be; what it said."""
        said = ""

        def look() -> bool:
            nonlocal said
            code, said = self.touchstone("status")
            return bool(right(code, said))

        until(look, PATIENCE, lambda: said)
        return said


@pytest.fixture
def machine(settings):
    found = Machine(settings)
    (settings.var / "up.log").write_text("what an earlier run said\n")
    code, said = found.touchstone("up", "--detach", "--no-kafka")
    assert code == 0, said
    yield found
    found.touchstone("down")


def test_what_is_not_well_is_told_with_status_1_until_it_is_well_again(machine):
    said = machine.comes(lambda code, said: code == 0 and "starts" not in said)
    for name in ("gateway", "api", "projector", "policies", "sweep"):
        assert re.search(rf"{name} +ready +\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d +0 times", said), said
    for row in (r"journal +0 events", r"views +0 events behind", r"policies +0 events behind",
                r"search +0 events behind", r"erasures +none open", r"webhooks +none",
                r"quarantine +empty", r"set aside +nothing"):  # fmt: skip
        assert re.search(row, said), said

    policies = machine.process("services.workers", "policies")
    policies.send_signal(signal.SIGSTOP)
    code, said = machine.touchstone("status")
    policies.send_signal(signal.SIGCONT)  # at once: one that is silent for long is replaced
    assert (code, "policies is stopped (SIGSTOP)" in said) == (1, True), said
    connectors = machine.var / "connectors.toml"
    connectors.write_text('[[connector]]\nname = "calls"\nkind = "no such"\n')
    machine.env["TOUCHSTONE_CONNECTORS"] = str(connectors)
    code, said = machine.touchstone("status")
    assert (code, "a connector is not set up" in said, str(connectors) in said) == (1, True, True), said
    del machine.env["TOUCHSTONE_CONNECTORS"]
    machine.process("services.workers", "sweep").kill()
    machine.comes(lambda code, said: code == 0 and re.search(r"sweep +ready .* 1 time\b", said))

    log = (machine.var / "up.log").read_text()
    assert log.startswith('what an earlier run said\n{"message": "a new run begins"')
    assert '"why": "ended"' in log


def test_every_process_that_can_run_is_looked_for():
    """One that was forgotten would be told as not running on every healthy system."""
    there_are = {spec.name for held in vars(stack).values() for spec in _specs(held)}
    assert there_are == {spec.name for spec in stack.EVERY} == set(ROLES) == set(_COMMANDS)
    assert len({tuple(command) for command in _COMMANDS.values()}) == len(ROLES)


def _specs(held: object) -> list[Spec]:
    several = held if isinstance(held, (list, tuple)) else [held]
    return [one for one in several if isinstance(one, Spec)]


def test_a_folder_in_which_nothing_runs_says_how_to_begin(settings, tmp_path):
    lost = Machine(settings)
    lost.env |= {"DATABASE_URL": "", "TOUCHSTONE_VAR": str(tmp_path / "empty")}
    code, said = lost.touchstone("status")
    assert (code, "start one with `touchstone up`" in " ".join(said.split())) == (1, True), said


def test_servers_that_outlived_their_parent_are_named_with_how_to_stop_them(tmp_path):
    folder = Machine(Settings(var=tmp_path))
    folder.env |= {"DATABASE_URL": "", "TOUCHSTONE_VAR": str(tmp_path), "PATH": os.environ["PATH"]}
    server = LocalPostgres(tmp_path / "postgres", {"shared_buffers": "16MB"})
    started = (
        "import sys; from pathlib import Path; from infra.local.postgres import LocalPostgres as Server; "
    )
    started += "Server(Path(sys.argv[1]), {'shared_buffers': '16MB'}).start()"
    subprocess.run([sys.executable, "-c", started, str(tmp_path / "postgres")], check=True, timeout=PATIENCE)
    try:
        code, said = folder.touchstone("status")
        told = " ".join(said.split())
        assert (code, "PostgreSQL" in told, "`touchstone down` stops" in told) == (1, True, True), said
        assert folder.touchstone("down")[0] == 0
        assert not server.alive()
    finally:
        server.remove()


def test_an_unknown_code_is_wrong_use_and_a_database_that_is_away_is_told(settings, tmp_path):
    elsewhere = Machine(settings)
    code, said = elsewhere.touchstone("replay", "--code", "anything")
    assert (code, "nothing was ever held for 'anything'; held now: nothing" in said) == (2, True), said
    elsewhere.env["DATABASE_URL"] = f"postgresql://postgres@/nowhere?host={tmp_path}"
    code, said = elsewhere.touchstone("status")
    assert (code, "Not well: the journal" in said) == (1, True), said

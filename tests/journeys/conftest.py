"""The whole system as its users meet it: real processes, driven from outside."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local.kafka import LocalKafka

ROOT = Path(__file__).parents[2]


class System:
    """A running `touchstone up`, reached by its command line, HTTP and Kafka alone."""

    def __init__(self, var: Path, bootstrap: str) -> None:
        self.var, self.bootstrap = var, bootstrap
        usual = (ROOT / "services" / "demo" / "workspace.toml").read_text()
        rules = var / "rules.toml"
        rules.write_text(usual.replace("follow_up_hours = 0.003", "follow_up_hours = 0.0006"))
        self.env = {
            **os.environ, "TOUCHSTONE_VAR": str(var), "KAFKA_BOOTSTRAP": bootstrap, "COLUMNS": "200",
            "TOUCHSTONE_WORKSPACE": str(rules), "OMP_NUM_THREADS": "1",
        }  # fmt: skip

    def touchstone(self, *arguments: str) -> str:
        """Run a command; its output. Anything but status 0 fails the test."""
        return self.shell(" ".join([".venv/bin/touchstone", *arguments]))

    def shell(self, script: str) -> str:
        """Run a script as a user would paste it."""
        done = subprocess.run(
            ["bash", "-euc", script], cwd=ROOT, env=self.env, capture_output=True, text=True,
            timeout=180, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def where(self, what: str) -> str:
        """One address of the running system."""
        return self.touchstone("where", what).strip()

    @property
    def headers(self) -> dict[str, str]:
        """What a caller with the key sends."""
        return {"Authorization": f"Bearer {self.where('key')}"}

    @property
    def pid(self) -> int:
        """The supervisor's process."""
        return int(json.loads((self.var / "running.json").read_text())["pid"])


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory, kafka: LocalKafka) -> Iterator[System]:
    """Everything, started by the command that a user would give."""
    found = System(tmp_path_factory.mktemp("system"), kafka.bootstrap)
    found.touchstone("up", "--detach")
    yield found
    found.touchstone("down")

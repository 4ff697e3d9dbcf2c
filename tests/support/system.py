"""The whole system as its users meet it: real processes, driven from outside."""

import json
import os
import subprocess
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx

from infra.database import engine_for
from infra.lag import lags
from infra.quarantine.aside import PROJECTOR
from tests.support.receiving import until

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0
ADDRESSES = ("gateway", "api", "key", "database")


class System:
    """A running `touchstone up`, reached by its command line, HTTP and Kafka alone."""

    def __init__(self, var: Path, bootstrap: str, **more: str) -> None:
        self.var, self.bootstrap = var, bootstrap
        self._where: dict[str, str] = {}
        usual = (ROOT / "services" / "demo" / "workspace.toml").read_text()
        rules = var / "rules.toml"
        rules.write_text(usual.replace("follow_up_hours = 0.003", "follow_up_hours = 0.0006"))
        self.env = {
            **os.environ, "TOUCHSTONE_VAR": str(var), "KAFKA_BOOTSTRAP": bootstrap, "COLUMNS": "200",
            "TOUCHSTONE_WORKSPACE": str(rules), "OMP_NUM_THREADS": "1", **more,
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
        """One address of the running system, as `touchstone where` says it; a process tells them all."""
        if not self._where:
            script = f"from services.cli.serving import where; [where(one) for one in {ADDRESSES}]"
            told = self.shell(f".venv/bin/python -c '{script.replace(chr(39), chr(34))}'")
            self._where = dict(zip(ADDRESSES, told.split(), strict=True))
        return self._where[what]

    @property
    def headers(self) -> dict[str, str]:
        """What a caller with the key sends."""
        return {"Authorization": f"Bearer {self.where('key')}"}

    @property
    def pid(self) -> int:
        """The supervisor's process."""
        return int(json.loads((self.var / "running.json").read_text())["pid"])

    @cached_property
    def gateway(self) -> httpx.Client:
        """A sender with the key."""
        return httpx.Client(base_url=self.where("gateway"), headers=self.headers, timeout=60)

    @cached_property
    def api(self) -> httpx.Client:
        """A reader with the key."""
        return httpx.Client(base_url=self.where("api"), headers=self.headers, timeout=60)

    def read(self, path: str, **params: Any) -> Any:
        """What a successful GET of the API answers."""
        answer = self.api.get(path, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def send(self, *items: dict[str, Any]) -> list[str]:
        """Record events; whose each is."""
        told = self.gateway.post("/v1/touches", json=list(items)).json()
        assert told["accepted"] == len(items), told
        return [one["customer"] for one in told["results"]]

    def events(self, topic: str = "events") -> Iterator[dict[str, Any]]:
        """All there are by now, page by page."""
        page = {"next": 0, "end_of_stream": False}
        while not page["end_of_stream"]:
            page = self.read("/v1/events", topic=topic, after=page["next"], limit=1000)
            yield from page["events"]

    def said(self) -> str:
        """What `touchstone status` says, also where something is not well yet."""
        return self.shell(".venv/bin/touchstone status || true")

    def folded(self) -> None:
        """Wait until the views have everything, asking what `touchstone status` asks."""
        engine = engine_for(self.where("database"))
        try:
            until(lambda: not lags(engine, self.bootstrap, "touchstone").behind[PROJECTOR], PATIENCE)
        finally:
            engine.dispose()

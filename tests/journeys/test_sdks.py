"""A company's SDKs, as their makers deliver them, send to Touchstone by a change of their host alone."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import text

from infra.local.postgres import LocalPostgres
from infra.settings import Settings
from infra.workspace import Workspace, open_workspace
from tests.support import node
from tests.support.faults.crew import Crew, crew, until
from tests.support.faults.proxy import Link, Network

SHOP = Path(__file__).parents[1] / "support" / "sdks" / "shop.py"
SDKS = {
    "segment-analytics-python": [sys.executable, str(SHOP), "segment"],
    "rudder-sdk-python": [sys.executable, str(SHOP), "rudderstack"],
    "posthog": [sys.executable, str(SHOP), "posthog"],
    "@segment/analytics-node": node.command("shop.mjs", "segment"),
    "@rudderstack/rudder-sdk-node": node.command("shop.mjs", "rudderstack"),
}
COUNT = 120
SECONDS = 8.0
"""How long each of them sends."""
OUTAGE_SECONDS = 2.0
DONE_SECONDS = 40.0

# Loopback is no business of a proxy that the machine may be set up with.
QUIET = {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}


@dataclass
class Shop:
    """A running gateway of one workspace, and the network between it and its database."""

    workspace: Workspace
    crew: Crew
    network: Network
    database: Link
    folder: Path
    running: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return self.workspace.settings.gateway_url

    @property
    def key(self) -> str:
        return next(iter(self.workspace.settings.keys))

    def begin(self) -> None:
        """Start every SDK's program."""
        node.install()
        for number, (name, command) in enumerate(SDKS.items()):
            called = [*command, self.url, self.key, str(COUNT), str(SECONDS)]
            with (
                (self.folder / f"{number}.out").open("wb") as out,
                (self.folder / f"{number}.err").open("wb") as err,
            ):
                self.running[name] = subprocess.Popen(
                    called,
                    cwd=node.HOME,
                    env={**os.environ, **QUIET},
                    stdin=subprocess.PIPE,
                    stdout=out,
                    stderr=err,
                )
        until(self._ready, 60, lambda: f"not ready: {self.still_sending()}")
        for (
            process
        ) in self.running.values():  # some take long to load: none is to be done before another begins
            assert process.stdin is not None
            process.stdin.write(b"go\n")
            process.stdin.close()

    def _ready(self) -> bool:
        said = [(self.folder / f"{number}.err").read_bytes() for number in range(len(SDKS))]
        return all(b"ready" in one for one in said)

    def still_sending(self) -> list[str]:
        return [name for name, process in self.running.items() if process.poll() is None]

    def ended(self) -> bool:
        return not self.still_sending()

    def told(self) -> dict[str, list[str]]:
        """Each SDK's own ids of what it sent."""
        found = {}
        for number, (name, process) in enumerate(self.running.items()):
            said = (self.folder / f"{number}.err").read_text()
            assert process.returncode == 0, f"{name}: {said}"
            found[name] = json.loads((self.folder / f"{number}.out").read_text())
        return found

    def recorded(self) -> list[str]:
        """The source ids of all that SDKs sent, as the journal has them."""
        with self.workspace.engine.connect() as connection:
            return list(
                connection.execute(text("SELECT source_id FROM journal WHERE source = 'segment'")).scalars()
            )

    def answers(self) -> bool:
        with httpx.Client(timeout=2) as client:
            try:
                return client.get(f"{self.url}/health/ready").status_code == 200
            except httpx.TransportError:
                return False

    @contextmanager
    def journal_away(self) -> Iterator[None]:
        """For the length of the block the gateway does not reach its database."""
        self.network.turn(self.database, "cut")
        try:
            yield
        finally:
            self.network.turn(self.database, "pass")

    def probe(self) -> httpx.Response:
        """What a sender is told just now; it is told the same message each time."""
        message = {
            "type": "track",
            "event": "Probe",
            "userId": "p",
            "messageId": "probe",
            "writeKey": self.key,
        }
        return httpx.post(f"{self.url}/v1/track", json=message, timeout=15)


@pytest.fixture
def shop(postgres: LocalPostgres, settings: Settings, tmp_path: Path) -> Iterator[Shop]:
    """A gateway that really runs, in front of a database behind a network that can be cut."""
    network = Network(seed=1)
    database = network.link(postgres._socket_directory() / ".s.PGSQL.5432")
    names = {
        name: getattr(settings, name).partition("?")[0].rpartition("/")[2]
        for name in ("database_url", "vault_url")
    }
    own = settings.model_copy(update={"api_keys": SecretStr(""), "gateway_port": free_port()})
    proxied = {
        name: f"postgresql+psycopg://postgres@127.0.0.1:{database.port}/{one}" for name, one in names.items()
    }
    beside = open_workspace(own)
    behind = open_workspace(own.model_copy(update=proxied))
    try:
        with crew(behind, tmp_path / "logs") as started:
            started.add("gateway", "services.gateway")
            found = Shop(beside, started, network, database, tmp_path)
            until(found.answers, 30, lambda: started.log("gateway"))
            yield found
    finally:
        for process in found.running.values():
            process.kill()
            process.wait()
        behind.close()
        beside.close()
        network.close()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def test_five_sdks_lose_nothing_over_a_crash_and_an_outage(shop):
    """While all five send, the gateway is killed, and later its journal is away: each event is there once."""
    shop.begin()
    until(lambda: len(shop.recorded()) > COUNT // 2, 20, "nothing arrives")

    crashed = shop.crew.pid("gateway")
    os.kill(crashed, signal.SIGKILL)
    until(
        lambda: shop.crew.parents["gateway"].pids().get("gateway", crashed) != crashed,
        15,
        "not started again",
    )
    until(shop.answers, 15, "the gateway does not come back")

    with shop.journal_away():
        before, refusals, end = set(shop.recorded()), [], time.monotonic() + OUTAGE_SECONDS
        until(lambda: refusals.append(shop.probe()) or time.monotonic() > end, 30, "no answer")
        assert {one.status_code for one in refusals} == {503}
        assert all(int(one.headers["retry-after"]) > 0 for one in refusals)
        assert refusals[0].json()["code"] == "unavailable"
        assert set(shop.recorded()) == before
    until(lambda: shop.probe().status_code == 200, 15, "the gateway does not recover")

    until(shop.ended, DONE_SECONDS, lambda: f"still sending: {shop.still_sending()}")
    told = shop.told()
    assert {name: len(set(ids)) for name, ids in told.items()} == dict.fromkeys(SDKS, COUNT)
    for ids in told.values():  # each of them sent before, and had something to send again
        assert before.intersection(ids)
        assert set(ids) - before
    recorded = shop.recorded()
    assert len(recorded) == len(set(recorded))
    assert set(recorded) == {"probe"}.union(*told.values())
    assert shop.workspace.quarantine.counts() == {}

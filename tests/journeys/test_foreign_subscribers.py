"""Subscribers that know nothing but the AsyncAPI page: they join late, and reach our table of customers."""

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from events import schema
from infra.customer_state.topic import StateTopic
from infra.local.kafka import LocalKafka
from infra.relay import Relay
from infra.topics_admin import create_topics
from infra.workspace import Workspace, open_workspace
from services.api.app import create_app as create_api
from services.gateway.app import create_app as create_gateway
from services.sandbox.playing import Player
from tests.support import node
from tests.support.clock import SetClock
from tests.support.folding import fold

ROOT = Path(__file__).parents[2]
CONFLUENT = ROOT / "tests" / "support" / "subscriber_confluent.py"
ASYNCAPI = schema.FOLDER / "asyncapi.json"
KEY = {"Authorization": "Bearer test-key"}
SECONDS = 60


class World:
    """A workspace in front of a real broker, entered and read as outsiders do."""

    def __init__(self, workspace: Workspace, bootstrap: str, clock: SetClock) -> None:
        self.workspace, self.bootstrap, self.clock = workspace, bootstrap, clock
        self.prefix = workspace.settings.topic_prefix
        create_topics(bootstrap, self.prefix)
        self.gateway = TestClient(create_gateway(workspace), headers=KEY)
        self.api = TestClient(create_api(workspace), headers=KEY, follow_redirects=False)
        self.states = StateTopic(
            workspace.engine, bootstrap, self.prefix, workspace.rules, workspace.settings.zone, clock
        )

    def imported(self, type: str, *identifiers: dict[str, str], **data: Any) -> None:
        """Hand in what another system left."""
        self.send(type, *identifiers, days=300, origin="import", **data)

    def send(
        self, type: str, *identifiers: dict[str, str], days: float = 0, origin: str = "live", **data: Any
    ) -> None:  # fmt: skip
        """Hand an event in, as any sender would; `days` ago is when it happened."""
        item = {
            "type": type, "source": "shop", "source_id": f"{self.workspace.journal.head()}", "data": data,
            "origin": origin, "identifiers": identifiers,
            "occurred_at": (self.clock.now() - timedelta(days=days)).isoformat(),
        }  # fmt: skip
        answer = self.gateway.post("/v1/touches", json=item)
        assert answer.json()["accepted"] == 1, answer.text

    def customer(self, **identifier: str) -> str:
        """Who an identifier leads to."""
        found = self.api.get("/v1/customers", params=identifier).json()["customers"]
        return str(found[0]["customer"])

    def decide(self, path: str, **body: Any) -> Any:
        """A person's word about identities, through the API."""
        answer = self.api.post(path, json=body)
        assert answer.status_code in (200, 202), answer.text
        return answer.json()

    def carry(self) -> None:
        """Let relay, projector and the states' writer do what waits for them."""
        relay = Relay(self.workspace.engine, self.bootstrap, self.prefix)
        topics = relay.topics()
        while relay.step(topics):
            pass
        fold(self.workspace)
        topic = self.states.topic()
        while self.states.step(topic):
            pass

    def ours(self) -> dict[str, Any]:
        """The table as our API tells it: every customer there is, the erased left out."""
        with self.workspace.engine.connect() as connection:
            ids = [str(one) for one in connection.exec_driver_sql("SELECT id FROM customer").scalars()]
            gone = connection.exec_driver_sql("SELECT customer FROM journal WHERE type = 'customer.erased'")
            erased = {str(one) for one in gone.scalars()}
        rows = {}
        for one in ids:
            answer = self.api.get(f"/v1/customers/{one}")
            if answer.status_code == 200 and one not in erased:
                rows[one] = self._row(one, answer.json())
        return rows

    def _row(self, one: str, view: dict[str, Any]) -> dict[str, Any]:
        params = {"type": "touch.recorded", "limit": 200}
        touches = self.api.get(f"/v1/customers/{one}/timeline", params=params).json()
        assert touches["next"] is None
        return {
            "touches": len(touches["items"]),
            "purchases": sum(each["purchases"] for each in view["value"] or []),
            "open_opportunities": sorted(each["opportunity_id"] for each in view["opportunities"]),
            "open_cases": sorted(each["case_id"] for each in view["cases"]),
        }

    def told(self) -> dict[tuple[str, str], dict[str, Any]]:
        """What each subscriber says, having read from the first message: (who, from which topic) → their table."""

        def confluent(mode: str) -> str:
            return subprocess.run(
                [sys.executable, str(CONFLUENT), str(ASYNCAPI), self.bootstrap, self.prefix, mode],
                capture_output=True, text=True, timeout=SECONDS, check=True, cwd=ROOT / "tests",
            ).stdout  # fmt: skip

        def kafkajs(mode: str) -> str:
            return node.run(
                "subscriber.mjs", str(ASYNCAPI), self.bootstrap, self.prefix, mode, seconds=SECONDS
            )

        asked = [(who, mode) for who in (confluent, kafkajs) for mode in ("events", "state")]
        with ThreadPoolExecutor(len(asked)) as pool:
            answers = list(pool.map(lambda one: json.loads(one[0](one[1])), asked))
        return {(who.__name__, mode): told for (who, mode), told in zip(asked, answers, strict=True)}


@pytest.fixture
def world(settings, kafka: LocalKafka) -> Iterator[World]:
    """A workspace that a broker carries."""
    clock = SetClock()
    known = settings.model_copy(update={"kafka_bootstrap": kafka.bootstrap})
    opened = open_workspace(known, clock)
    yield World(opened, kafka.bootstrap, clock)
    opened.close()


def account(number: int) -> dict[str, str]:
    return {"kind": "account", "issuer": "shop", "value": str(number)}


def phone(number: int) -> dict[str, str]:
    return {"kind": "phone", "value": f"+1415555{2000 + number}"}


def lived(world: World) -> None:
    """Some days of a shop: people who are merged by what they show or by a word, parted, split and blocked."""
    chance = random.Random(11)
    for number in range(12):
        world.send("touch.recorded", account(number), phone(number), channel="voice", direction="inbound")
        for _ in range(chance.randint(0, 3)):
            world.send(
                "purchase.recorded", account(number), days=chance.uniform(0, 90), amount="10", currency="EUR"
            )
        if number % 3 == 0:
            world.imported("case.imported", account(number), case_id=f"c{number}", kind="fault", status="open",
                           reason="line.dead")  # fmt: skip
        if number % 4 == 1:
            world.imported("opportunity.imported", account(number), opportunity_id=f"o{number}", subject="loan",
                           **({"closed": "won"} if number == 5 else {}))  # fmt: skip
    who = [world.customer(account=str(number), issuer="shop") for number in range(12)]
    world.carry()
    world.decide(f"/v1/customers/{who[0]}/merge", other=who[1])
    world.decide(f"/v1/customers/{who[2]}/merge", other=who[3])
    world.send("purchase.recorded", account(3), amount="5", currency="EUR")
    world.send("touch.recorded", phone(2), channel="chat", direction="inbound")
    world.decide(f"/v1/customers/{who[2]}/unmerge", why="two people")
    world.decide(f"/v1/customers/{who[4]}/merge", other=who[5])
    world.decide(f"/v1/customers/{who[4]}/merge", other=who[6])
    world.decide(f"/v1/customers/{who[4]}/unmerge", restored=who[5], why="two people")
    world.decide(f"/v1/customers/{who[7]}/split", identifiers=[phone(7)], why="the brother's phone")
    world.send("touch.recorded", phone(7), channel="voice", direction="inbound")
    world.decide(f"/v1/customers/{who[8]}/block", identifier=phone(8), why="shared")
    world.send("touch.recorded", phone(9), account(9), days=200, channel="email", direction="inbound")


def test_two_foreign_subscribers_join_late_and_reach_our_table(world):
    """Merged, parted, split, late, sent twice, repeated by the relay, erased: and both say what our API says."""
    lived(world)
    people = Player(world.workspace).play("one")
    world.carry()
    ours = world.ours()
    assert people["ben"] in ours
    assert people["dora"] not in ours
    assert {row["purchases"] for row in ours.values()} >= {0, 1, 2}
    assert any(row["open_cases"] for row in ours.values())
    assert any(row["open_opportunities"] for row in ours.values())
    without_touches = {
        one: {name: value for name, value in row.items() if name != "touches"} for one, row in ours.items()
    }
    for (who, mode), told in world.told().items():
        assert told == (ours if mode == "events" else without_touches), (who, mode)

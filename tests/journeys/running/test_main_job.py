"""The main job from outside: files in, views, model, lists, topics; and the README, line by line."""

import os
import random
import re
import signal
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from confluent_kafka import Producer

from tests.support.receiving import until
from tests.support.system import PATIENCE, ROOT, System


def readme(name: str) -> str:
    """One of the README's blocks, as it stands."""
    text = (ROOT / "README.md").read_text()
    found = re.search(rf"<!-- run: {name} -->\n```bash\n(.*?)```", text, re.DOTALL)
    assert found, f"the README has no block {name}"
    return found.group(1)


@pytest.fixture(scope="module")
def shop(system: System, tmp_path_factory: pytest.TempPathFactory) -> int:
    """A year and a half of a small shop's purchases, imported; how many lines."""
    chance, lines = random.Random(7), []
    for customer in range(1, 401):
        day, gap = date(1997, 1, 1) + timedelta(chance.randrange(80)), chance.choice((9, 25, 60, 140))
        while day < date(1998, 7, 1):
            lines.append((customer, day, chance.randint(1, 4), round(chance.uniform(8, 60), 2)))
            if chance.random() < 0.12:
                break
            day += timedelta(1 + int(chance.expovariate(1 / gap)))
    path = tmp_path_factory.mktemp("shop") / "CDNOW_master.txt"
    path.write_text("".join(f" {c:05d} {d:%Y%m%d} {n} {m:6.2f}\n" for c, d, n, m in sorted(lines)))
    told = system.touchstone("import", str(path), "--mapping", "cdnow")
    assert f"{len(lines):,}" in told
    system.folded()
    return len(lines)


def test_a_second_import_of_the_same_file_is_all_duplicates(system, shop, tmp_path_factory):
    path = next(tmp_path_factory.getbasetemp().glob("shop*/CDNOW_master.txt"))
    told = system.touchstone("import", str(path), "--mapping", "cdnow")
    assert re.search(rf"duplicates?\D+{shop:,}", told), told


def test_the_readme_sends_a_touch(system):
    assert '"accepted":1' in system.shell(readme("sender")) or '"duplicates":1' in system.shell(
        readme("sender")
    )


def test_the_readme_trains_lists_and_subscribes(system, shop):
    scientist = system.shell(readme("scientist"))
    assert "recency" in scientist
    assert "scored" in scientist
    system.folded()
    marketer = system.shell(readme("marketer"))
    assert "candidates" in marketer
    assert "rank" in marketer
    subscriber = system.shell(readme("subscriber"))
    assert "target_list.published" in subscriber
    assert "target_list.member_added" in subscriber


def test_a_worker_killed_in_mid_work_loses_nothing(system):
    with httpx.Client(base_url=system.where("gateway"), headers=system.headers, timeout=60) as gateway:
        for batch in range(8):
            items = [
                {"type": "touch.recorded", "source": "load", "source_id": f"{batch}-{n}",
                 "identifiers": [{"kind": "account", "issuer": "load", "value": str(n % 97)}],
                 "data": {"channel": "voice", "direction": "inbound"}}
                for n in range(500)
            ]  # fmt: skip
            assert gateway.post("/v1/touches", json=items).json()["accepted"] == 500
            if batch == 3:
                os.kill(worker(system).pid, signal.SIGKILL)
    system.folded()
    with httpx.Client(base_url=system.where("api"), headers=system.headers) as api:
        found = api.get("/v1/customers", params={"account": "5", "issuer": "load"}).json()
        customer = api.get(f"/v1/customers/{found['customers'][0]['customer']}").json()
    expected = sum(n % 97 == 5 for n in range(500)) * 8
    assert customer["contacts"]["ever"] == expected


def worker(system: System) -> psutil.Process:
    """The projector's process, found among the supervisor's children."""
    children = psutil.Process(system.pid).children()
    return next(one for one in children if one.cmdline()[-1] == "projector")


def test_what_others_put_on_the_intake_topic_is_recorded_once(system):
    message = (
        b'{"type":"touch.recorded","source":"legacy","source_id":"k1","identifiers":'
        b'[{"kind":"email","value":"kim@example.com"}],"data":{"channel":"email","direction":"inbound"}}'
    )
    producer = Producer({"bootstrap.servers": system.bootstrap, "log_level": 3})
    for _ in range(3):
        producer.produce("touchstone.intake", message, b"kim")
    producer.produce("touchstone.intake", b"not json", b"noise")
    producer.flush(30)
    with httpx.Client(base_url=system.where("api"), headers=system.headers) as api:
        found = until(
            lambda: api.get("/v1/customers", params={"email": "kim@example.com"}).json().get("customers"),
            PATIENCE,
        )
        page = until(
            lambda: api.get(f"/v1/customers/{found[0]['customer']}/timeline").json().get("items"), PATIENCE
        )
    assert [entry["source"] for entry in page] == ["legacy"]
    until(lambda: "not_json" in system.said(), PATIENCE)


def test_a_captured_opportunity_reaches_its_department_and_a_missed_follow_up_is_told(system):
    with httpx.Client(base_url=system.where("api"), headers=system.headers) as api:
        body = {"subject": "leased_line.50m", "value": 12000, "currency": "EUR",
                "identifiers": [{"kind": "email", "value": "office@mill.example"}]}  # fmt: skip
        answer = api.post("/v1/opportunities", json=body, headers={"Idempotency-Key": "mill"})
        one = answer.raise_for_status().json()["opportunity_id"]

        def state() -> dict[str, Any]:
            return api.get(f"/v1/opportunities/{one}").raise_for_status().json()

        assert until(lambda: state()["department"], PATIENCE) == "corporate"
        until(lambda: state()["missed"] == 1, PATIENCE)
        types = [entry["type"] for entry in state()["history"]]
    assert types.count("opportunity.follow_up_missed") == 1


def test_a_rebuild_gives_the_same_views(system, shop):
    with httpx.Client(base_url=system.where("api"), headers=system.headers, timeout=60) as api:
        found = api.get("/v1/customers", params={"account": "00007", "issuer": "cdnow"}).json()["customers"]
        path = f"/v1/customers/{found[0]['customer']}?as_of=1998-07-01T00:00:00Z"
        before = api.get(path).json()
        assert "folded anew" in system.touchstone("rebuild")
        assert api.get(path).json() == before
    system.folded()


def test_no_process_listens_to_the_world(system):
    for process in [psutil.Process(system.pid), *psutil.Process(system.pid).children(recursive=True)]:
        for connection in process.net_connections(kind="inet"):
            if connection.status == psutil.CONN_LISTEN:
                assert connection.laddr.ip in ("127.0.0.1", "::1"), (process.cmdline(), connection.laddr)


def test_what_is_said_of_a_missing_workspace_helps(system, tmp_path: Path):
    lost = System(tmp_path, "")
    with pytest.raises(AssertionError, match="touchstone up"):
        lost.touchstone("status")

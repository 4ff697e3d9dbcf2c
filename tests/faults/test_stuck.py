"""Workers that are dead, stuck, or come back from the dead: noticed, replaced, and harmless."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import func, select

from infra.clock import SystemClock
from infra.process.stuck import PATIENCE_SECONDS
from infra.process.supervisor import Spec, Supervisor
from infra.topics_admin import create_topics
from infra.workspace import Workspace, open_workspace
from models.tables.readers import ledger, reader_position
from services.cli.stack import environment
from tests.support.faults.crew import crew, until
from tests.support.folding import rows
from tests.support.sending import account, purchase, send

AGAIN_SECONDS = 12.0
REPLACED_SECONDS = 60.0
SLOW = "tests.support.faults.slow_projector"


@pytest.fixture
def workspace(settings, kafka) -> Iterator[Workspace]:
    """A workspace with a broker, whose clock is the machine's."""
    opened = open_workspace(settings.model_copy(update={"kafka_bootstrap": kafka.bootstrap}), SystemClock())
    create_topics(kafka.bootstrap, settings.topic_prefix)
    yield opened
    opened.close()


def buy(workspace: Workspace, *names: str) -> None:
    send(workspace, *(purchase(name, account(name), at=datetime.now(UTC)) for name in names))


def folded(workspace: Workspace) -> bool:
    with workspace.engine.connect() as connection:
        entered = connection.execute(select(func.count()).select_from(ledger)).scalar_one()
    return entered == workspace.journal.head()


def ended(why: str) -> float:
    return (
        REGISTRY.get_sample_value("touchstone_process_ended_total", {"process": "projector", "why": why})
        or 0.0
    )


def test_the_first_event_after_a_kill_is_folded_within_twelve_seconds(workspace, tmp_path, figures):
    with crew(workspace, tmp_path / "logs") as workers:
        workers.add("relay")
        workers.add("projector")
        buy(workspace, "1")
        until(lambda: folded(workspace), 60, lambda: workers.log("projector"))
        os.kill(workers.pid("projector"), signal.SIGKILL)
        buy(workspace, *map(str, range(2, 30)))
        took = until(lambda: folded(workspace), AGAIN_SECONDS, lambda: workers.log("projector"))
        figures["folding again after (s)"] = round(took, 1)


def test_a_consumer_that_lives_and_reads_nothing_is_noticed_counted_and_replaced(
    workspace, tmp_path, long, figures
):
    before = ended("stuck")
    spec = Spec("projector", SLOW, ("stuck", str(tmp_path), str(PATIENCE_SECONDS if long else 9)))
    parent = Supervisor([spec], tmp_path / "logs", environment(workspace.settings))
    with crew(workspace, tmp_path / "logs") as workers:
        workers.add("relay")
        parent.start()
        try:
            buy(workspace, "1")
            until(lambda: (tmp_path / "stuck").exists(), 60, "it never read")
            buy(workspace, *map(str, range(2, 30)))
            took = until(lambda: folded(workspace), REPLACED_SECONDS, lambda: workers.log("relay"))
            figures["replaced and folded after (s)"] = round(took, 1)
        finally:
            parent.stop()
    assert ended("stuck") == before + 1


def test_a_worker_that_comes_back_from_the_dead_with_a_batch_in_hand_writes_nothing(workspace, tmp_path):
    env = environment(workspace.settings)
    command = [sys.executable, "-m", SLOW, "zombie", str(tmp_path)]
    log = tmp_path / "zombie.log"
    with crew(workspace, tmp_path / "logs") as workers, log.open("w") as output:
        workers.add("relay")
        zombie = subprocess.Popen(command, env=env, stdout=output, stderr=output)
        try:
            buy(workspace, "1", "2")
            until(lambda: (tmp_path / "in-hand").exists(), 60, log.read_text)
            holder = _holders(workspace)
            zombie.send_signal(signal.SIGSTOP)
            workers.add("projector")
            buy(workspace, *map(str, range(3, 30)))
            until(lambda: folded(workspace), 60, lambda: workers.log("projector"))
            assert _holders(workspace).isdisjoint(holder)
            before = _everything(workspace)
            (tmp_path / "go").touch()
            zombie.send_signal(signal.SIGCONT)
            until(lambda: '"fenced"' in log.read_text(), 30, log.read_text)
            assert _everything(workspace) == before
        finally:
            zombie.kill()
            zombie.wait()


def _holders(workspace: Workspace) -> set[str]:
    with workspace.engine.connect() as connection:
        return set(connection.execute(select(reader_position.c.holder)).scalars())


def _everything(workspace: Workspace) -> dict[str, object]:
    with workspace.engine.connect() as connection:
        entered = connection.execute(select(func.count()).select_from(ledger)).scalar_one()
    return {"ledger": entered} | {name: rows(workspace, name) for name in ("timeline", "customer_360")}

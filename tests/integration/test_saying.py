"""What a worker under faust says is JSON lines, from its start to its end."""

import json
import signal
import subprocess
import sys

import httpx
import pytest

from infra.topics_admin import create_topics
from services.cli.stack import environment
from tests.integration.test_deploying import free_ports
from tests.support.faults.crew import until

PATIENCE = 60


@pytest.mark.parametrize("role", ["sweep", "intake"])
def test_no_line_is_for_a_terminal(settings, kafka, role):
    told = settings.model_copy(update={"kafka_bootstrap": kafka.bootstrap})
    create_topics(kafka.bootstrap, told.topic_prefix)
    port = free_ports()
    with (settings.var / "out").open("wb") as output:
        worker = subprocess.Popen(
            [sys.executable, "-m", "services.workers", role], stdout=output, stderr=output,
            env={**environment(told), "TOUCHSTONE_METRICS_PORT": str(port)},
        )  # fmt: skip
    try:
        until(lambda: _ready(port), PATIENCE, "it is not ready")
    finally:
        worker.send_signal(signal.SIGTERM)
        worker.wait(PATIENCE)
    for line in (settings.var / "out").read_text().splitlines():
        assert {"message", "level", "timestamp"} <= json.loads(line).keys()


def _ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health/ready", timeout=5).status_code == 200
    except httpx.TransportError:
        return False

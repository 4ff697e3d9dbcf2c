"""One running system for all tests of this folder, started by the command that a user would give."""

from collections.abc import Iterator

import pytest

from infra.local.kafka import LocalKafka
from tests.support.doors import CONNECTORS
from tests.support.system import System


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory, kafka: LocalKafka) -> Iterator[System]:
    """Everything, with connectors to a system of each kind."""
    var = tmp_path_factory.mktemp("system")
    connectors = var / "connectors.toml"
    connectors.write_text(CONNECTORS)
    found = System(
        var, kafka.bootstrap, TOUCHSTONE_CONNECTORS=str(connectors), TOUCHSTONE_WEBHOOK_HOSTS="127.0.0.1"
    )
    found.touchstone("up", "--detach")
    yield found
    found.touchstone("down")

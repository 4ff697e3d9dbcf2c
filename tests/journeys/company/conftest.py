"""A simulated telephone company in a running system of its own, for the pages that scientists and marketers follow."""

from collections.abc import Iterator

import pytest

from tests.support.system import System


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Everything but a broker: nothing on these pages needs one."""
    found = System(tmp_path_factory.mktemp("company"), "")
    found.touchstone("up", "--detach", "--no-kafka")
    yield found
    found.touchstone("down")

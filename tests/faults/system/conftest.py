"""The system that the tests here share."""

from collections.abc import Iterator

import pytest

from tests.support.faults.rig import Rig
from tests.support.faults.running import LONG, SEED


class Systems:
    """The system that the tests share; one that a test left broken is replaced."""

    def __init__(self, factory: pytest.TempPathFactory) -> None:
        self._factory = factory
        self._rig: Rig | None = None

    def get(self) -> Rig:
        """The running system."""
        if self._rig is None:
            self._rig = Rig(self._factory.mktemp("system"), SEED)
            self._rig.start()
        return self._rig

    def drop(self) -> None:
        """End it; whoever comes next gets a new one."""
        if self._rig is not None:
            self._rig.stop()
        self._rig = None


@pytest.fixture(scope="package")
def systems(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Systems]:
    """Whoever keeps the shared system."""
    found = Systems(tmp_path_factory)
    yield found
    found.drop()


@pytest.fixture
def system(systems: Systems) -> Iterator[Rig]:
    """A running system in good health, and the book of all that it was ever sent."""
    rig = systems.get()
    yield rig
    if LONG or rig.broken:  # so much was sent that the next would only be slower
        systems.drop()

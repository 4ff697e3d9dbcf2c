"""A world of fifteen hundred customers, lived through once."""

import pytest

from services.simulator.spec import Spec
from tests.unit.simulator.living import BEGIN, Lived, live_through


@pytest.fixture(scope="session")
def lived() -> Lived:
    """Fifteen hundred customers over a year."""
    return live_through(Spec(begin=BEGIN, customers=1_500, months=12, seed=7))

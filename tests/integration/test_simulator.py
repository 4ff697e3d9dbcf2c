"""A small world through a real gateway: every item is taken, everybody is recognised, and live is live."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import distinct, func, select

from infra.clock import SystemClock
from infra.workspace import Workspace, open_workspace
from models.tables.journal import journal
from services.gateway.app import create_app
from services.importer.sending import GatewayProblem
from services.simulator.secret import Assignment, read_secrets
from services.simulator.simulating import GatewayAddress, simulate
from services.simulator.spec import Spec

GATEWAY = GatewayAddress("http://gateway", "test-key")
SPEC = Spec(begin=datetime(2025, 3, 1, tzinfo=UTC), customers=40, months=7, seed=13)


def opener(workspace: Workspace):
    """A client of the workspace's own gateway."""
    return lambda url: TestClient(create_app(workspace), base_url=url)


def test_every_item_of_a_world_is_accepted_once_and_belongs_to_its_customer(workspace, tmp_path):
    told = []
    first = simulate(
        SPEC, GATEWAY, truth=tmp_path / "truth.ndjson.gz", opener=opener(workspace),
        progress=lambda report, share: told.append((report.received, share)),
    )  # fmt: skip
    assert (first.refused, first.quarantined, first.problems) == (0, 0, [])
    assert first.items == first.received == first.accepted > 1_000
    assert told[-1] == (first.items, 1.0)
    with workspace.engine.connect() as connection:
        people = connection.scalar(
            select(func.count(distinct(journal.c.customer))).where(journal.c.source == "telecom-13")
        )
        nobodys = connection.scalar(
            select(func.count()).where(journal.c.source == "telecom-13", journal.c.customer.is_(None))
        )
        tried = connection.scalar(select(func.count()).where(journal.c.type == "attempt.made"))
    assert (people, nobodys) == (40, 0)
    secrets = [one for one in read_secrets(tmp_path / "truth.ndjson.gz") if isinstance(one, Assignment)]
    assert tried == sum(not one.held_out for one in secrets) > 0

    again = simulate(SPEC, GATEWAY, opener=opener(workspace))
    assert (again.accepted, again.duplicates) == (0, first.items)
    assert again.codes["content_differs"] == 0


def test_calls_in_their_parts_are_accepted(workspace):
    report = simulate(replace(SPEC, months=2, parts=True), GATEWAY, opener=opener(workspace))
    assert report.items == report.accepted > 0
    with workspace.engine.connect() as connection:
        started = connection.scalar(select(func.count()).where(journal.c.type == "contact.started"))
    assert started > 0


def test_a_wrong_key_ends_it_with_a_sentence(workspace):
    with pytest.raises(GatewayProblem, match="key"):
        simulate(SPEC, GatewayAddress("http://gateway", "not-the-key"), opener=opener(workspace))


@pytest.fixture
def present(settings) -> Iterator[Workspace]:
    """A workspace by the machine's clock."""
    opened = open_workspace(settings, SystemClock())
    yield opened
    opened.close()


def test_a_live_world_sends_nothing_before_it_happens(present):
    """A month in about three seconds; each item is recorded when its moment has come."""
    begin = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1)
    spec = replace(SPEC, begin=begin, customers=6, months=1, origin="live", speed=800_000.0)
    report = simulate(spec, GATEWAY, opener=opener(present))
    assert report.items == report.accepted > 0
    with present.engine.connect() as connection:
        live = connection.execute(
            select(journal.c.occurred_at, journal.c.recorded_at).where(
                journal.c.source == "telecom-13", journal.c.origin == "live"
            )
        ).all()
    assert live
    assert all(begin <= occurred <= recorded for occurred, recorded in live)
    assert (max(recorded for _, recorded in live) - begin).total_seconds() >= 2

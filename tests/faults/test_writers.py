"""Slow writers and a reader that polls: it sees every position, in order, and there is none that is missing."""

import asyncio
import time
from contextlib import aclosing
from datetime import datetime
from itertools import count
from random import Random
from threading import Thread
from typing import Any

import msgspec
from sqlalchemy import event, text

from infra.clock import SystemClock
from infra.feeds import JournalFeed
from infra.settings import Settings
from infra.workspace import Workspace, open_workspace
from models.errors import Unavailable
from tests.support.sending import account, item

PAUSE_SECONDS = 0.004
"""At most so long a writer dawdles after it has the lock, and again before it commits."""
PATIENCE = 120.0


class DawdlingClock(SystemClock):
    """Asked for the time under the journal's lock, it takes its time."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance

    def now(self) -> datetime:
        """Late, and sometimes very late."""
        time.sleep(self._chance.uniform(0, PAUSE_SECONDS))
        return super().now()


def _writer(settings: Settings, chance: Random) -> Workspace:
    found = open_workspace(settings, DawdlingClock(chance))
    event.listen(found.engine, "commit", lambda _: time.sleep(chance.uniform(0, PAUSE_SECONDS)))
    return found


def _write(workspace: Workspace, name: str, events: int, chance: Random) -> None:
    """So many events in batches of any size; whatever fails is sent again."""
    door, numbers = workspace.door(name), count()
    while events > 0:
        batch = [
            msgspec.json.encode(item(f"{name}-{next(numbers)}", account(f"{name}-{n % 5}"), channel="voice"))
            for n in range(min(events, chance.choice((1, 20, 60, 100))))
        ]
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                answers = door.receive(batch)
                break
            except Unavailable:
                assert time.monotonic() < deadline, "the database does not take it"
        assert {one.verdict for one in answers} <= {"accepted", "duplicate"}
        events -= len(batch)


async def _read(workspace: Workspace, until: int) -> list[int]:
    """The positions as a poller meets them, up to the last."""
    found: list[int] = []
    source = JournalFeed(workspace.engine)
    async with aclosing(source.batches(lambda *_: 0)) as batches:
        async for (batch,) in batches:
            found += [one.position for one in batch.envelopes]
            if len(found) >= until:
                break
    return found


def test_a_polling_reader_skips_no_position_of_two_slow_writers(
    settings: Settings, seed: int, long: bool, figures: dict[str, object]
) -> None:
    """Now and then the database ends the connection of a writer that is in the middle of an append."""
    events = 50_000 if long else 10_000
    chance = Random(f"{seed}:writers")
    writers = [_writer(settings, Random(f"{seed}:{n}")) for n in range(2)]
    reader = open_workspace(settings)
    threads = [
        Thread(target=_write, args=(one, f"w{n}", events, Random(f"{seed}:batches {n}")), daemon=True)
        for n, one in enumerate(writers)
    ]
    links = 2 * 5  # each writer's five accounts are linked once
    try:
        for thread in threads:
            thread.start()
        reading = Thread(target=(found := _Reading(reader, 2 * events + links)).run, daemon=True)
        reading.start()
        kills = 0
        while any(thread.is_alive() for thread in threads):
            time.sleep(chance.uniform(0.1, 0.4))
            kills += _kill_a_writer(reader, chance)
        for thread in [*threads, reading]:
            thread.join(PATIENCE)
    finally:
        for one in (*writers, reader):
            one.close()
    figures |= {"positions": len(found.positions), "backends killed": kills}
    assert found.positions == list(range(1, 2 * events + links + 1))


class _Reading:
    """A poller in a thread of its own."""

    def __init__(self, workspace: Workspace, until: int) -> None:
        self._workspace, self._until = workspace, until
        self.positions: list[int] = []

    def run(self) -> None:
        """Read up to the last position."""
        self.positions = asyncio.run(_read(self._workspace, self._until))


def _kill_a_writer(reader: Workspace, chance: Random) -> int:
    """End the connection of somebody who is in the middle of an append."""
    with reader.engine.connect() as connection:
        busy: Any = connection.execute(
            text("SELECT pid FROM pg_locks WHERE relation = 'journal_head'::regclass ORDER BY pid")
        ).scalars().all()  # fmt: skip
        if not busy:
            return 0
        ended = connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": chance.choice(busy)})
        return int(bool(ended.scalar()))

"""The swap: folding stops for a moment, the rest is followed, and the rebuilt tables become the live ones."""

import time
from collections.abc import Callable, Sequence
from datetime import datetime

from psycopg.errors import DeadlockDetected, LockNotAvailable
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError

from infra.database import unavailable
from infra.rebuilding import plan, tables
from infra.rebuilding.following import fold_those_behind, look
from infra.view_store import ViewStore
from models.errors import Unavailable

MOST = 2_000
"""Owners that are folded while folding stands still; with more behind, another round comes first."""

FOLDS_SECONDS = 10.0
"""How long a swap waits for the folds under way; no other begins meanwhile."""

READERS_SECONDS = 2.0
"""How long it keeps folding waiting for readers that were there before."""

LOCK_SECONDS = 0.8
"""How long it keeps readers waiting. Less than PostgreSQL's deadlock_timeout: no reader is ever its victim."""

PATIENCE_SECONDS = 600.0
"""How long it tries, while everything goes on."""

PAUSE_SECONDS = 1.0
"""Between two tries, so that folding comes to its turn."""

LOOK_SECONDS = 0.02


class Behind(Exception):
    """Too much has been folded since: follow it first."""


class _Held(Exception):
    """Somebody reads since before, and goes on reading."""


def swap(engine: Engine, stores: Sequence[ViewStore], notice: Callable[[str], None]) -> float:
    """Put the rebuilt tables in the place of the live ones, in one transaction; the seconds folding stood still.

    Raises `Behind`, or `Unavailable` where readers do not end; then the live tables are as they were.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    stood_still = 0.0
    while time.monotonic() < deadline:
        _await_readers(engine, deadline, notice)
        began = time.monotonic()
        try:
            with unavailable():
                _swap(engine, stores)
            return stood_still + time.monotonic() - began
        except _Held:
            stood_still += time.monotonic() - began
            time.sleep(PAUSE_SECONDS)
    raise Unavailable("somebody goes on reading the views, so they were not swapped: run it again later")


def _swap(engine: Engine, stores: Sequence[ViewStore]) -> None:
    live = ", ".join(f'"{store.projection.name}"' for store in stores)
    rebuilt = ", ".join(f'"{store.table.name}"' for store in stores)
    with engine.begin() as connection, engine.connect() as beside:
        _lock(connection, "view_generation", "ACCESS EXCLUSIVE", FOLDS_SECONDS)
        _lock(connection, live, "EXCLUSIVE", FOLDS_SECONDS)  # whoever else writes views
        # Committed before the swap: a reader whose snapshot is older than these rows would miss them.
        with beside.execution_options(isolation_level="REPEATABLE READ").begin():
            _follow(beside, stores)
        if not _gone(connection, _readers(connection), READERS_SECONDS):
            raise _Held
        _lock(connection, f"{live}, {rebuilt}", "ACCESS EXCLUSIVE", LOCK_SECONDS)
        for store in stores:
            tables.put_in_place(connection, store.projection.name, store.projection.generation)
        plan.clear(connection)


def _lock(connection: Connection, names: str, mode: str, seconds: float) -> None:
    connection.execute(text(f"SET LOCAL lock_timeout = '{seconds * 1000:.0f}ms'"))
    try:
        connection.execute(text(f"LOCK TABLE {names} IN {mode} MODE"))
    except OperationalError as error:
        if isinstance(error.orig, (LockNotAvailable, DeadlockDetected)):
            raise _Held from None
        raise


def _follow(connection: Connection, stores: Sequence[ViewStore]) -> None:
    if look(connection) > MOST:
        raise Behind
    fold_those_behind(connection, stores)


def _await_readers(engine: Engine, deadline: float, notice: Callable[[str], None]) -> None:
    """While everything goes on, until whoever has been reading for a while has ended."""
    with unavailable(), engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        readers = _readers(connection)
        if not _gone(connection, readers, READERS_SECONDS):
            notice("waiting for somebody who has been reading for a while")
            _gone(connection, readers, deadline - time.monotonic())


def _readers(connection: Connection) -> set[tuple[int, datetime]]:
    """Transactions that see the database as of some moment by now. Who waits for us will look again."""
    connection.execute(text("SELECT pg_stat_clear_snapshot()"))
    found = connection.execute(
        text(
            "SELECT pid, xact_start FROM pg_stat_activity WHERE datname = current_database() "
            "AND backend_type = 'client backend' AND backend_xmin IS NOT NULL AND pid <> pg_backend_pid() "
            "AND pg_backend_pid() <> ALL(pg_blocking_pids(pid))"
        )
    )
    return set(found.tuples())


def _gone(connection: Connection, readers: set[tuple[int, datetime]], seconds: float) -> bool:
    """Have these let go of what they saw, at the latest after so many seconds?"""
    deadline = time.monotonic() + seconds
    while readers:
        if time.monotonic() > deadline:
            return False
        time.sleep(LOOK_SECONDS)
        readers &= _readers(connection)
    return True

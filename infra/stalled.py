"""A writer that died or froze in mid-transaction, over a connection that nobody closed, keeps its locks.

PostgreSQL waits for its next word; in the middle of a COPY no time limit of PostgreSQL 16 ends that. So whoever
has waited too long for a lock ends the sessions that hold one and wait for a client that says nothing.
"""

from typing import Any

import structlog
from psycopg.errors import LockNotAvailable
from sqlalchemy import Engine, event, text
from sqlalchemy.exc import SQLAlchemyError

log = structlog.get_logger()
LOCK_SECONDS = 8
"""Longest wait for a lock; our transactions take a fraction of a second, a rebuild's slice about one."""
STALLED_SECONDS = 8
"""Silent for so long in mid-transaction, a client is taken for lost: if it lives, it is told, and tries again."""

_END = text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity AS client "
    "WHERE datname = current_database() AND usename = current_user AND wait_event = 'ClientRead' "
    "AND greatest(state_change, query_start) < clock_timestamp() - make_interval(secs => :seconds) "
    "AND EXISTS (SELECT 1 FROM pg_locks WHERE pg_locks.pid = client.pid AND locktype = 'relation' "
    "AND granted AND mode <> 'AccessShareLock')"
)


def end_whoever_blocks(engine: Engine) -> None:
    """From here on a wait for a lock that times out ends the sessions of clients that went silent."""

    @event.listens_for(engine, "handle_error")
    def freed(context: Any) -> None:
        if isinstance(context.original_exception, LockNotAvailable):
            end_silent(engine)


def end_silent(engine: Engine) -> None:
    """End the sessions that hold locks and wait for a client that says nothing."""
    try:
        with engine.connect() as connection:
            ended = connection.execute(_END, {"seconds": STALLED_SECONDS}).all()
    except SQLAlchemyError as error:
        log.warning("stalled writers not looked for", why=type(error).__name__)
        return
    if ended:
        log.error("stalled writers ended", sessions=len(ended))

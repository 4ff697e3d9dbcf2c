"""Clocks that ran out: due rows → CheckClocks; whoever comes first records it, once."""

from datetime import datetime

import structlog
from prometheus_client import Counter
from sqlalchemy import Engine, select

from infra.database import unavailable
from infra.histories import is_stream
from infra.view_store import ViewStore
from models.domain import opportunity
from models.domain.rules import Rules
from models.errors import Conflict, Refused
from models.handling import handle
from models.ports import By, Log
from models.projections.pipeline import Pipeline

log = structlog.get_logger()
SWEPT = Counter("touchstone_swept_total", "Clocks that a sweep found run out")
BATCH = 200


class Sweeper:
    """Looks for opportunities whose follow-up is due and lets the decider settle them."""

    def __init__(self, engine: Engine, log: Log, rules: Rules) -> None:
        self._engine, self._log = engine, log
        self._store = ViewStore(Pipeline())
        self._decider = opportunity.decider(rules.opportunity)

    def sweep(self, now: datetime) -> int:
        """Settle the rows that are due by `now`; how many were found. Two sweepers share the work."""
        table = self._store.table
        with unavailable(), self._engine.begin() as connection:
            due = connection.execute(
                select(table.c.key, table.c.owner, table.c.state)
                .where(table.c.next_due_at <= now)
                .order_by(table.c.next_due_at)
                .limit(BATCH)
                .with_for_update(skip_locked=True)
            ).all()
            for key, owner, state in due:
                clock = self._store.decode(state).clock
                by = By(
                    source="sweep:opportunity", source_id=f"{clock}:missed", actor="sweep:opportunity",
                    cause=clock, customer="" if is_stream(owner) else owner,
                )  # fmt: skip
                command = opportunity.CheckClocks(opportunity_id=key, now=now)
                try:
                    handle(self._log, self._decider, f"opportunity-{key}", command, by)
                except Refused as refused:  # one row must not keep the others waiting; it stays due
                    log.warning("not swept", opportunity=key, code=refused.code)
                except Conflict:
                    log.warning("not swept", opportunity=key, code="conflict")
            SWEPT.inc(len(due))
            return len(due)

"""Clocks that ran out: due rows → CheckClocks; whoever comes first records it, once."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import structlog
from prometheus_client import Counter
from sqlalchemy import Connection, Engine, select, tuple_

from infra.attempts import MOST, Attempts
from infra.database import unavailable
from infra.journal.histories import is_stream
from infra.logs import described
from infra.process.heart import Heart
from infra.process.watched import WatchedLog
from infra.quarantine import aside
from infra.quarantine.aside import SWEEP, Aside
from infra.view_store import ViewStore
from models.domain import opportunity
from models.domain.rules import Rules
from models.errors import Conflict, Refused, Unavailable
from models.handling import handle
from models.ports import By, Log
from models.projections.pipeline import Pipeline

log = structlog.get_logger()
SWEPT = Counter("touchstone_swept_total", "Clocks that a sweep found run out")
BATCH = 200


class Sweeper:
    """Looks for opportunities whose follow-up is due and lets the decider settle them.

    A row that cannot be settled keeps no other waiting; with the third failed attempt the event that set
    its clock is set aside.
    """

    def __init__(
        self, engine: Engine, log: Log, rules: Rules, heart: Heart, attempts: Attempts, aside: Aside
    ) -> None:
        self._engine, self._log, self._heart = engine, log, heart
        self._attempts, self._aside = attempts, aside
        self._store = ViewStore(Pipeline())
        self._decider = opportunity.decider(rules.opportunity)

    def sweep(self, now: datetime) -> int:
        """Settle the rows that are due by `now`; how many were found. Two sweepers share the work."""
        for clock in self._attempts.spent():  # the predecessor hung on them until its parent killed it
            self._give_up(clock, "hung", "its handler did not come to an end")
        found = 0
        self._heart.wait()
        try:
            for due in self._pages(now):
                found += len(due)
                SWEPT.inc(len(due))
        finally:
            self._heart.rest()
        return found

    def _pages(self, now: datetime) -> Iterator[Sequence[Any]]:
        """Page by page, each locked while it is settled."""
        after: tuple[Any, ...] | None = None
        while True:
            with unavailable(), self._engine.begin() as connection:
                due = self._due(connection, now, after)
                passed_over = aside.held(connection, SWEEP)
                for _, key, owner, state in due:
                    clock = self._store.decode(state).clock
                    if clock not in passed_over:
                        self._check(key, owner, clock, now)
            if due:
                yield due
                after = (due[-1].next_due_at, due[-1].key)
            if len(due) < BATCH:
                return

    def _due(self, connection: Connection, now: datetime, after: tuple[Any, ...] | None) -> Sequence[Any]:
        table = self._store.table
        place = (table.c.next_due_at, table.c.key)
        later = [tuple_(*place) > after] if after else []
        return connection.execute(
            select(table.c.next_due_at, table.c.key, table.c.owner, table.c.state)
            .where(table.c.next_due_at <= now, *later)
            .order_by(*place)
            .limit(BATCH)
            .with_for_update(skip_locked=True)
        ).all()

    def _check(self, key: str, owner: str, clock: str, now: datetime) -> None:
        by = By(
            source="sweep:opportunity", source_id=f"{clock}:missed", actor="sweep:opportunity",
            cause=clock, customer="" if is_stream(owner) else owner,
        )  # fmt: skip
        command = opportunity.CheckClocks(opportunity_id=key, now=now)
        watched = WatchedLog(self._log, self._heart, clock)
        try:
            handle(watched, self._decider, f"opportunity-{key}", command, by)
        except Unavailable:
            raise
        except Refused as refused:  # one row must not keep the others waiting; it stays due
            log.warning("not swept", event_id=clock, code=refused.code)
        except Conflict:
            log.warning("not swept", event_id=clock, code="conflict")
        except Exception as error:
            log.warning("attempt failed", reader=SWEEP, event_id=clock, **described(error))
            if self._attempts.failed(clock) >= MOST:
                self._give_up(clock, "failed", f"its handler raised {type(error).__name__} every time")
        self._heart.wait()

    def _give_up(self, clock: str, how: str, detail: str) -> None:
        self._aside.event(clock, f"{SWEEP}_{how}", detail)
        self._attempts.forget([clock])

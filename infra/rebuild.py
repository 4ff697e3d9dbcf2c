"""Filling the views anew from the journal, owner by owner, while everything goes on."""

from collections.abc import Callable

from sqlalchemy import Engine, func, select

from infra.database import unavailable
from infra.projector import Projector
from models.tables.views import fold_head

SLICE = 500
"""Owners that share a transaction: their rows are locked while they are folded."""


def rebuild(engine: Engine, projector: Projector, progress: Callable[[int, int], None]) -> int:
    """Refold every owner's history into all views; how many owners there were.

    Each owner's rows change in one transaction, so a reader sees them before or after, never between.
    All views are folded together: the ledger says of an event that it is in all of them. Nothing is
    caused by it.
    """
    with unavailable(), engine.connect() as connection:
        total = connection.execute(select(func.count()).select_from(fold_head)).scalar_one()
    done, after = 0, ""
    while True:
        with unavailable(), engine.begin() as connection:
            owners = list(
                connection.execute(
                    select(fold_head.c.owner)
                    .where(fold_head.c.owner > after)
                    .order_by(fold_head.c.owner)
                    .limit(SLICE)
                    .with_for_update()
                ).scalars()
            )
            projector.refold(connection, owners)
        if not owners:
            return done
        done, after = done + len(owners), owners[-1]
        progress(done, total)

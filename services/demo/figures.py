"""What the demo counts for its report, straight from the journal and the views."""

from collections import Counter
from datetime import datetime

from sqlalchemy import func, select

from infra import populations
from infra.view_store import ViewStore
from infra.workspace import Workspace
from models.projections.catalogue import projections
from models.projections.lifecycle import LifecycleView
from models.projections.pipeline import Pipeline
from models.tables.journal import journal
from services.demo.result import MonthCount


def by_month(workspace: Workspace, wire: str, source: str) -> list[MonthCount]:
    """How many events of a type a source has, month by month."""
    month = func.date_trunc("month", journal.c.occurred_at).label("month")
    counted = (
        select(month, func.count())
        .where(journal.c.type == wire, journal.c.source == source)
        .group_by(month)
        .order_by(month)
    )
    with workspace.engine.connect() as connection:
        rows = connection.execute(counted).all()
    return [MonthCount(source=source, month=at, what=wire, count=count) for at, count in rows]


def won_by_month(workspace: Workspace, source: str) -> list[MonthCount]:
    """How many opportunities of a source were won, month by month."""
    store, count = ViewStore(Pipeline()), Counter[datetime]()
    won = select(store.table.c.state).where(store.table.c.source == source, store.table.c.stage == "won")
    with workspace.engine.connect() as connection:
        for state in connection.execute(won).scalars():
            at = store.decode(state).intervals[-1].since
            count[at.replace(day=1, hour=0, minute=0, second=0, microsecond=0)] += 1
    return [MonthCount(source=source, month=at, what="won", count=count[at]) for at in sorted(count)]


def stages(workspace: Workspace, issuer: str, at: datetime) -> dict[str, int]:
    """How many customers of an issuer are in each life-cycle stage at a moment."""
    customers = populations.customers_of(workspace.engine, issuer)
    views = projections(workspace.rules, workspace.settings.zone)
    view = next(one for one in views if isinstance(one, LifecycleView))
    store, count = ViewStore(view), Counter[str]()
    with workspace.engine.connect() as connection:
        for owner, state in connection.execute(select(store.table.c.owner, store.table.c.state)):
            if owner in customers:
                now = view.present(store.decode(state), at).now
                count[now.stage if now else "unknown"] += 1
    return dict(count)

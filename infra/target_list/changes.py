"""Who entered and left a list, in order, as its events have told it."""

from datetime import datetime
from typing import Literal

from msgspec import Struct
from sqlalchemy import select

from events.target_list import (
    TargetListMemberAdded,
    TargetListMemberLeft,
    TargetListMemberReturned,
    TargetListPublished,
)
from infra.database import unavailable
from infra.journal.stored import read
from infra.workspace import Workspace
from models.tables.journal import journal, journal_head
from models.tables.lists import target_list

STEPS = (TargetListMemberAdded, TargetListMemberLeft, TargetListMemberReturned)


class Change(Struct, frozen=True, kw_only=True):
    """One member's step; `rule` is what they left by, `rank` where they entered."""

    position: int
    at: datetime
    customer: str
    change: Literal["entered", "left", "returned"]
    rule: str = ""
    rank: int | None = None


class Changes(Struct, frozen=True, kw_only=True):
    """Steps after a position; `until` is the last of them, or what was asked with, at most the journal's head."""

    items: list[Change]
    until: int
    replaced_by: str | None


def changes(workspace: Workspace, published: TargetListPublished, since: int, limit: int) -> Changes:
    """At most this many steps of a list's members after a position in the journal. Raises `Unavailable`."""
    table = target_list.c
    newer = (
        select(table.list_id)
        .where(table.series == published.series, table.origin == "live", table.as_of > published.as_of)
        .order_by(table.as_of.desc())
        .limit(1)
    )
    with unavailable(), workspace.engine.connect() as connection:
        found = read(
            connection, journal.c.source == f"target_list:{published.list_id}",
            journal.c.type.in_([one.WIRE for one in STEPS]), journal.c.position > since, limit=limit,
        )  # fmt: skip
        head = connection.execute(select(journal_head.c.position)).scalar_one()
        replaced_by = connection.execute(newer).scalar_one_or_none()
    items = []
    for e in found:
        told = e.event
        said = Change(position=e.position, at=e.occurred_at, customer=e.customer, change="returned")
        if isinstance(told, TargetListMemberAdded):
            said = Change(
                position=e.position, at=e.occurred_at, customer=e.customer, change="entered", rank=told.rank
            )
        elif isinstance(told, TargetListMemberLeft):
            said = Change(
                position=e.position, at=e.occurred_at, customer=e.customer, change="left", rule=told.rule
            )
        items.append(said)
    return Changes(
        items=items, until=items[-1].position if items else min(since, head), replaced_by=replaced_by
    )

"""The frozen rows of lists: written once, read by place."""

from collections.abc import Collection, Sequence
from datetime import datetime

import msgspec
from sqlalchemy import Connection, func, select
from sqlalchemy.dialects import postgresql

from events import codec
from events.target_list import TargetListPublished
from events.vocabulary import Origin
from infra.database import copy_rows, unavailable
from infra.workspace import Workspace
from models.domain.target_list import ListRow, Part, decoded, window
from models.tables.lists import target_list, target_list_row

CHUNK = 1_000
announced = msgspec.json.Decoder(TargetListPublished)
"""What is kept of a list's announcement, read back."""


def freeze(
    workspace: Workspace, published: TargetListPublished, rows: Sequence[tuple[ListRow, bytes]], origin: Origin,
    now: datetime, *, priority: int, days_open: int,
) -> bool:  # fmt: skip
    """Write a list and all its rows in one transaction; False where it is there already."""
    with unavailable(), workspace.engine.begin() as connection:
        row = postgresql.insert(target_list).values(
            list_id=published.list_id, purpose=published.purpose, as_of=published.as_of, origin=origin,
            series=published.series, priority=priority, expires_at=window(published.as_of, days_open)[1],
            published=codec.encode(published), built_at=now,
        )  # fmt: skip
        entered = connection.execute(row.on_conflict_do_nothing().returning(target_list.c.list_id)).all()
        if entered:
            copy_rows(
                connection, target_list_row, ["list_id", "place", "customer", "part", "rule", "row"],
                (
                    (published.list_id, place, row.customer, row.part, row.rule, line)
                    for place, (row, line) in enumerate(rows, start=1)
                ),
            )  # fmt: skip
    return bool(entered)


def frozen(
    connection: Connection, list_id: str, parts: Collection[Part], *, after: int = 0, limit: int = CHUNK
) -> list[tuple[int, ListRow]]:
    """Rows of a list with their places, in canonical order, beginning after a place."""
    found = connection.execute(
        select(target_list_row.c.place, target_list_row.c.row)
        .where(target_list_row.c.list_id == list_id, target_list_row.c.part.in_(list(parts)))
        .where(target_list_row.c.place > after)
        .order_by(target_list_row.c.place)
        .limit(limit)
    )
    return [(place, decoded(row)) for place, row in found]


def left_out_by(connection: Connection, list_id: str) -> dict[str, int]:
    """How many of a list's candidates each rule left out."""
    rule, count = target_list_row.c.rule, func.count()
    query = select(rule, count).where(
        target_list_row.c.list_id == list_id, target_list_row.c.part != "member"
    )
    return dict(connection.execute(query.group_by(rule).order_by(rule)).all())


def is_live(workspace: Workspace, list_id: str) -> bool:
    """Was it built as of the moment of its building, and not of a past one?"""
    query = select(target_list.c.origin).where(target_list.c.list_id == list_id)
    with unavailable(), workspace.engine.connect() as connection:
        return connection.execute(query).scalar_one() == "live"

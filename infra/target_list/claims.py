"""Which customers another list has already, where two want the same one.

A list has its members and its hold-out from the moment it is built until its rows expire, as long as no newer one of
its series is there; only lists that were built live do. All of it is frozen, so a list derived again finds the same.
"""

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import Connection, FromClause, exists, select
from sqlalchemy.sql import ColumnElement

from infra.database import among
from models.tables.lists import target_list, target_list_row

HAVING = ("member", "holdout")


def claims(
    connection: Connection,
    customers: Collection[str],
    moment: datetime,
    series: str,
    priority: int,
    *,
    equals: bool = True,
) -> Mapping[str, str]:
    """Of these customers, who is whose: the list of another series that has them and goes before one of this priority.

    With `equals`, one of the same priority does too: it was there first.
    """
    newer = target_list.alias("newer")
    above = target_list.c.priority >= priority if equals else target_list.c.priority > priority
    replaced = exists().where(
        _open(newer, moment), newer.c.series == target_list.c.series, newer.c.as_of > target_list.c.as_of
    )
    query = (
        select(target_list_row.c.customer, target_list.c.list_id)
        .join(target_list, target_list.c.list_id == target_list_row.c.list_id)
        .where(
            _open(target_list, moment),
            target_list.c.expires_at > moment,
            target_list.c.series != series,
            above,
        )
        .where(among(target_list_row.c.customer, customers), target_list_row.c.part.in_(HAVING), ~replaced)
        .order_by(target_list.c.priority, target_list.c.as_of.desc(), target_list.c.list_id)
    )
    return {str(customer): list_id for customer, list_id in connection.execute(query)}


def _open(lists: FromClause, moment: datetime) -> ColumnElement[bool]:
    """Was this one built live, before the moment?"""
    return (lists.c.origin == "live") & (lists.c.as_of < moment)

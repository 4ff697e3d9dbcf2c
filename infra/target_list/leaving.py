"""Members who leave a list, and who come back: told as events, for whoever keeps a copy of it.

Somebody leaves when the next list of the series is without them, or when they may no longer be contacted for this one:
by the rules of a pull. What is told last is kept beside the frozen row, which never changes.
"""

from collections.abc import Mapping, Sequence

from msgspec import Struct
from sqlalchemy import Connection, bindparam, select, update

from events.target_list import TargetListMemberLeft, TargetListMemberReturned, TargetListPublished
from infra.database import unavailable
from infra.target_list.rows import CHUNK
from infra.workspace import Workspace
from models.domain.list_diff import NO_CANDIDATE
from models.ports import By, Write
from models.tables.lists import target_list_row

ACTOR = "touchstone list refresh"


class Standing(Struct, frozen=True):
    """A member as the events have told it so far."""

    place: int
    customer: str
    left_by: str
    turns: int


class Moves(Struct, frozen=True, kw_only=True):
    """How many were told to have left and to have come back."""

    left: int
    returned: int


def settle(
    workspace: Workspace, published: TargetListPublished, rules: Mapping[str, str], replaced_by: str | None = None
) -> Moves:  # fmt: skip
    """Tell who has left by which rule (customer → rule), and who is back; all others are on the list."""
    left = returned = after = 0
    while page := _members(workspace, published.list_id, after):
        after = page[-1].place
        moved = [
            (one, rules.get(one.customer, "")) for one in page if one.left_by != rules.get(one.customer, "")
        ]
        told = [(one, rule) for one, rule in moved if not (one.left_by and rule)]
        _tell(workspace, published, told, replaced_by)
        left += sum(bool(rule) for _, rule in told)
        returned += sum(not rule for _, rule in told)
    return Moves(left=left, returned=returned)


def replace(workspace: Workspace, published: TargetListPublished, former: TargetListPublished) -> Moves:
    """Tell of the former list of the series who is on the new one no longer, and what kept them out."""
    with unavailable(), workspace.engine.connect() as connection:
        now = _parts(connection, published.list_id)
    gone = {
        one.customer: now.get(one.customer, NO_CANDIDATE)
        for page in _pages(workspace, former.list_id)
        for one in page
        if now.get(one.customer, NO_CANDIDATE)
    }
    return settle(workspace, former, gone, published.list_id)


def _parts(connection: Connection, list_id: str) -> dict[str, str]:
    """Customer → the rule that keeps them off; empty for a member."""
    table = target_list_row.c
    found = connection.execute(select(table.customer, table.rule).where(table.list_id == list_id))
    return {str(customer): rule for customer, rule in found}


def _pages(workspace: Workspace, list_id: str) -> "Sequence[Sequence[Standing]]":
    found, after = [], 0
    while page := _members(workspace, list_id, after):
        after = page[-1].place
        found.append(page)
    return found


def _members(workspace: Workspace, list_id: str, after: int) -> list[Standing]:
    table = target_list_row.c
    query = (
        select(table.place, table.customer, table.left_by, table.turns)
        .where(table.list_id == list_id, table.part == "member", table.place > after)
        .order_by(table.place)
        .limit(CHUNK)
    )
    with unavailable(), workspace.engine.connect() as connection:
        return [
            Standing(place, str(customer), left_by, turns)
            for place, customer, left_by, turns in connection.execute(query)
        ]


def _tell(
    workspace: Workspace, published: TargetListPublished, moved: Sequence[tuple[Standing, str]], replaced_by: str | None
) -> None:  # fmt: skip
    """Events first, then what was told: interrupted between, the same events are offered again and not recorded."""
    if not moved:
        return
    about, now = {"list_id": published.list_id, "series": published.series}, workspace.clock.now()
    workspace.log.record_batch([
        (
            By(source=f"target_list:{published.list_id}", source_id=f"turn:{one.customer}:{one.turns + 1}", actor=ACTOR,
               customer=one.customer),
            [Write(stream="", expected=0, events=[(
                TargetListMemberLeft(**about, rule=rule, replaced_by=replaced_by) if rule
                else TargetListMemberReturned(**about),
                now,
            )])],
        )
        for one, rule in moved
    ])  # fmt: skip
    table = target_list_row.c
    change = (
        update(target_list_row)
        .where(table.list_id == published.list_id, table.place == bindparam("at"))
        .values(left_by=bindparam("by"), turns=bindparam("turn"))
    )
    with unavailable(), workspace.engine.begin() as connection:
        connection.execute(
            change, [{"at": one.place, "by": rule, "turn": one.turns + 1} for one, rule in moved]
        )

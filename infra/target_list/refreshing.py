"""Looking at open lists again: whoever may not be contacted any more has left, and may come back."""

from msgspec import Struct
from sqlalchemy import select

from infra.database import unavailable
from infra.target_list.leaving import Moves, settle
from infra.target_list.pull import Pull, find
from infra.workspace import Workspace
from models.tables.lists import target_list


class Refreshed(Struct, frozen=True, kw_only=True):
    """An open list and who moved."""

    list_id: str
    series: str
    moves: Moves


def refresh(workspace: Workspace) -> list[Refreshed]:
    """Settle every list that was built live, is the newest of its series and good by now. Raises `Unavailable`."""
    now, table = workspace.clock.now(), target_list.c
    query = (
        select(table.list_id)
        .where(table.origin == "live", table.recorded_at.is_not(None), table.expires_at > now)
        .distinct(table.series)
        .order_by(table.series, table.as_of.desc())
    )
    with unavailable(), workspace.engine.connect() as connection:
        ids = list(connection.execute(query).scalars())
    found = []
    for list_id in ids:
        listed = find(workspace, list_id)
        rules = Pull(workspace, listed, addresses=False, look_only=True).left_out_by
        moves = settle(workspace, listed.published, rules)
        found.append(Refreshed(list_id=list_id, series=listed.published.series, moves=moves))
    return found

"""Why somebody is on a list or not, and when they may be contacted next."""

import re
from datetime import datetime, timedelta

from msgspec import Struct
from sqlalchemy import Connection, select

from events.target_list import TargetListPublished
from events.vocabulary import Channel
from infra.database import among, unavailable
from infra.journal.histories import joined, members
from infra.standing import Standings, place_of_view, reachable
from infra.target_list.building import terms_for
from infra.target_list.pull import find, newest
from infra.target_list.terms import CALENDARS, legal_basis
from infra.workspace import Workspace
from models.domain.calling_window import Window, next_window, times_for
from models.domain.list_diff import MEMBER, NO_CANDIDATE
from models.domain.permission import permission
from models.domain.target_list import ListRow, decoded
from models.errors import Refused
from models.tables.lists import target_list_row

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class NextContact(Struct, frozen=True, kw_only=True):
    """When they may be contacted next for the list's purpose, by what is known and allowed now.

    `rule` says why not; with a window it is empty. `until` is how far ahead was looked.
    """

    rule: str = ""
    channel: Channel | None = None
    basis: str = ""
    window: Window | None = None
    until: datetime


class Asked(Struct, frozen=True, kw_only=True):
    """What a list says of one customer: `rule` is `member`, why they are none, or `no_candidate`.

    `customer` is the id in the list: who was merged since may be on it under another id than the one asked for.
    """

    published: TargetListPublished
    customer: str
    rule: str
    row: ListRow | None
    next: NextContact

    @property
    def release(self) -> dict[str, str]:
        """Of the formula and of the calendars that the rule was applied with."""
        said = self.published.definition
        return {name: said[name] for name in ("formula", *CALENDARS) if name in said}


def ask(workspace: Workspace, customer: str, list_id: str | None = None) -> Asked:
    """Ask a list, or the one built last, about one customer.

    Raises `Refused`: `customer.unknown`, `list.unknown` (no such list, or none at all yet). `Unavailable`.
    """
    if list_id is None:
        lists = newest(workspace, 1)
        if not lists:
            raise Refused("list.unknown", "no list was built here yet: `touchstone list build` does")
        listed = lists[0]
    else:
        listed = find(workspace, list_id)
    with unavailable(), workspace.engine.connect() as connection:
        connection = connection.execution_options(isolation_level="REPEATABLE READ")
        who = joined(connection, customer) if _ID.fullmatch(customer) else None
        if who is None:
            raise Refused("customer.unknown", "no customer has this id")
        row = _row(connection, listed.list_id, customer, who.customer)
        next_ = _next(connection, workspace, listed.published, who.customer, row)
    rule = NO_CANDIDATE if row is None else MEMBER if row.part == "member" else row.rule
    return Asked(
        published=listed.published, customer=row.customer if row else customer, rule=rule, row=row, next=next_
    )


def _row(connection: Connection, list_id: str, asked: str, survivor: str) -> ListRow | None:
    """Their row under the id asked for, else the best placed one of whoever they are one with by now."""
    ids = {asked, survivor, *members(connection, [survivor]).get(survivor, ())}
    found = connection.execute(
        select(target_list_row.c.customer, target_list_row.c.row)
        .where(target_list_row.c.list_id == list_id, among(target_list_row.c.customer, ids))
        .order_by(target_list_row.c.place)
    ).all()
    rows = {str(one): data for one, data in found}
    data = rows.get(asked) or next(iter(rows.values()), None)
    return decoded(data) if data else None


def _next(
    connection: Connection, workspace: Workspace, published: TargetListPublished, customer: str, row: ListRow | None
) -> NextContact:  # fmt: skip
    now = workspace.clock.now()
    terms = terms_for(workspace, published.purpose)
    until = now + timedelta(days=terms.rules.days_open)
    standings = Standings(connection, workspace.rules, workspace.settings.zone)
    stand = next((one for chunk in standings.at(now, {customer}) for one in chunk), None)
    if stand is None or stand.view.erased_at is not None:
        return NextContact(rule="suppressed" if stand else NO_CANDIDATE, until=until)
    channels = (row.channel,) if row and row.channel else terms.rules.channels
    allowed = permission(
        reachable(stand, standings.suppressed()), published.purpose, channels,
        legal_basis(workspace, published), terms.reach,
    )  # fmt: skip
    if isinstance(allowed, str):
        return NextContact(rule=allowed, until=until)
    times = times_for(allowed.channel, published.purpose, terms.calling)
    window = next_window(place_of_view(stand.view, terms.home), times, now, until)
    return NextContact(
        rule="" if window else "no_window",
        channel=allowed.channel,
        basis=allowed.basis,
        window=window,
        until=until,
    )

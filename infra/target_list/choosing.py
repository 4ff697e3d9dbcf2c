"""Who of a list's members may be contacted now, decided a page at a time and of each page by itself."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from msgspec import Struct
from sqlalchemy import Connection, select

from events.target_list import TargetListPublished
from events.vocabulary import Channel
from infra.database import among
from infra.intake import AHEAD
from infra.standing import Standings, of_several_ids, place_of_view
from infra.target_list.claims import claims
from infra.target_list.terms import legal_basis
from infra.workspace import Workspace
from models.domain.calling_window import Place, Window, times_for
from models.domain.identity import Key
from models.domain.permission import Permitted, permission
from models.domain.target_list import ListRow, decoded, still_open
from models.projections.customer_360 import Customer360Row
from models.projections.reachability import addresses, reachable
from models.tables.lists import target_list_row

MERGED = "merged"
"""The rule for a member who turned out to be another one of the same list, or is gone."""


class Chosen(Struct, frozen=True):
    """A member who may be contacted: the identifier if an address was asked for, the hours if those move."""

    key: Key | None
    hours: Window | None


Decided = tuple[int, ListRow, Chosen | str]
"""A place, its row, and how they may be contacted, or the rule by which they may not."""


class Choosing:
    """Decides on members of one list as of one moment of the clock; what is recorded counts at once."""

    def __init__(
        self,
        workspace: Workspace,
        published: TargetListPublished,
        now: datetime,
        *,
        live: bool,
        addresses: bool,
    ) -> None:
        self._workspace, self._published, self._now = workspace, published, now
        self._live, self._addresses = live, addresses
        self.legal_basis = legal_basis(workspace, published)
        self._claimed: Mapping[str, str] = {}

    def decide(self, connection: Connection, rows: Sequence[tuple[int, ListRow]]) -> list[Decided]:
        """Ask of these members how they stand. Senders' clocks may run ahead: their no counts at once."""
        known = self._workspace
        standings = Standings(connection, known.rules, known.settings.zone)
        several = of_several_ids(connection, [row.customer for _, row in rows])
        survivors = {one: survivor for family in several for one, survivor in family.survivors.items()}
        now_are = {survivors.get(row.customer, row.customer) for _, row in rows}
        views = standings.now(self._now + AHEAD, now_are, set(survivors.values()))
        suppressed = standings.suppressed(held for view in views.values() for held in view.identifiers)
        twins = self._members(connection, survivors)
        ids = {one for who, view in views.items() for one in (who, *view.one_with(who))}
        self._claimed = self._claims(connection, ids.union(row.customer for _, row in rows))

        def chosen(place: int, row: ListRow) -> Chosen | str:
            who = survivors.get(row.customer, row.customer)
            view = views.get(who)
            if view is None:
                return MERGED
            others = twins if row.customer in survivors else ()
            if any(
                before < place and survivors[other.customer] == who
                and isinstance(self._chosen(other, who, view, suppressed), Chosen)
                for before, other in others
            ):  # fmt: skip
                return MERGED
            return self._chosen(row, who, view, suppressed)

        return [(place, row, chosen(place, row)) for place, row in rows]

    def _members(self, connection: Connection, customers: Collection[str]) -> list[tuple[int, ListRow]]:
        """The list's members among these: of those that are one by now, whoever ranks first is the one."""
        if not customers:
            return []
        found = connection.execute(
            select(target_list_row.c.place, target_list_row.c.row).where(
                target_list_row.c.list_id == self._published.list_id, target_list_row.c.part == "member",
                among(target_list_row.c.customer, customers),
            )
        )  # fmt: skip
        return [(place, decoded(row)) for place, row in found]

    def _claims(self, connection: Connection, customers: Collection[str]) -> Mapping[str, str]:
        """Which of these a list of a higher priority has by now; a list of the past asks nobody."""
        if not self._live:
            return {}
        priority = int(self._published.definition.get("priority", "0"))
        return claims(connection, customers, self._now, self._published.series, priority, equals=False)

    def _chosen(
        self, row: ListRow, who: str, view: Customer360Row, suppressed: Collection[Key]
    ) -> Chosen | str:
        """How a member may be contacted still, or the rule by which they may not be."""
        known, purpose = self._workspace, self._published.purpose
        asked = reachable(view, suppressed=any(held.key in suppressed for held in view.identifiers))
        channels = (row.channel,) if row.channel else ()
        allowed = permission(asked, purpose, channels, self.legal_basis, known.rules.reach)
        if not isinstance(allowed, Permitted):
            return allowed
        hours = None
        if self._live:
            if not self._claimed.keys().isdisjoint((row.customer, who, *view.one_with(who))):
                return "other_list"
            home = Place((known.settings.zone,), known.settings.region)
            times = times_for(allowed.channel, purpose, known.rules.calling)
            hours = still_open(row, place_of_view(view, home), times, self._now)
            if hours is None:
                return "no_window"
        return Chosen(_address(view, allowed, known.rules.reach) if self._addresses else None, hours)


def _address(
    view: Customer360Row, allowed: Permitted, reach: Mapping[Channel, tuple[str, ...]]
) -> Key | None:
    """The identifier by which they may be reached."""
    found = addresses(view, allowed.channel, reach.get(allowed.channel, ()), allowed)
    return next((held.key for held in found), None)

"""Reading lists, and pulling one: who of its members may be contacted today, and under which address."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from hashlib import sha256

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, Select, select

from events.target_list import TargetListPublished
from events.vocabulary import Channel
from infra.database import unavailable
from infra.identity import families
from infra.intake import AHEAD
from infra.personal.opening import ERASED, UNREADABLE, open_identifiers
from infra.standing import Standing, Standings, reachable
from infra.target_list.approving import require_approval
from infra.target_list.building import frozen, left_out_by
from infra.target_list.candidates import place_of_standing
from infra.target_list.terms import legal_basis
from infra.workspace import Workspace
from models.domain.calling_window import Place, Window, times_for
from models.domain.identity import Key
from models.domain.permission import Permitted, permission
from models.domain.target_list import ListRow, Part, still_open
from models.errors import Refused
from models.projections.reachability import addresses
from models.tables.lists import target_list

PAGE = 500
"""Members whose addresses are in memory at once."""

_published = msgspec.json.Decoder(TargetListPublished)


class Listed(Struct, frozen=True, kw_only=True):
    """A published list: its announcement, when it was built, and whether as of then (`live`) or of the past."""

    published: TargetListPublished
    built_at: datetime
    live: bool

    @property
    def list_id(self) -> str:
        """Its id."""
        return self.published.list_id


class Pulled(Struct, frozen=True, kw_only=True):
    """A member as it is handed out; the address only where it was asked for and can still be read."""

    row: ListRow
    address_kind: str = ""
    address_issuer: str = ""
    address: str = ""


def newest(workspace: Workspace, limit: int) -> list[Listed]:
    """The lists whose events are all recorded, the one built last first."""
    query = _listed().order_by(target_list.c.built_at.desc(), target_list.c.list_id).limit(limit)
    with unavailable(), workspace.engine.connect() as connection:
        return [_as_listed(*row) for row in connection.execute(query)]


def find(workspace: Workspace, list_id: str) -> Listed:
    """One list. Raises `Refused` (`list.unknown`) where there is none, or it is not wholly recorded yet."""
    with unavailable(), workspace.engine.connect() as connection:
        found = connection.execute(_listed().where(target_list.c.list_id == list_id)).one_or_none()
    if found is None:
        raise Refused("list.unknown", "no list has this id")
    return _as_listed(*found)


def rules(workspace: Workspace, list_id: str) -> dict[str, int]:
    """How many of a list's candidates each rule left out."""
    with unavailable(), workspace.engine.connect() as connection:
        return left_out_by(connection, list_id)


def left_out(
    workspace: Workspace, list_id: str, part: Part, *, after: int, limit: int
) -> list[tuple[int, ListRow]]:
    """Those of a part who are no members, each with its rule, from a place on."""
    with unavailable(), workspace.engine.connect() as connection:
        return frozen(connection, list_id, [part], after=after, limit=limit)


class Pull:
    """A list's members as they may be contacted at the moment of the pull.

    The frozen rows never change; whoever has withdrawn consent since, complains now, can't be reached
    on the list's channel any more, or has turned out to be another member as well, is left out here. The
    address is one that what allows the contact reaches. Of a list that was built live, so is whoever has no hour left
    before the row expires, and the others have the hours that are next; one as of a past moment has its own for ever.

    Raises `Refused` (`list.not_approved`), `Unavailable`.
    """

    def __init__(self, workspace: Workspace, listed: Listed, *, addresses: bool) -> None:
        self.listed, self._workspace = listed, workspace
        self._left_out: set[str] = set()
        self._keys: dict[str, Key] = {}
        self._hours: dict[str, Window] = {}
        require_approval(workspace, listed.published)
        self._legal_basis = legal_basis(workspace, listed.published)
        self._addresses = addresses
        with unavailable(), workspace.engine.connect() as connection:
            self._look(connection.execution_options(isolation_level="REPEATABLE READ"))

    @property
    def left_out(self) -> int:
        """How many members are left out of this pull."""
        return len(self._left_out)

    def tag(self, *said: object) -> str:
        """What the bytes of an answer depend on: the frozen list, who is left out, which addresses."""
        parts = [self.listed.published.sha256, *map(str, said), *sorted(self._left_out)]
        parts += ["\x1e".join((one, *key)) for one, key in sorted(self._keys.items())]
        parts += [f"{one} {hours.begin} {hours.end}" for one, hours in sorted(self._hours.items())]
        return sha256("\x1f".join(parts).encode()).hexdigest()[:32]

    def pages(self, after: int = 0) -> Iterator[list[tuple[int, Pulled]]]:
        """The members from a place on, by rank; each page opens its own addresses."""
        while True:
            with unavailable(), self._workspace.engine.connect() as connection:
                page = frozen(connection, self.listed.list_id, ["member"], after=after, limit=PAGE)
                if not page:
                    return
                after = page[-1][0]
                kept = [(place, row) for place, row in page if row.customer not in self._left_out]
                opened = self._opened(connection, kept)
            yield opened  # outside: a slow reader must not hold a connection

    def page(self, after: int, limit: int) -> list[tuple[int, Pulled]]:
        """At most this many members from a place on."""
        found: list[tuple[int, Pulled]] = []
        for page in self.pages(after):
            found += page
            if len(found) >= limit:
                break
        return found[:limit]

    def _look(self, connection: Connection) -> None:
        """Ask of every member how they stand. Senders' clocks may run ahead: their no counts at once."""
        now = self._workspace.clock.now() + AHEAD
        standings = Standings(connection, self._workspace.rules, self._workspace.settings.zone)
        taken: set[str] = set()
        suppressed = standings.suppressed()
        after = 0
        while page := frozen(connection, self.listed.list_id, ["member"], after=after, limit=PAGE):
            after = page[-1][0]
            survivors = families.survivors(connection, [row.customer for _, row in page])
            now_are = {survivors.get(row.customer, row.customer) for _, row in page}
            stand = {one.customer: one for chunk in standings.at(now, now_are) for one in chunk}
            for _, row in page:
                who = survivors.get(row.customer, row.customer)
                one = None if who in taken else stand.get(who)
                allowed = self._allowed(row, one, suppressed) if one else None
                if one is None or allowed is None or not self._open(row, one, allowed):
                    self._left_out.add(row.customer)
                    continue
                taken.add(who)
                if self._addresses and (key := _address(one, allowed, self._workspace.rules.reach)):
                    self._keys[row.customer] = key

    def _allowed(self, row: ListRow, one: Standing, suppressed: frozenset[Key]) -> Permitted | None:
        channels = (row.channel,) if row.channel else ()
        asked = permission(
            reachable(one, suppressed), self.listed.published.purpose, channels,
            self._legal_basis, self._workspace.rules.reach,
        )  # fmt: skip
        return asked if isinstance(asked, Permitted) else None

    def _open(self, row: ListRow, one: Standing, allowed: Permitted) -> bool:
        """Is there still an hour at which they may be contacted, where they are by now?"""
        if not self.listed.live:
            return True
        known = self._workspace
        home = Place((known.settings.zone,), known.settings.region)
        times = times_for(allowed.channel, self.listed.published.purpose, known.rules.calling)
        hours = still_open(row, place_of_standing(one, home), times, known.clock.now())
        if hours is not None:
            self._hours[row.customer] = hours
        return hours is not None

    def _opened(
        self, connection: Connection, page: Sequence[tuple[int, ListRow]]
    ) -> list[tuple[int, Pulled]]:
        keys = {row.customer: self._keys[row.customer] for _, row in page if row.customer in self._keys}
        values = open_identifiers(connection, self._workspace.vault, list(keys.values()))
        return [(place, _pulled(self._dated(row), keys.get(row.customer), values)) for place, row in page]

    def _dated(self, row: ListRow) -> ListRow:
        hours = self._hours.get(row.customer)
        if hours is None:
            return row
        return msgspec.structs.replace(row, contact_from=hours.begin, contact_until=hours.end)


def _pulled(row: ListRow, key: Key | None, values: Mapping[Key, str]) -> Pulled:
    value = values.get(key, ERASED) if key else ERASED
    if key is None or value in (ERASED, UNREADABLE):
        return Pulled(row=row)
    return Pulled(row=row, address_kind=key[0], address_issuer=key[1], address=value)


def _address(one: Standing, allowed: Permitted, reach: Mapping[Channel, tuple[str, ...]]) -> Key | None:
    """The identifier by which they may be reached."""
    found = addresses(one.view, allowed.channel, reach.get(allowed.channel, ()), allowed)
    return next((held.key for held in found), None)


def _listed() -> Select[bytes, datetime, str]:
    return select(target_list.c.published, target_list.c.built_at, target_list.c.origin).where(
        target_list.c.recorded_at.is_not(None)
    )


def _as_listed(data: bytes, built_at: datetime, origin: str) -> Listed:
    return Listed(published=_published.decode(data), built_at=built_at, live=origin == "live")

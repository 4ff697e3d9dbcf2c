"""Reading lists, and pulling one: who of its members may be contacted today, and under which address."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import msgspec
from msgspec import Struct
from sqlalchemy import Select, func, select

from events.target_list import TargetListPublished
from infra.database import unavailable
from infra.personal.opening import ERASED, UNREADABLE, open_identifiers
from infra.target_list.approving import require_approval
from infra.target_list.choosing import Choosing, Chosen, Decided
from infra.target_list.rows import frozen, left_out_by
from infra.workspace import Workspace
from models.domain.identity import Key
from models.domain.target_list import ListRow, Part
from models.errors import Refused
from models.tables.erasure import suppression
from models.tables.lists import target_list

PAGE = 500
"""Members who are decided, and whose addresses are in memory, at once."""

QUARTER = timedelta(minutes=15)

_FORGOTTEN = select(func.count(), func.max(suppression.c.since))

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


class Page(Struct, frozen=True, kw_only=True):
    """Members in a row as they are handed out, with their places on the list.

    `left_out` counts those passed over, `next` is the place to go on after, None at the end of the list. `tag` stands
    for who is in it, in which hours, and under which identifiers.
    """

    items: list[tuple[int, Pulled]]
    left_out: int
    next: int | None
    tag: str


class Pull:
    """A list's members as they may be contacted at the moment of the pull.

    The frozen rows never change; whoever has withdrawn consent since, complains now, can't be reached
    on the list's channel any more, or has turned out to be another member as well, is left out here. The
    address is one that what allows the contact reaches. Of a list that was built live, so is whoever has no hour left
    before the row expires, and the others have the hours that are next; one as of a past moment has its own for ever.

    A live list's member is left out as well where a list of a higher priority has them by now. With `look_only`
    nothing is handed out, so that nobody need have approved it.

    That is decided a page at a time, when the page's turn comes: a no that is recorded while a long list is handed
    out counts from the next page on, and no more than a page is in memory. Clocks are read once, and rounded up to the
    next quarter of an hour: whatever runs out, or closes, before then is over.

    Raises `Refused` (`list.not_approved`), `Unavailable`.
    """

    def __init__(
        self, workspace: Workspace, listed: Listed, *, addresses: bool, look_only: bool = False
    ) -> None:
        self.listed, self._workspace = listed, workspace
        if not look_only:
            require_approval(workspace, listed.published)
        self._now = _quarter_after(workspace.clock.now())
        with unavailable(), workspace.engine.connect() as connection:
            forgotten = connection.execute(_FORGOTTEN).one()
        self._begun = (workspace.journal.head(), *forgotten)  # before anything is decided
        self._choosing = Choosing(
            workspace, listed.published, self._now, live=listed.live, addresses=addresses
        )

    @property
    def left_out_by(self) -> dict[str, str]:
        """Member → the rule by which they are left out of this pull."""
        return {
            row.customer: chosen
            for decided in self._decided(0, PAGE)
            for _, row, chosen in decided
            if isinstance(chosen, str)
        }

    def tag(self, page: Page, *said: object) -> str:
        """What the bytes of a page depend on: the frozen list, and what was decided of it."""
        return _hashed(self.listed.published.sha256, *said, page.tag)

    def tag_ahead(self, *said: object) -> str:
        """What a whole pull may depend on, told before it is decided.

        Beside the frozen list, the rules and the quarter of an hour, that is the end of the journal: so the tag changes
        with whatever is recorded of anybody, far too often, and never too seldom.
        """
        known = self._workspace
        rules = (
            known.rules.reach,
            known.rules.calling,
            self._choosing.legal_basis,
            known.settings.zone,
            known.settings.region,
        )
        return _hashed(
            self.listed.published.sha256,
            *said,
            *self._begun,
            self._now,
            msgspec.json.encode(rules),
        )

    def page(self, after: int, limit: int) -> Page:
        """At most this many members from a place on."""
        kept: list[tuple[int, ListRow, Chosen]] = []
        passed = left_out = 0
        for decided in self._decided(after, min(limit + 1, PAGE)):
            for place, row, chosen in decided:
                if isinstance(chosen, str):
                    passed += 1
                elif len(kept) == limit:
                    return self._page(kept, left_out, kept[-1][0])
                else:
                    kept.append((place, row, chosen))
                    left_out = passed
        return self._page(kept, passed, None)

    def pages(self, after: int = 0) -> Iterator[Page]:
        """The members from a place on, by rank; the last page has no next, and may be empty."""
        for decided in self._decided(after, PAGE):
            kept = [(place, row, chosen) for place, row, chosen in decided if isinstance(chosen, Chosen)]
            following = decided[-1][0] if len(decided) == PAGE else None
            yield self._page(kept, len(decided) - len(kept), following)

    def _page(self, kept: Sequence[tuple[int, ListRow, Chosen]], left_out: int, next_: int | None) -> Page:
        values: dict[Key, str] = {}
        keys = [chosen.key for _, _, chosen in kept if chosen.key]
        if keys:
            with unavailable(), self._workspace.engine.connect() as connection:
                for start in range(0, len(keys), PAGE):
                    values |= open_identifiers(connection, self._workspace.vault, keys[start : start + PAGE])
        return Page(
            items=[(place, _pulled(row, chosen, values)) for place, row, chosen in kept], left_out=left_out,
            next=next_, tag=_hashed(*((place, chosen.key, chosen.hours) for place, _, chosen in kept)),
        )  # fmt: skip

    def _decided(self, after: int, size: int) -> Iterator[list[Decided]]:
        """So many members at a time, each with what was decided; a slow reader holds no connection."""
        engine = self._workspace.engine
        while True:
            with unavailable(), engine.connect() as connection:
                connection = connection.execution_options(isolation_level="REPEATABLE READ")
                rows = frozen(connection, self.listed.list_id, ["member"], after=after, limit=size)
                decided = self._choosing.decide(connection, rows)
            yield decided
            if len(rows) < size:
                return
            after = rows[-1][0]


def _pulled(row: ListRow, chosen: Chosen, values: Mapping[Key, str]) -> Pulled:
    if chosen.hours is not None:
        row = msgspec.structs.replace(row, contact_from=chosen.hours.begin, contact_until=chosen.hours.end)
    key = chosen.key
    value = values.get(key, ERASED) if key else ERASED
    if key is None or value in (ERASED, UNREADABLE):
        return Pulled(row=row)
    return Pulled(row=row, address_kind=key[0], address_issuer=key[1], address=value)


def _quarter_after(now: datetime) -> datetime:
    """Zones are apart by quarters of an hour, and so, mostly, are the hours that close in them."""
    begin = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return begin + -((begin - now) // QUARTER) * QUARTER


def _hashed(*said: object) -> str:
    return sha256("\x1f".join(map(str, said)).encode()).hexdigest()[:32]


def _listed() -> Select[bytes, datetime, str]:
    return select(target_list.c.published, target_list.c.built_at, target_list.c.origin).where(
        target_list.c.recorded_at.is_not(None)
    )


def _as_listed(data: bytes, built_at: datetime, origin: str) -> Listed:
    return Listed(published=_published.decode(data), built_at=built_at, live=origin == "live")

"""Building a published list anew from the journal, and comparing it with what was frozen then."""

from collections.abc import Iterator, Sequence
from itertools import zip_longest

import msgspec
from msgspec import Struct

from events.target_list import TargetListPublished
from infra.database import unavailable
from infra.target_list.building import decide
from infra.target_list.candidates import gather
from infra.target_list.rows import frozen
from infra.target_list.terms import read_back, require_same_releases, underivable
from infra.workspace import Workspace
from models.domain.target_list import EVERYONE, ListRow
from models.errors import Refused


class Difference(Struct, frozen=True, kw_only=True):
    """A place at which the two lists differ: whose rows stand there, and in which fields."""

    place: int
    frozen: str
    derived: str
    fields: tuple[str, ...]


class Derived(Struct, frozen=True, kw_only=True):
    """A list derived again: its canonical lines, their SHA-256, and every place at which the frozen rows differ.

    Where no frozen rows are left, the SHA-256 alone is compared.
    """

    published: TargetListPublished
    lines: tuple[bytes, ...]
    sha256: str
    differences: tuple[Difference, ...]

    @property
    def same(self) -> bool:
        """Are they the bytes that were published, and does what is kept agree?"""
        return self.sha256 == self.published.sha256 and not self.differences


def derive(workspace: Workspace, list_id: str) -> Derived:
    """Build a list again as of its moment, out of what the journal held then.

    Settings come from the published definition, never from today's rules. Events recorded since do not count,
    whenever they say they were known; scores are those that the list's artifact had given by then, so that no model
    is needed, and none is asked.

    Raises `Refused`: `list.unknown`, and `list.underivable` where formula, calendar or definition are not those it
    was published with, or the artifact's scores are not there; it names what differs. `Unavailable`.
    """
    published = announced(workspace, list_id)
    require_same_releases(published.definition)
    terms = read_back(published.definition, published.purpose)
    try:
        gathered = gather(
            workspace, terms, published.as_of, artifact=published.artifact, position=published.position
        )
    except Refused as refused:
        missing = {
            "list.no_scores": f"no score of {published.artifact}",
            "list.nobody": "nobody it could be for",
        }
        if refused.code not in missing:
            raise
        upto = f"up to position {published.position:,} the journal holds"
        raise underivable(f"{upto} {missing[refused.code]}") from None
    again, rows = decide(published.as_of, gathered, published.holdout_seed)
    with unavailable(), workspace.engine.connect() as connection:
        kept = [row for _, row in frozen(connection, list_id, EVERYONE, limit=published.candidates + 1)]
    return Derived(
        published=published, lines=tuple(line for _, line in rows), sha256=again.sha256,
        differences=tuple(_compared(kept, [row for row, _ in rows])) if kept else (),
    )  # fmt: skip


def announced(workspace: Workspace, list_id: str) -> TargetListPublished:
    """A list's announcement as the journal has it. Raises `Refused` (`list.unknown`)."""
    for one in workspace.log.stream(f"target_list-{list_id}"):
        if isinstance(one.event, TargetListPublished):
            return one.event
    raise Refused("list.unknown", "no list has this id")


def _compared(kept: Sequence[ListRow], derived: Sequence[ListRow]) -> Iterator[Difference]:
    for place, (was, now) in enumerate(zip_longest(kept, derived), start=1):
        if was != now:
            before, after = _said(was), _said(now)
            yield Difference(
                place=place, frozen=was.customer if was else "", derived=now.customer if now else "",
                fields=tuple(name for name in ListRow.__struct_fields__ if before.get(name) != after.get(name)),
            )  # fmt: skip


def _said(row: ListRow | None) -> dict[str, object]:
    return msgspec.structs.asdict(row) if row else {}

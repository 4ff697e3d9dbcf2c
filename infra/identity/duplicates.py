"""Proposing that two customers are one, by what they said of themselves. A person decides; nothing is merged."""

from collections.abc import Iterator, Sequence
from datetime import date

from msgspec import Struct
from sqlalchemy import Connection, text

from events import codec, registry
from events.customer import CustomerDescribed
from events.envelope import Envelope
from events.identity import MergeProposed
from infra.database import unavailable
from infra.journal.stored import read
from infra.journal.whose import owners
from infra.personal.opening import Published, open_events
from infra.search.index import readable
from infra.workspace import Workspace
from models.domain.duplicate import WHY, Pair, Person, pairs
from models.errors import Conflict
from models.ports import By, Write
from models.tables.journal import journal

ACTOR = "rule:duplicates"
CHUNK = 2_000
"""Positions of the journal that are read at once."""


class Looked(Struct, frozen=True, kw_only=True):
    """What a look came to: people with name and birthday, pairs among them, those never asked about, recorded."""

    people: int
    pairs: int
    open: Sequence[Pair]
    proposed: int = 0


def look(workspace: Workspace) -> Looked:
    """Compare everybody who told a name and a birthday. Raises `Unavailable`; nothing is recorded."""
    told = _people(workspace)
    found = pairs(told)
    with unavailable(), workspace.engine.connect() as connection:
        asked = _asked(connection)
    new = [pair for pair in found if frozenset((pair.one, pair.other)) not in asked]
    return Looked(people=len(told), pairs=len(found), open=new)


def propose(workspace: Workspace, limit: int) -> Looked:
    """Look, and record at most `limit` proposals, the surest first. Raises `Unavailable`.

    A pair that was ever proposed, declined or parted is not proposed again.
    """
    looked = look(workspace)
    recorded = sum(_record(workspace, pair) for pair in looked.open[:limit])
    return Looked(people=looked.people, pairs=looked.pairs, open=looked.open, proposed=recorded)


def _record(workspace: Workspace, pair: Pair) -> bool:
    """Through the journal, under the id that recognition gives its own proposals: whoever comes first."""
    event = MergeProposed(customer=pair.one, other=pair.other, why=WHY)
    stream = registry.of(event).stream(event)
    by = By(
        source="identity", source_id=f"proposed:{pair.one}:{pair.other}", actor=ACTOR, customer=pair.one
    )  # fmt: skip
    write = Write(
        stream=stream, expected=len(workspace.journal.stream(stream)),
        events=[(event, workspace.clock.now())],
    )  # fmt: skip
    try:
        return workspace.log.record(by, [write])
    except Conflict:
        return False  # somebody decided about them just now: the next look sees what


def _people(workspace: Workspace) -> list[Person]:
    """Customers by what they told last; whoever's keys are gone told nothing."""
    names: dict[str, tuple[tuple[object, ...], str]] = {}
    births: dict[str, tuple[tuple[object, ...], str]] = {}
    for owner, one, data in _told(workspace):
        for kept, field in ((names, "name"), (births, "birthday")):
            value = readable(data.get(field))
            if value and (owner not in kept or kept[owner][0] < one.order):
                kept[owner] = (one.order, value)
    return [
        Person(customer=owner, name=name, birthday=births[owner][1])
        for owner, (_, name) in names.items()
        if owner in births and _is_date(births[owner][1])
    ]


def _told(workspace: Workspace) -> Iterator[tuple[str, Envelope, dict[str, object]]]:
    """Every description with its owner, opened, some at a time."""
    position, head = 0, workspace.journal.head()
    while position < head:
        with unavailable(), workspace.engine.connect() as plain:
            connection = plain.execution_options(isolation_level="REPEATABLE READ")
            found = read(
                connection, journal.c.position > position, journal.c.position <= position + CHUNK,
                journal.c.type == CustomerDescribed.WIRE,
            )  # fmt: skip
            whose = owners(connection, {one.event_id: one.customer for one in found})
        mine = [one for one in found if one.event_id in whose]
        opened = open_events(
            workspace.vault, [Published(one.event_id, one.type, codec.encode(one.event)) for one in mine]
        )
        yield from ((whose[one.event_id], one, data) for one, data in zip(mine, opened, strict=True))
        position += CHUNK


def _asked(connection: Connection) -> set[frozenset[str]]:
    """The pairs, as customers are now, about which a person was asked or has decided."""
    rows = connection.execute(
        text(
            "SELECT a.survivor::text, b.survivor::text FROM "
            "(SELECT one, other FROM identity_proposal UNION SELECT one, other FROM identity_veto) p "
            "JOIN customer a ON a.id = p.one JOIN customer b ON b.id = p.other"
        )
    )
    return {frozenset(pair) for pair in rows.tuples()}


def _is_date(value: str) -> bool:
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True

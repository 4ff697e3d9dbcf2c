"""The histories of many owners, read in bulk: each whole, put right and in fold order, however long it is."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from heapq import merge
from typing import Any

from psycopg import Cursor
from sqlalchemy import Connection

from events.codec import Undecodable
from events.envelope import Envelope
from infra import aside
from infra.aside import PROJECTOR
from infra.database import driver
from infra.folding import FoldFailed
from infra.histories import groups, is_stream, owner_now, owners
from infra.journal import envelope
from models.domain.history import CHANGING, Changes, effective
from models.tables.journal import COLUMNS

LONG = 20_000
"""Events: a longer history is streamed, not held."""

FETCH = 2_000

FOLDED = f"""
EXISTS (SELECT FROM ledger l WHERE l.position = j.position)
AND NOT EXISTS (SELECT FROM set_aside s WHERE s.reader = '{PROJECTOR}' AND s.event_id = j.event_id)
"""
"""SQL on a row `j` of the journal: the views should hold it."""

_READ_AS = {"event_id": "j.event_id::text", "customer": "j.customer::text", "digest": "NULL"}
_SELECT = f"SELECT {', '.join(_READ_AS.get(name, f'j.{name}') for name in COLUMNS)} FROM journal j WHERE "
_THEIRS = "j.customer = ANY(%(ids)s::uuid[]) AND "
_NOBODYS = "j.stream = ANY(%(streams)s) AND j.stream <> '' AND j.customer IS NULL AND "
_CHANGES = [cls.WIRE for cls in CHANGING]
_IN_ORDER = (
    'ORDER BY j.occurred_at, j.stream COLLATE "C", j.revision, j.source COLLATE "C", j.source_id COLLATE "C"'
)


class Owned:
    """Reads histories in a connection's transaction; `counted` is SQL that says which events are in them."""

    def __init__(self, connection: Connection, counted: str) -> None:
        self._connection, self._counted = connection, counted

    def histories(self, wanted: Collection[str]) -> Iterator[tuple[str, Iterable[Envelope]]]:
        """Owner by owner, the history that a fold meets; whom others absorbed has none, and is left out.

        A long one comes as it is read: go through it before asking for the next. Raises `FoldFailed`.
        """
        joined = groups(self._connection, wanted)
        yield from self._some([one for one in wanted if one in joined or is_stream(one)], joined)

    def _some(
        self, wanted: Sequence[str], joined: Mapping[str, list[str]]
    ) -> Iterator[tuple[str, Iterable[Envelope]]]:
        members = {one: joined[one] for one in wanted if one in joined}
        survivor = owners(members)
        streams = [one for one in wanted if one not in joined]
        rows = self._read(list(survivor), streams)
        if rows is not None:
            found: dict[str, list[Envelope]] = {one: [] for one in wanted}
            for one in map(_event, rows):
                found[owner_now(one, survivor)].append(one)
            del rows
            for owner in wanted:
                yield owner, effective(found.pop(owner))
        elif len(wanted) == 1:
            yield wanted[0], self._streamed(list(survivor), streams)
        else:
            half = len(wanted) // 2
            yield from self._some(wanted[:half], joined)
            yield from self._some(wanted[half:], joined)

    def _read(self, ids: list[str], streams: list[str]) -> list[Any] | None:
        """The rows of customers and of streams that are nobody's; None if they are too many to hold."""
        rows: list[Any] = []
        with driver(self._connection).cursor(binary=True) as cursor:
            for what, names in ((_THEIRS, ids), (_NOBODYS, streams)):
                if names:
                    query = f"{_SELECT}{what}{self._counted} LIMIT {LONG + 1}"
                    rows += cursor.execute(query, {"ids": ids, "streams": streams}).fetchall()
                if len(rows) > LONG:
                    return None
        return rows

    def _streamed(self, ids: list[str], streams: list[str]) -> Iterator[Envelope]:
        """What `effective` gives, without holding more than the changes and what they move."""
        named: dict[str, Any] = {"ids": ids, "streams": streams, "changes": _CHANGES}
        whose = _THEIRS if ids else _NOBODYS
        raw = driver(self._connection)
        with raw.cursor(binary=True) as cursor:
            query = f"{_SELECT}{whose}j.type = ANY(%(changes)s) AND {self._counted}"
            changes = Changes(_envelopes(cursor.execute(query, named)))
            named["moved"] = [one for one in changes.moved if aside.is_id(one)]
            query = f"{_SELECT}{whose}j.event_id = ANY(%(moved)s::uuid[]) AND {self._counted}"
            moved = effective(_applied(changes, _envelopes(cursor.execute(query, named))))
        query = (
            f"{_SELECT}{whose}j.type <> ALL(%(changes)s) AND j.event_id <> ALL(%(moved)s::uuid[]) "
            f"AND {self._counted} {_IN_ORDER}"
        )
        with raw.cursor("history", binary=True) as reader:
            reader.itersize = FETCH
            rest = _applied(changes, _envelopes(reader.execute(query, named)))
            yield from merge(rest, moved, key=lambda e: e.order)


def _envelopes(rows: Cursor[Any]) -> Iterator[Envelope]:
    return map(_event, rows)


def _event(row: Sequence[Any]) -> Envelope:
    try:
        return envelope(row)
    except Undecodable as error:
        raise FoldFailed(f"event {row[COLUMNS.index('event_id')]} cannot be read: {error}") from None


def _applied(changes: Changes, events: Iterable[Envelope]) -> Iterator[Envelope]:
    return (e for one in events if (e := changes.applied(one)) is not None)

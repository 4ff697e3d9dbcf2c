"""The histories of many owners, read in bulk: each whole, put right and in fold order, however long it is."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import partial
from heapq import merge
from typing import Any

from psycopg import Cursor
from sqlalchemy import Connection

from events.codec import Undecodable
from events.envelope import Envelope
from infra.database import driver
from infra.folding import FoldFailed
from infra.journal.histories import SELECT as _SELECT
from infra.journal.histories import THEIRS, Family, families, is_stream, of_each
from infra.journal.stored import envelope
from infra.quarantine import aside
from infra.quarantine.aside import PROJECTOR
from models.domain.history import CHANGING, Changes, effective
from models.domain.ownership import TELLING, Ownership, edges, names
from models.tables.journal import COLUMNS

LONG = 20_000
"""Events: a longer history is streamed, not held."""

FETCH = 2_000

FOLDED = f"""
EXISTS (SELECT FROM ledger l WHERE l.position = j.position)
AND NOT EXISTS (SELECT FROM set_aside s WHERE s.reader = '{PROJECTOR}' AND s.event_id = j.event_id)
"""
"""SQL on a row `j` of the journal: the views should hold it."""

_THEIRS = f"{THEIRS} AND "
_NOBODYS = "j.stream = ANY(%(streams)s) AND j.stream <> '' AND j.customer IS NULL AND "
_CHANGES = [cls.WIRE for cls in CHANGING]
_IN_ORDER = (
    'ORDER BY j.occurred_at, j.stream COLLATE "C", j.revision, j.source COLLATE "C", j.source_id COLLATE "C"'
)


Keep = Callable[[Envelope], Envelope | None]
"""Gives an event as a fold meets it, or None where it is not wanted."""


class Owned:
    """Reads histories in a connection's transaction; `counted` is SQL that says which events are in them."""

    def __init__(self, connection: Connection, counted: str) -> None:
        self._connection, self._counted = connection, counted

    def histories(self, wanted: Collection[str]) -> Iterator[tuple[str, Iterable[Envelope]]]:
        """Owner by owner, the history that a fold meets; whom others absorbed has none, and is left out.

        A long one comes as it is read: go through it before asking for the next. Raises `FoldFailed`.
        """
        streams = [one for one in wanted if is_stream(one)]
        yield from self._some([*families(self._connection, wanted), *streams], set(wanted))

    def _some(
        self, units: Sequence[Family | str], wanted: Collection[str]
    ) -> Iterator[tuple[str, Iterable[Envelope]]]:
        """Families and streams, read together as far as they can be held."""
        of_id = {one: unit for unit in units if isinstance(unit, Family) for one in unit.ids}
        rows = self._read(list(of_id), [unit for unit in units if isinstance(unit, str)])
        if rows is not None:
            found: dict[str, list[Envelope]] = {u.name if isinstance(u, Family) else u: [] for u in units}
            for one in map(_event, rows):
                found[of_id[one.customer].name if one.customer else one.stream].append(one)
            del rows
            for unit in units:
                if isinstance(unit, str):
                    yield unit, effective(found.pop(unit))
                    continue
                theirs = of_each(unit, found.pop(unit.name))
                for owner in unit.ids:
                    if owner in wanted and (owner in theirs or owner in unit.owners):
                        yield owner, effective(theirs.get(owner, []))
        elif len(units) > 1:
            half = len(units) // 2
            yield from self._some(units[:half], wanted)
            yield from self._some(units[half:], wanted)
        elif isinstance(unit := units[0], str):
            yield unit, self._streamed(_NOBODYS, {"streams": [unit]}, _as_it_is)
        else:
            placed = self._ownership(unit).placed if len(unit.ids) > 1 else None
            for owner in unit.owners:
                if owner in wanted:
                    keep = _as_it_is if placed is None else partial(_of, owner, placed)
                    yield owner, self._streamed(_THEIRS, {"ids": list(unit.ids)}, keep)

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

    def _ownership(self, family: Family) -> Ownership:
        """What says whose the events of a long family are, without holding them."""
        named: dict[str, Any] = {
            "ids": list(family.ids),
            "telling": [cls.WIRE for cls in TELLING],
            "changes": _CHANGES,
        }
        with driver(self._connection).cursor(binary=True) as cursor:
            query = f"{_SELECT}{_THEIRS}j.type = ANY(%(telling)s) AND {self._counted}"
            known = edges(_envelopes(cursor.execute(query, named)))
            query = f"{_SELECT}{_THEIRS}j.revision = 1 AND {self._counted}"
            openings = {e.stream: e for e in _envelopes(cursor.execute(query, named))}
            query = f"{_SELECT}{_THEIRS}j.type = ANY(%(changes)s) AND {self._counted}"
            naming = [*openings.values(), *_envelopes(cursor.execute(query, named))]
            named["named"] = [name for e in naming for name in names(e) if aside.is_id(name)]
            query = f"{_SELECT}{_THEIRS}j.event_id = ANY(%(named)s::uuid[]) AND {self._counted}"
            found = {e.event_id: e for e in _envelopes(cursor.execute(query, named))}
        return Ownership(known, openings, found)

    def _streamed(self, whose: str, names: dict[str, Any], keep: Keep) -> Iterator[Envelope]:
        """What `effective` gives, without holding more than the changes and what they move."""
        named: dict[str, Any] = {**names, "changes": _CHANGES}
        raw = driver(self._connection)
        with raw.cursor(binary=True) as cursor:
            query = f"{_SELECT}{whose}j.type = ANY(%(changes)s) AND {self._counted}"
            changes = Changes(_kept(keep, _envelopes(cursor.execute(query, named))))
            named["moved"] = [one for one in changes.moved if aside.is_id(one)]
            query = f"{_SELECT}{whose}j.event_id = ANY(%(moved)s::uuid[]) AND {self._counted}"
            moved = effective(_applied(changes, _kept(keep, _envelopes(cursor.execute(query, named)))))
        query = (
            f"{_SELECT}{whose}j.type <> ALL(%(changes)s) AND j.event_id <> ALL(%(moved)s::uuid[]) "
            f"AND {self._counted} {_IN_ORDER}"
        )
        with raw.cursor("history", binary=True) as reader:
            reader.itersize = FETCH
            rest = _applied(changes, _kept(keep, _envelopes(reader.execute(query, named))))
            yield from merge(rest, moved, key=lambda e: e.order)


def _as_it_is(e: Envelope) -> Envelope | None:
    return e


def _of(
    owner: str, placed: Callable[[Envelope], tuple[str, Envelope] | None], e: Envelope
) -> Envelope | None:
    """The event as this owner's fold meets it; None for another's."""
    found = placed(e)
    return found[1] if found is not None and found[0] == owner else None


def _kept(keep: Keep, events: Iterable[Envelope]) -> Iterator[Envelope]:
    return (kept for e in events if (kept := keep(e)) is not None)


def _envelopes(rows: Cursor[Any]) -> Iterator[Envelope]:
    return map(_event, rows)


def _event(row: Sequence[Any]) -> Envelope:
    try:
        return envelope(row)
    except Undecodable as error:
        raise FoldFailed(f"event {row[COLUMNS.index('event_id')]} cannot be read: {error}") from None


def _applied(changes: Changes, events: Iterable[Envelope]) -> Iterator[Envelope]:
    return (e for one in events if (e := changes.applied(one)) is not None)

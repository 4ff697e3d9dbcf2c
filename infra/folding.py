"""Playing events through several projections at once, event by event, so that a long history need not be held."""

from collections.abc import Iterable, Iterator, Sequence
from traceback import extract_tb
from typing import Any

from sqlalchemy import Connection

from events.envelope import Envelope
from infra.view_store import ViewStore

Line = tuple[Any, ...]
"""A row as its table holds it: see `ViewStore.columns`."""


class FoldFailed(Exception):
    """A history could not be read or folded. The text says by which event and where, never what was in it."""


class Fold:
    """Folds events into one view's rows, and holds what is to be written as lines."""

    def __init__(self, store: ViewStore, rows: dict[str, Any] | None = None) -> None:
        self.store = store
        self._projection = store.projection
        self._rows = rows or {}
        self._owners: dict[str, str] = {}
        self._lines: dict[str, Line] = {}
        self._keys: list[str] = []

    def take(self, event: Envelope, owner: str) -> None:
        """Take an event in, if the view wants it."""
        projection = self._projection
        if not projection.wants(event):
            return
        key = projection.key(event, owner)
        row = projection.apply(self._rows.get(key), event, owner)
        if not projection.row_per_event:
            self._rows[key] = row
            self._owners[key] = owner
        elif row is not None:  # no later event asks for it
            self._lines[key] = self.store.line(key, owner, row)

    def end(self) -> None:
        """The rows are as they are to be written; what is taken from here on begins with none."""
        for key, owner in self._owners.items():
            row = self._rows[key]
            if row is not None:
                self._lines[key] = self.store.line(key, owner, row)
        self._keys += self._owners
        self._owners, self._rows = {}, {}

    def write(self, connection: Connection, *, fresh: bool) -> None:
        """Write all that was ended; `fresh` where no row with such a key stands."""
        if not fresh and self._keys:
            self.store.delete_keys(connection, self._keys)
        if self._lines:
            self.store.copy(connection, self._lines.values())


def lines(
    stores: Sequence[ViewStore], owner: str, history: Iterable[Envelope]
) -> Iterator[tuple[ViewStore, Line]]:
    """An owner's rows in each of these views, folded from nothing. Raises `FoldFailed`."""
    rows: list[dict[str, Any]] = [{} for _ in stores]
    views = [(store, store.projection, found) for store, found in zip(stores, rows, strict=True)]
    for event in history:
        for store, projection, found in views:
            if not projection.wants(event):
                continue
            try:
                key = projection.key(event, owner)
                row = projection.apply(found.get(key), event, owner)
            except Exception as error:
                told = f"{projection.name} cannot fold event {event.event_id}"
                raise FoldFailed(f"{told}: {place_of(error)}") from error
            if not projection.row_per_event:
                found[key] = row
            elif row is not None:
                yield store, store.line(key, owner, row)
    for store, _, found in views:
        for key, row in found.items():
            if row is not None:
                yield store, store.line(key, owner, row)


def place_of(error: Exception) -> str:
    """What was raised and where, without its text: that may hold anything."""
    place = extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {place.name}, line {place.lineno}"

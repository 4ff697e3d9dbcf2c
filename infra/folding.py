"""Playing histories through several projections at once, event by event, so that a long one need not be held."""

from collections.abc import Iterable, Iterator, Sequence
from traceback import extract_tb
from typing import Any

from events.envelope import Envelope
from infra.view_store import ViewStore

Line = tuple[Any, ...]
"""A row as its table holds it: see `ViewStore.columns`."""


class FoldFailed(Exception):
    """A history could not be read or folded. The text says by which event and where, never what was in it."""


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

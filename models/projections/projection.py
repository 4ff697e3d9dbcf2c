"""What every projection is: a fold, an answer for a moment, a name and a generation."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, ClassVar, Generic, TypeVar

from events.envelope import Envelope, Event

Row = TypeVar("Row")


class Projection(Generic[Row]):
    """A read model's rule. It knows no database: rows come in and go out as values.

    `name` is the name of its table, `generation` goes up when the rule changes (a rebuild follows),
    `matches` the events it folds, `row` the type of a row's state. What belongs to no customer is folded
    only by those that say so in `nobodys`; its owner is then its own stream.
    """

    name: ClassVar[str]
    generation: ClassVar[int]
    matches: ClassVar[frozenset[type[Event]]]
    row: ClassVar[Any]
    row_per_event: ClassVar[bool] = False
    nobodys: ClassVar[bool] = False

    def key(self, envelope: Envelope, owner: str) -> str:
        """Which row an event belongs to; by default the owner's one row."""
        return owner

    def apply(self, row: Row | None, envelope: Envelope, owner: str) -> Row | None:
        """The row after an event; None deletes it."""
        raise NotImplementedError

    def present(self, row: Row, at: datetime) -> Row:
        """What the row means at a moment: clocks run without events."""
        return row

    def columns(self, row: Row) -> Mapping[str, object]:
        """What the table holds beside the state, to be found and sorted by."""
        return {}

    def wants(self, envelope: Envelope) -> bool:
        """Does this projection fold events of this kind, and of whom this one is?"""
        return type(envelope.event) in self.matches and (self.nobodys or envelope.customer != "")


def play(projection: Projection[Row], history: Iterable[Envelope], owner: str) -> dict[str, Row]:
    """Fold a history (in fold order) from nothing: the rows by key."""
    rows: dict[str, Row] = {}
    for envelope in history:
        if not projection.wants(envelope):
            continue
        key = projection.key(envelope, owner)
        row = projection.apply(rows.get(key), envelope, owner)
        if row is None:
            rows.pop(key, None)
        else:
            rows[key] = row
    return rows

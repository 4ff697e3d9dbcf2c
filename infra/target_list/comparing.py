"""Two published lists beside each other: who entered, who left and why, as records for people and programs."""

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from msgspec import Struct

from events.target_list import TargetListPublished
from infra.database import unavailable
from infra.identity import families
from infra.target_list.files import cell
from infra.target_list.pull import find
from infra.target_list.rows import frozen
from infra.target_list.wording import in_words
from infra.workspace import Workspace
from models.domain.list_diff import Diff, Moved, diff, settings_changed
from models.domain.target_list import EVERYONE

FIGURES = ("rank", "probability", "value", "profit")
COLUMNS = (
    "customer", "change", "was", "is", "because", "why",
    *(f"{name}_{side}" for name in FIGURES for side in ("before", "after")),
)  # fmt: skip
SAID = ("purpose", "as_of", "artifact", "holdout_seed")
"""What decides a list beside the settings of its definition."""


class Compared(Struct, frozen=True, kw_only=True):
    """An older and a newer list, what moved between them, and the settings in which they differ."""

    before: TargetListPublished
    after: TargetListPublished
    diff: Diff
    settings: dict[str, tuple[str | None, str | None]]


def compare(workspace: Workspace, before: str, after: str) -> Compared:
    """Compare two lists by their frozen rows; who was merged since is one customer.

    Raises `Refused` (`list.unknown`), `Unavailable`.
    """
    older, newer = (find(workspace, one).published for one in (before, after))
    with unavailable(), workspace.engine.connect() as connection:
        connection = connection.execution_options(isolation_level="REPEATABLE READ")
        rows = [
            [row for _, row in frozen(connection, one.list_id, EVERYONE, limit=one.candidates + 1)]
            for one in (older, newer)
        ]
        survivors = families.survivors(connection, {row.customer for some in rows for row in some})
    return Compared(
        before=older, after=newer, diff=diff(rows[0], rows[1], survivors),
        settings=settings_changed(_decisive(older), _decisive(newer)),
    )  # fmt: skip


def records(compared: Compared, *, stayed: bool = False) -> Iterator[dict[str, Any]]:
    """A record for each who entered, then for each who left, and on request for each who stayed."""
    told = {"entered": compared.diff.entered, "left": compared.diff.left}
    told |= {"stayed": compared.diff.stayed} if stayed else {}
    for change, some in told.items():
        for one in some:
            yield _record(change, one)


def as_csv(told: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    """A line of names, then a line a record, safe to open in a spreadsheet."""
    yield _line(COLUMNS)
    for one in told:
        yield _line(tuple(cell(one[name]) for name in COLUMNS))


def as_ndjson(told: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    """One JSON object a line; nothing is altered."""
    for one in told:
        yield msgspec.json.encode(one) + b"\n"


def _record(change: str, one: Moved) -> dict[str, Any]:
    """Where somebody came in, the rule that had kept them out is the reason; else the rule that keeps them out now."""
    said = one.after or one.before
    found: dict[str, Any] = {
        "customer": one.customer, "change": change, "was": one.was, "is": one.now,
        "because": in_words(one.was if change == "entered" else one.now), "why": said.why if said else (),
    }  # fmt: skip
    for name in FIGURES:
        for side, row in (("before", one.before), ("after", one.after)):
            found[f"{name}_{side}"] = (getattr(row, name) or None) if row else None
    return found


def _decisive(published: TargetListPublished) -> dict[str, str]:
    return published.definition | {name: str(getattr(published, name)) for name in SAID}


def _line(cells: tuple[str, ...]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(cells)
    return text.getvalue().encode()

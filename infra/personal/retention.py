"""How long personal values are kept, by event type: after that their keys go, and the events stay without them."""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from msgspec import Struct
from sqlalchemy import select

from events import registry
from infra.database import unavailable
from infra.intake import personal_fields
from infra.raw_body import RawBodies
from infra.search import index as search_index
from infra.workspace import Workspace
from models.tables.journal import journal

PAGE = 5_000
RAW, QUARANTINE = "raw_body", "quarantine"
"""Beside event types, what else a rule may name."""


class Rule(Struct, frozen=True):
    """Personal values of this kind are kept for so many days after they occurred (or were received)."""

    what: str
    days: int


class RetentionProblem(ValueError):
    """A rule names what has no personal values; the message says which, and what may be named."""


def rules_of(keep_days: Mapping[str, int]) -> list[Rule]:
    """The rules of a workspace, checked. Raises `RetentionProblem`."""
    may = {entry.wire for entry in registry.all_types() if personal_fields(entry.cls)} | {RAW, QUARANTINE}
    for what in keep_days:
        if what not in may:
            raise RetentionProblem(
                f"{what!r} has no personal values; a rule may name {', '.join(sorted(may))}"
            )
    return [Rule(what, days) for what, days in sorted(keep_days.items())]


def keep(
    workspace: Workspace, rules: list[Rule], now: datetime, *, dry_run: bool = False
) -> Iterator[Counter[str]]:
    """Forget what is older than its rule allows, a page at a time; what each page forgot, by what it was.

    Doing it again changes nothing. A dry run counts what there is without forgetting. Raises `Unavailable`.
    """
    for rule in rules:
        before = now - timedelta(days=rule.days)
        match rule.what:
            case "raw_body":
                bodies = RawBodies(workspace.engine, workspace.vault)
                count = bodies.count_before(before) if dry_run else bodies.forget_before(before)
                yield Counter({rule.what: count})
            case "quarantine":
                yield Counter({rule.what: workspace.quarantine.forget_before(before, dry_run=dry_run)})
            case wire:
                for ids in _older(workspace, wire, before):
                    yield Counter({wire: _forget(workspace, ids, dry_run)})


def _older(workspace: Workspace, wire: str, before: datetime) -> Iterator[list[str]]:
    after = 0
    while True:
        query = (
            select(journal.c.position, journal.c.event_id)
            .where(journal.c.position > after, journal.c.type == wire, journal.c.occurred_at < before)
            .order_by(journal.c.position)
            .limit(PAGE)
        )
        with unavailable(), workspace.engine.connect() as connection:
            rows = connection.execute(query).all()
        if not rows:
            return
        after = rows[-1].position
        yield [str(row.event_id) for row in rows]


def _forget(workspace: Workspace, ids: list[str], dry_run: bool) -> int:
    """How many of these still had a key; without a dry run they have none any more."""
    if dry_run:
        return len(workspace.vault.fetch(ids))
    count = workspace.vault.forget(ids)
    if count:
        with unavailable(), workspace.engine.begin() as connection:
            search_index.forget(connection, ids)
    return count

"""Appending sealed events in batches of a thousand, beside a bare COPY of the same rows."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import select

from bench.figures import Aim, Figure, Line, Path
from bench.ground import Ground
from bench.people import Senders, batches
from bench.processes import Meter, postgres
from bench.sizes import SEED
from bench.timing import frozen, interleaved, seconds
from infra.database import copy_rows
from infra.identity import store as identity_store
from infra.intake import Pending
from infra.item import Item
from infra.settings import Settings
from infra.workspace import Workspace
from models.tables.journal import WRITTEN, journal

BATCH = 1_000
CUSTOMER = WRITTEN.index("customer")


def measure(ground: Ground, say: Callable[[str], None]) -> Path:
    """Our append into a journal that knows the customers, and a COPY of what it wrote."""
    sizes = ground.sizes
    touches = sealed(ground, sizes.append_events)
    rows: list[tuple[Any, ...]] = []
    cpu: dict[str, float] = {}

    def own(items: list[list[Item]], cpu: dict[str, float]) -> float:
        settings = ground.settings(like=ground.known)
        workspace = ground.open(settings)
        head = workspace.journal.head()
        with frozen():
            meter, before = Meter(PostgreSQL=postgres(ground)), time.process_time()
            took = seconds(lambda: [workspace.journal.append(batch) for batch in items])
            used = {"append": time.process_time() - before, **meter.spent()}
        written = workspace.journal.head() - head
        cpu.update({name: round(spent / written * 1e6, 1) for name, spent in used.items()})
        if not rows:
            rows.extend(_written(workspace, head))
        _close(ground, workspace, settings)
        return written / took

    def recognised() -> float:
        return own(touches, cpu)

    def decided() -> float:
        return own(_without_identifiers(touches, [row[CUSTOMER] for row in rows]), {})

    def bare() -> float:
        settings = ground.settings(like=ground.known)
        workspace = ground.open(settings)
        parts = [rows[at : at + BATCH] for at in range(0, len(rows), BATCH)]

        def copy() -> None:
            for part in parts:
                with workspace.engine.begin() as connection:
                    copy_rows(connection, journal, WRITTEN, part)

        with frozen():
            took = seconds(copy)
        _close(ground, workspace, settings)
        return len(rows) / took

    contestants = {"recognised": recognised, "named": decided, "bare COPY": bare}
    found = interleaved(sizes.runs, contestants, "events/s", say)
    copied, aim = found["bare COPY"], Aim("ratio", "at least", 0.7)
    return Path(
        name="journal_append", title="Journal append, sealed events, batches of 1,000",
        lines=[
            Line(_named(found["named"], "append, customer known to the writer"), copied, aim),
            Line(_named(found["recognised"], "append, customer recognised by identifiers"), copied, aim),
        ],
        cpu=cpu, cpu_unit="CPU seconds per million events",
        notes=[
            f"{len(rows):,} touches with a sealed note, of customers known before. An append is the whole of it: lock, "
            "duplicates, positions, COPY, commit; touches, as they come in, are also recognised under the lock by one "
            "or two identifiers each, while who decides something (a command, a policy, a model) names the customer. "
            "The bare COPY writes the same rows through the same driver, a commit a thousand, into a copy of the same "
            "database.",
        ],
    )  # fmt: skip


def sealed(ground: Ground, count: int, name: str = "append") -> list[list[Item]]:
    """Batches of touches, read, sealed and encoded: all that is left is to append them."""
    workspace = ground.open(ground.known)
    senders, now = Senders(SEED, name), datetime.now(UTC)
    raws = (senders.touch(number % ground.sizes.people) for number in range(count))
    found = []
    for batch in batches(raws, BATCH):
        pending = [one for raw in batch if isinstance(one := workspace.intake.read(raw, now), Pending)]
        with workspace.engine.connect() as connection:
            keys = {value.ref.key for one in pending for value in one.draft.values}
            unknown = identity_store.unknown(connection, keys)
        found.append(workspace.intake.seal(pending, unknown))
    workspace.close()
    return found


def _without_identifiers(batches: list[list[Item]], customers: list[Any]) -> list[list[Item]]:
    """The same events, each with its customer named."""
    whose = iter(customers)
    return [
        [Item((replace(item.drafts[0], customer=next(whose), identifiers=(), values=()),)) for item in batch]
        for batch in batches
    ]


def _named(figure: Figure, what: str) -> Figure:
    return msgspec.structs.replace(figure, what=what)


def _written(workspace: Workspace, head: int) -> list[tuple[Any, ...]]:
    with workspace.engine.connect() as connection:
        found = connection.execute(
            select(*(journal.c[name] for name in WRITTEN))
            .where(journal.c.position > head)
            .order_by(journal.c.position)
        )
        return [tuple(str(value) if isinstance(value, UUID) else value for value in row) for row in found]


def _close(ground: Ground, workspace: Workspace, settings: Settings) -> None:
    workspace.close()
    ground.drop(settings)

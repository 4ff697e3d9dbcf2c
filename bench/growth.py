"""How the cost of a path grows with the journal: append, fold, read, as-of, at journals of several sizes."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random
from statistics import median

import msgspec
from sqlalchemy import text

from bench.figures import Figure, Line, Path, Point
from bench.ground import BASE_CUSTOMERS, Ground
from bench.people import BEGIN, Senders
from bench.sizes import SEED
from bench.timing import seconds
from infra.feeds import Batch
from infra.identity import store as identity_store
from infra.intake import Pending
from infra.item import Item
from infra.projector import Projector
from infra.views import Views
from infra.workspace import Workspace
from models.projections.catalogue import projections
from models.tables.journal import journal

BATCH = 1_000
READS = 60
VIEWS = ["timeline", "customer_360", "lifecycle", "pipeline", "fold_head", "ledger"]
SIZE = text(
    "SELECT sum(pg_total_relation_size(CAST(name AS regclass))) FROM unnest(CAST(:tables AS text[])) AS name"
)


def measure(ground: Ground, say: Callable[[str], None]) -> Path:
    """The same small works at each size."""
    points: list[Point] = []
    lines: list[Line] = []
    for events in ground.sizes.growth:
        settings = ground.grown(events)
        workspace = ground.open(settings)
        figures = _at(workspace, events, ground.sizes.runs, ground.copies(events))
        stored = _stored(workspace, events)
        workspace.close()
        points += [Point(figure.what, events, figure.median, figure.unit) for figure in figures]
        lines += [
            Line(msgspec.structs.replace(one, what=f"{one.what} at {events:,} events")) for one in figures
        ]
        lines += [Line(one) for one in stored]
        told = ", ".join(f"{one.what} {one.median:,.1f} {one.unit}" for one in figures)
        say(f"at {events:,} events: {told}")
    return Path(
        name="growth", title="How cost grows with the journal", lines=lines, points=points,
        notes=[
            "In one process beside PostgreSQL, nothing pinned. Append: batches of 1,000 sealed touches of 500 "
            "customers, drawn at random and recognised. Fold: those events into all views. Read and as-of: a customer "
            "drawn at random, all views, from the stored rows and folded anew up to a moment. The journals are "
            "copies of the same 500 histories under other ids, made inside PostgreSQL, and folded.",
        ],
    )  # fmt: skip


def _at(workspace: Workspace, events: int, runs: int, copies: int) -> list[Figure]:
    """Median figures at this size; every run appends a batch, so the journal grows by a few thousand."""
    draw = Random(SEED)
    senders = Senders(SEED, f"growth{events}")
    projector = Projector(workspace.engine, projections(workspace.rules, workspace.settings.zone), "bench")
    projector.claim(0, "growth")
    views = Views(workspace.engine, workspace.rules, workspace.settings.zone)
    appended, folded, read, as_of = [], [], [], []
    for number in range(runs + 1):
        head = workspace.journal.head()
        copy_of = [draw.randrange(copies) for _ in range(BASE_CUSTOMERS)]
        people = list(range(BASE_CUSTOMERS)) * (BATCH // BASE_CUSTOMERS)
        draw.shuffle(people)
        items = _sealed(workspace, [senders.touch(one) for one in people], [copy_of[one] for one in people])
        append = seconds(partial(workspace.journal.append, items))
        new = workspace.journal.read(journal.c.position > head)
        fold = seconds(partial(projector.fold, [Batch(0, "growth", new, new[-1].position)]))
        somebody = _customers(workspace, draw, READS)
        reads = [seconds(partial(views.customer, one, datetime.now(UTC))) for one in somebody]
        then = BEGIN + timedelta(days=draw.randrange(5, 18))
        folds = [seconds(partial(views.customer, one, then, as_of=then)) for one in somebody]
        if number:  # the first run only warms up
            appended.append(BATCH / append)
            folded.append(len(new) / fold)
            read.append(median(reads) * 1_000)
            as_of.append(median(folds) * 1_000)
    return [
        Figure("append", "events/s", tuple(appended)), Figure("fold", "events/s", tuple(folded)),
        Figure("read", "ms", tuple(read)), Figure("as-of", "ms", tuple(as_of)),
    ]  # fmt: skip


def _sealed(workspace: Workspace, raws: Sequence[bytes], copies: Sequence[int]) -> list[Item]:
    """Touches of copied customers: each identifier's hash is that of the copy."""
    now = datetime.now(UTC)
    pending: list[Pending] = []
    for raw, copy in zip(raws, copies, strict=True):
        one = workspace.intake.read(raw, now)
        if isinstance(one, Pending):
            for value in one.draft.values:
                value.ref = msgspec.structs.replace(value.ref, hash=f"{value.ref.hash[:20]}{copy:04x}")
            one.draft.identifiers = tuple(value.ref for value in one.draft.values)
            pending.append(one)
    with workspace.engine.connect() as connection:
        unknown = identity_store.unknown(
            connection, {ref.key for one in pending for ref in one.draft.identifiers}
        )
    return workspace.intake.seal(pending, unknown)


def _stored(workspace: Workspace, events: int) -> list[Figure]:
    """What an event takes on disk: in the journal, in the views."""
    found = []
    with workspace.engine.connect() as connection:
        count = connection.execute(text("SELECT count(*) FROM journal")).scalar_one()
        for what, tables in (("journal", ["journal"]), ("views", VIEWS)):
            taken = float(connection.execute(SIZE, {"tables": tables}).scalar_one()) / count
            found.append(
                Figure(f"{what} with indexes at {events:,} events", "bytes/event", (round(taken, 1),))
            )
    return found


def _customers(workspace: Workspace, draw: Random, count: int) -> list[str]:
    """Customers at random places of the key's order."""
    found = []
    with workspace.engine.connect() as connection:
        least, most = connection.execute(text("SELECT min(key), max(key) FROM customer_360")).one()
        low, high = (int(one.replace("-", ""), 16) for one in (least, most))
        for _ in range(count):
            place = f"{draw.randint(low, high):032x}"
            key = f"{place[:8]}-{place[8:12]}-{place[12:16]}-{place[16:20]}-{place[20:]}"
            query = text("SELECT key FROM customer_360 WHERE key >= :key ORDER BY key LIMIT 1")
            found.append(connection.execute(query, {"key": key}).scalar_one())
    return found

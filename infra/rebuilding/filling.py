"""Working through owners, range by range, a slice a transaction, in as many processes as are wanted."""

import multiprocessing
import os
import time
from collections.abc import Callable, Sequence
from itertools import count
from multiprocessing.connection import Connection as Pipe
from multiprocessing.connection import wait
from typing import Any, Literal

from sqlalchemy import Connection, Engine, text

from infra.database import engine_for, unavailable
from infra.folding import FoldFailed, place_of
from infra.process.collector import keep_what_is_loaded
from infra.rebuilding.following import fold_into
from infra.rebuilding.plan import progress
from infra.rebuilding.tables import next_table
from infra.view_store import ViewStore
from models.errors import Unavailable
from models.projections.projection import Projection

SLICE = 200
"""Owners that are folded in one transaction."""

FEW = 2_000
"""Owners that are not worth a process of their own."""

LOOK_SECONDS = 0.2

Source = Literal["fold_head", "rebuild_owner"]
Told = Callable[[int, int], None]
"""Hears (owners done, owners in all)."""


def quiet(done: int, total: int) -> None:
    """For whoever wants to hear nothing."""


def work_through(
    engine: Engine, projections: Sequence[Projection[Any]], source: Source, processes: int, told: Told
) -> None:
    """Fold every owner of the parts that are not done into the next tables.

    Raises `FoldFailed` or `Unavailable`; what was done until then stays done.
    """
    for attempt in count():
        with unavailable(), engine.connect() as connection:
            done, total = progress(connection)
            unfinished = text("SELECT EXISTS (SELECT FROM rebuild_part WHERE after < upto)")
            if not connection.execute(unfinished).scalar():
                return
        if attempt:  # a process of a killed rebuild has a slice in hand still
            time.sleep(LOOK_SECONDS)
        if processes == 1 or total - done <= FEW:
            work(engine, projections, source, told)
        else:
            _in_processes(engine, projections, source, processes, told)


def work(
    engine: Engine, projections: Sequence[Projection[Any]], source: Source, told: Told = quiet,
    slices: int | None = None, wanted: Callable[[], bool] = lambda: True,
) -> None:  # fmt: skip
    """Take slices until none is left that nobody else has in hand, or so many, or while it is wanted."""
    stores = [ViewStore(one, next_table(one.name)) for one in projections]
    while wanted() and slices != 0:
        with unavailable(), engine.begin() as connection:
            # What a crash of PostgreSQL may lose is lost with its cursor, and is folded again.
            connection.execute(text("SET LOCAL synchronous_commit = off"))
            found = _slice(connection, stores, source)
            told(*progress(connection))
        if not found:
            return
        slices = None if slices is None else slices - 1


def _slice(connection: Connection, stores: Sequence[ViewStore], source: Source) -> bool:
    """The next slice of some part; False where there is none."""
    part = connection.execute(
        text(
            "SELECT number, after, upto FROM rebuild_part WHERE after < upto ORDER BY number LIMIT 1 "
            "FOR UPDATE SKIP LOCKED"
        )
    ).first()
    if part is None:
        return False
    owners = list(
        connection.execute(
            text(
                f"SELECT owner FROM {source} WHERE owner > :after AND owner <= :upto ORDER BY owner LIMIT :slice"
            ),
            {"after": part.after, "upto": part.upto, "slice": SLICE},
        ).scalars()
    )
    fold_into(connection, stores, owners, fresh=source == "fold_head")
    connection.execute(
        text("UPDATE rebuild_part SET after = :after, done = done + :done WHERE number = :number"),
        {
            "after": owners[-1] if len(owners) == SLICE else part.upto,
            "done": len(owners),
            "number": part.number,
        },
    )
    return True


def _in_processes(
    engine: Engine, projections: Sequence[Projection[Any]], source: Source, processes: int, told: Told
) -> None:
    url = engine.url.render_as_string(hide_password=False)
    spawn = multiprocessing.get_context("spawn")
    running = []
    for _ in range(processes):
        mine, theirs = spawn.Pipe(duplex=False)
        process = spawn.Process(
            target=_process, args=(url, projections, source, theirs, os.getpid()), daemon=True
        )
        process.start()
        theirs.close()
        running.append((process, mine))
    try:
        _attend(engine, [mine for _, mine in running], told)
    finally:
        for process, _ in running:
            process.terminate()
            process.join()


def _attend(engine: Engine, pipes: "list[Pipe[Any, Any]]", told: Told) -> None:
    """Until all have said that they are done; the first to fail ends it."""
    silent = list(pipes)
    while silent:
        wait(silent, LOOK_SECONDS)
        for pipe in [one for one in silent if one.poll()]:
            silent.remove(pipe)
            try:
                failure = pipe.recv()
            except EOFError:
                raise Unavailable("a process of the rebuild was ended from outside; run it again") from None
            if failure is not None:
                raise failure
        with unavailable(), engine.connect() as connection:
            told(*progress(connection))


def _process(
    url: str, projections: Sequence[Projection[Any]], source: Source, pipe: Pipe, parent: int
) -> None:
    """One process: it says how it ended, and ends with its parent."""
    keep_what_is_loaded()
    engine = engine_for(url, pool=1)
    try:
        work(engine, projections, source, wanted=lambda: os.getppid() == parent)
    except (FoldFailed, Unavailable) as error:
        pipe.send(error)
    except Exception as error:
        pipe.send(FoldFailed(f"a process of the rebuild failed: {place_of(error)}"))
    else:
        pipe.send(None)
    finally:
        engine.dispose()

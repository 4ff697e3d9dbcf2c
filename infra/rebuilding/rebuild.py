"""Filling views anew beside the live ones: fill, follow what goes on, show the difference, swap."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, delete, select, text, update

from infra.database import unavailable
from infra.rebuilding import difference, plan, tables
from infra.rebuilding.difference import Difference
from infra.rebuilding.filling import Told, quiet, work_through
from infra.rebuilding.following import (
    WAITING,
    customers_joined,
    fold_those_behind,
    look,
    touch_joined,
)
from infra.rebuilding.plan import Plan
from infra.rebuilding.swapping import MOST, Behind, swap
from infra.view_store import ViewStore
from models.errors import Refused, Unavailable
from models.projections.projection import Projection
from models.tables.generations import rebuild, rebuild_owner, view_generation
from models.tables.journal import journal

ROUNDS = 20
"""After so many, events come in faster than they are folded here."""

_LOCK = 7_305_000_118
"""An advisory lock of PostgreSQL: one rebuild at a time."""


@contextmanager
def alone(engine: Engine) -> Iterator[None]:
    """Be the only rebuild of this workspace. Raises `Refused` where another is under way."""
    with unavailable(), engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        got = connection.execute(text("SELECT pg_try_advisory_lock(:lock)"), {"lock": _LOCK}).scalar_one()
        if not got:
            raise Refused("rebuild.under_way", "a rebuild of this workspace is under way already")
        try:
            yield
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": _LOCK})


class Rebuild:
    """Views rebuilt in tables beside the live ones. Nothing is locked until the swap, nothing is caused by it.

    The steps are `start`, `fill`, `index`, `follow`, `compare`, `swap`. Where it stands is in the database:
    after a kill they go on. `told` hears (owners done, in all).
    """

    def __init__(self, engine: Engine, projections: Sequence[Projection[Any]], processes: int = 1) -> None:
        self._engine, self._projections, self._processes = engine, projections, processes
        self._stores = [ViewStore(one, tables.next_table(one.name)) for one in projections]

    def start(self, *, afresh: bool = False) -> bool:
        """Plan it, or go on with one that was not finished (True). Raises `Refused` if that is another one."""
        views = {one.name: one.generation for one in self._projections}
        with self._moment() as connection:
            known = plan.find(connection)
            if known is not None and not afresh:
                if known.views != views:
                    raise Refused("rebuild.another", _another(known))
                return True
            plan.begin(connection, views)
            touch_joined(connection, WAITING)
        return False

    def fill(self, told: Told = quiet) -> None:
        """Fold every owner into the tables beside. Raises `FoldFailed`."""
        if self._plan().stage == "filling":
            work_through(self._engine, self._projections, "fold_head", self._processes, told)

    def index(self) -> None:
        """Give the filled tables their indexes."""
        if self._plan().stage == "following":
            return
        views = [one.name for one in self._projections]
        with ThreadPoolExecutor(self._processes) as threads:
            list(threads.map(self._index, views))
            self._take_out_doubled()
            list(threads.map(self._add_key, views))
        with unavailable(), self._engine.begin() as connection:
            connection.execute(update(rebuild).values(stage="following"))

    def follow(self, told: Told = quiet) -> None:
        """Fold anew whoever is behind, until that is done in no time. Raises `Unavailable` if it never is."""
        for _ in range(ROUNDS):
            with unavailable(), self._engine.begin() as connection:
                plan.divide(connection, "rebuild_owner")
            work_through(self._engine, self._projections, "rebuild_owner", self._processes, told)
            with unavailable(), self._engine.begin() as connection:
                connection.execute(delete(rebuild_owner))
            with self._moment() as connection:
                if self._follow(connection):
                    return
        raise Unavailable("events come in faster than they are folded here: run it again in a quieter hour")

    def compare(self) -> tuple[list[Difference], int]:
        """What a swap would change as of now, and how many customers of unfolded merges that leaves out."""
        while True:
            with self._moment() as connection:
                if self._follow(connection):
                    return difference.differences(connection, self._stores)
            self.follow()

    def swap(self, notice: Callable[[str], None] = lambda sentence: None) -> float:
        """Make the rebuilt tables the live ones; the seconds in which folding stood still."""
        while True:
            try:
                return swap(self._engine, self._stores, notice)
            except Behind:
                self.follow()

    def _follow(self, connection: Connection) -> bool:
        few = look(connection) <= MOST
        if few:
            fold_those_behind(connection, self._stores)
        return few

    def _plan(self) -> Plan:
        with unavailable(), self._engine.connect() as connection:
            known = plan.find(connection)
        if known is None:
            raise Refused("rebuild.none", "no rebuild is under way")
        return known

    @contextmanager
    def _moment(self) -> Iterator[Connection]:
        """A transaction that sees one moment."""
        with (
            unavailable(),
            self._engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection,
            connection.begin(),
        ):
            yield connection

    def _index(self, view: str) -> None:
        for statement in tables.secondary_indexes(view):
            with unavailable(), self._engine.begin() as connection:
                connection.execute(text("SET LOCAL maintenance_work_mem = '128MB'"))
                connection.execute(text(statement))

    def _take_out_doubled(self) -> None:
        """Who was parted from another meanwhile may have been folded with them and alone; they are folded anew."""
        with unavailable(), self._engine.begin() as connection:
            owners = customers_joined(connection, journal.c.position > self._plan().position)
            for store in self._stores:
                store.delete_owners(connection, owners)

    def _add_key(self, view: str) -> None:
        with unavailable(), self._engine.begin() as connection:
            connection.execute(text("SET LOCAL maintenance_work_mem = '128MB'"))
            tables.add_key(connection, view)


def discard(engine: Engine) -> bool:
    """Drop what an unfinished rebuild has made; False where there is none."""
    with unavailable(), engine.begin() as connection:
        known = plan.find(connection)
        plan.forget(connection)
    return known is not None


def drop_old(engine: Engine, views: Sequence[str]) -> list[str]:
    """Drop the tables that were live before the last swap; their names."""
    with unavailable(), engine.begin() as connection:
        return [kept for view in views if (kept := tables.drop_kept(connection, view)) is not None]


def kept(engine: Engine) -> dict[str, str]:
    """View → the table that was live before the last swap, where it is still there."""
    query = select(view_generation.c.view, view_generation.c.kept).where(view_generation.c.kept.is_not(None))
    with unavailable(), engine.connect() as connection:
        return dict(connection.execute(query).tuples().all())


def _another(known: Plan) -> str:
    told = ", ".join(f"{view} (generation {generation})" for view, generation in known.views.items())
    return (
        f"an unfinished rebuild of {told} is there: go on with `touchstone rebuild {' '.join(known.views)}`, "
        "or begin anew with --afresh"
    )

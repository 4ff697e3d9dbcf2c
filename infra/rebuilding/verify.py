"""Do the views say what a fold of the journal says? Random owners, folded anew and compared row by row."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import Connection, Engine, exists, select, text

from infra.database import among, unavailable
from infra.folding import Line, lines
from infra.journal.histories import families, is_stream
from infra.journal.owned import FOLDED, Owned
from infra.quarantine.aside import PROJECTOR
from infra.rebuilding import generations
from infra.view_store import ViewStore
from models.domain.ownership import TELLING
from models.projections.projection import Projection
from models.tables.journal import journal
from models.tables.readers import ledger
from models.tables.set_aside import set_aside

SLICE = 200
"""Owners that are compared as of one moment."""

BUFFER = 5_000
"""Rows that are held to be compared together."""

How = Literal["missing", "too many", "other owner", "other state", "other columns"]


@dataclass(frozen=True, slots=True)
class Wrong:
    """A row that is not what the fold says: in which view, whose, under which key, and how it differs."""

    view: str
    owner: str
    key: str
    how: How


@dataclass(slots=True)
class Verified:
    """Owners and rows compared, and what was wrong. `moving` were left out: a merge of theirs is not folded yet."""

    owners: int = 0
    rows: int = 0
    moving: int = 0
    wrong: list[Wrong] = field(default_factory=list)


def verify(
    engine: Engine, projections: Sequence[Projection[Any]], most: int, seed: int,
    told: Callable[[int, int], None] = lambda done, total: None,
) -> Verified:  # fmt: skip
    """Compare at most so many owners, chosen by the seed. What is not folded yet, or set aside, is left out.

    Raises `Unavailable` where the views are of another generation than these projections, and `FoldFailed`.
    """
    stores = [ViewStore(one) for one in projections]
    with unavailable(), engine.begin() as connection:
        generations.expect(connection, projections)
        chosen = _chosen(connection, most, seed)
    found = Verified()
    for start in range(0, len(chosen), SLICE):
        told(start, len(chosen))
        with unavailable(), engine.connect() as connection:
            connection = connection.execution_options(isolation_level="REPEATABLE READ")
            _compare(connection, stores, chosen[start : start + SLICE], found)
    told(len(chosen), len(chosen))
    return found


def _chosen(connection: Connection, most: int, seed: int) -> list[str]:
    """The same seed chooses the same owners, as long as there are no others."""
    query = text("SELECT owner FROM fold_head ORDER BY md5(owner || :seed), owner LIMIT :most")
    return list(connection.execute(query, {"seed": f":{seed}", "most": most}).scalars())


def _compare(connection: Connection, stores: Sequence[ViewStore], owners: list[str], found: Verified) -> None:
    moving = _moving(connection, owners)
    settled = [one for one in owners if one not in moving]
    found.moving += len(moving)
    found.owners += len(settled)
    folded: dict[str, list[Line]] = {store.projection.name: [] for store in stores}
    keys: dict[str, set[str]] = {store.projection.name: set() for store in stores}
    for owner, history in Owned(connection, FOLDED).histories(settled):
        for store, line in lines(stores, owner, history):
            some = folded[store.projection.name]
            some.append(line)
            if len(some) >= BUFFER:
                _compare_rows(connection, store, some, keys, found)
    for store in stores:
        _compare_rows(connection, store, folded[store.projection.name], keys, found)
        _find_others(connection, store, settled, keys[store.projection.name], found)


def _compare_rows(
    connection: Connection, store: ViewStore, some: list[Line], keys: dict[str, set[str]], found: Verified
) -> None:
    """Look for the row of each line."""
    view, columns = store.projection.name, [store.table.c[name] for name in store.columns]
    rows = connection.execute(select(*columns).where(among(store.table.c.key, [line[0] for line in some])))
    stored = {row.key: tuple(row) for row in rows}
    for line in some:
        key, owner = line[:2]
        how = _how(store, line, stored.get(key))
        if how is not None:
            found.wrong.append(Wrong(view, owner, key, how))
        keys[view].add(key)
    found.rows += len(some)
    some.clear()


def _find_others(
    connection: Connection, store: ViewStore, owners: Collection[str], keys: set[str], found: Verified
) -> None:
    """Look for rows of these owners that no line spoke of."""
    table = store.table
    query = select(table.c.owner, table.c.key).where(among(table.c.owner, owners))
    rows = connection.execute(query.execution_options(yield_per=BUFFER))
    others = [Wrong(store.projection.name, owner, key, "too many") for owner, key in rows if key not in keys]
    found.rows += len(others)
    found.wrong += sorted(others, key=lambda one: one.key)


def _how(store: ViewStore, line: Line, stored: Line | None) -> How | None:
    if stored is None:
        return "missing"
    (_, owner, state, *columns), (_, its_owner, its_state, *its_columns) = line, stored
    if its_owner != owner:
        return "other owner"
    if not store.same(bytes(its_state), state):
        return "other state"
    return None if its_columns == columns else "other columns"


def _moving(connection: Connection, owners: Collection[str]) -> set[str]:
    """Identity runs ahead of the folds: until a merge is folded, the rows of both sides say what was before it."""
    customers = {one for one in owners if not is_stream(one)}
    joined = [family for family in families(connection, customers) if len(family.ids) > 1]
    settled = exists().where(ledger.c.position == journal.c.position) & ~exists().where(
        set_aside.c.event_id == journal.c.event_id, set_aside.c.reader == PROJECTOR
    )
    everybody = [one for family in joined for one in family.ids]
    telling = [event.WIRE for event in TELLING]
    unfolded = select(journal.c.customer).where(
        among(journal.c.customer, everybody), journal.c.type.in_(telling), ~settled
    )
    told_of = {str(one) for one in connection.execute(unfolded).scalars()}
    unsettled = {one for family in joined if told_of.intersection(family.ids) for one in family.ids}
    return customers & unsettled

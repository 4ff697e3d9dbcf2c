"""What a swap would change: rows that are new, gone or other, view by view, as of one moment."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

from infra.rebuilding.following import WAITING, customers_joined
from infra.view_store import ViewStore

EXAMPLES = 5
FETCH = 2_000


@dataclass(frozen=True, slots=True)
class Difference:
    """One view: rows live and rows new, and the keys of some that were added, removed, changed.

    Two rows are the same if they have the same key, owner and columns, and states that mean the same.
    """

    view: str
    live: int
    rebuilt: int
    added: int
    removed: int
    changed: int
    examples: dict[str, tuple[str, ...]]

    @property
    def any(self) -> bool:
        """Does a swap change what readers see?"""
        return bool(self.added or self.removed or self.changed)


def differences(connection: Connection, rebuilt: Sequence[ViewStore]) -> tuple[list[Difference], int]:
    """Of every view, and how many customers were left out: those whose merge is not folded yet.

    The transaction must see one moment, and the next tables must hold what was folded by then.
    """
    left_out = customers_joined(connection, WAITING)
    connection.execute(text("CREATE TEMP TABLE left_out (owner text PRIMARY KEY) ON COMMIT DROP"))
    connection.execute(
        text("INSERT INTO left_out SELECT unnest(CAST(:owners AS text[]))"), {"owners": sorted(left_out)}
    )
    return [_difference(connection, store) for store in rebuilt], len(left_out)


def _difference(connection: Connection, store: ViewStore) -> Difference:
    live, rebuilt = store.projection.name, store.table.name
    counted = f"(SELECT count(*) FROM {live}), (SELECT count(*) FROM {rebuilt})"
    rows = connection.execute(text(f"SELECT {counted}")).one()
    counts: Counter[str] = Counter()
    examples: defaultdict[str, list[str]] = defaultdict(list)
    for how, key in _unequal(connection, store):
        counts[how] += 1
        if counts[how] <= EXAMPLES:
            examples[how].append(key)
    return Difference(
        view=live, live=rows[0], rebuilt=rows[1], added=counts["added"], removed=counts["removed"],
        changed=counts["changed"], examples={how: tuple(keys) for how, keys in examples.items()},
    )  # fmt: skip


def _unequal(connection: Connection, store: ViewStore) -> Iterator[tuple[str, str]]:
    """How a row differs, and its key, for every row that does."""
    live, rebuilt = store.projection.name, store.table.name
    beside = [name for name in store.columns if name not in ("key", "state")]
    same = " AND ".join(f"l.{name} IS NOT DISTINCT FROM n.{name}" for name in beside)
    query = text(
        "SELECT coalesce(n.key, l.key) AS key, l.key IS NULL AS added, n.key IS NULL AS removed, "
        f"CASE WHEN {same} THEN l.state END AS was, CASE WHEN {same} THEN n.state END AS now "
        f"FROM {live} l FULL JOIN {rebuilt} n ON n.key = l.key "
        f"WHERE (l.key IS NULL OR n.key IS NULL OR l.state <> n.state OR NOT ({same})) "
        "AND coalesce(l.owner, n.owner) NOT IN (SELECT owner FROM left_out)"
    ).execution_options(yield_per=FETCH)
    for row in connection.execute(query):
        if row.added or row.removed:
            yield ("added" if row.added else "removed"), row.key
        elif row.was is None or not store.same(row.was, row.now):
            yield "changed", row.key

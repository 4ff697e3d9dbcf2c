"""Which generation of its rule each live view was filled by; no fold mixes two of them."""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, select, text

from models.errors import Unavailable
from models.projections.projection import Projection
from models.tables.generations import view_generation


def expect(connection: Connection, projections: Iterable[Projection[Any]]) -> None:
    """Called by whoever writes views, before it writes: are the live ones of the generations it folds?

    Having read that, the transaction also holds off a swap until it ends. Raises `Unavailable` with the
    way out in its text; nothing may be written then.
    """
    wanted = {one.name: one.generation for one in projections}
    found = live(connection)
    if wanted.keys() - found.keys():
        _begin(connection, wanted)
        found = live(connection)
    problems = [_problem(view, found.get(view), code) for view, code in wanted.items()]
    if told := [one for one in problems if one]:
        behind = [view for view, code in wanted.items() if found.get(view, 0) < code]
        way_out = f"run `touchstone rebuild {' '.join(behind)}`" if behind else "this process is outdated"
        raise Unavailable(f"{'; '.join(told)}: {way_out}")


def live(connection: Connection) -> dict[str, int]:
    """View → the generation that filled it; without those that nothing has filled."""
    rows = connection.execute(select(view_generation.c.view, view_generation.c.generation))
    return dict(rows.tuples().all())


def _begin(connection: Connection, wanted: Mapping[str, int]) -> None:
    """In a workspace that has folded nothing, empty views are up to date. A view that is new in an older one
    is not: its table lacks what the others have folded.
    """
    connection.execute(
        text(
            "INSERT INTO view_generation (view, generation) SELECT * FROM "
            "unnest(CAST(:views AS text[]), CAST(:generations AS int[])) "
            "WHERE NOT EXISTS (SELECT FROM ledger) ON CONFLICT (view) DO NOTHING"
        ),
        {"views": list(wanted), "generations": list(wanted.values())},
    )


def _problem(view: str, found: int | None, code: int) -> str:
    if found is None:
        return f"{view} is new and has not been filled"
    if found < code:
        return f"{view} was filled by generation {found}, this code folds generation {code}"
    if found > code:
        return f"{view} was filled by generation {found}, it folds generation {code}"
    return ""

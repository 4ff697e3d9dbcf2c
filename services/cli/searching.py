"""search and duplicates: the index of texts and names, and customers who may be one."""

from typing import Annotated

import typer
from sqlalchemy import text

from infra.database import unavailable
from infra.identity.duplicates import look, propose
from infra.search.index import READER, SearchIndex
from infra.workspace import Workspace
from services.cli.running import console, workspace
from services.cli.working import bar


def search(
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Index the whole journal anew; searching goes on meanwhile.")
    ] = False,
) -> None:
    """Show how much can be found by its text or by a name, and how far that is behind the journal."""
    held = workspace()
    try:
        if rebuild:
            index = SearchIndex(held.engine, held.vault, held.matcher)
            with bar("indexing", "events") as told:
                for done, head in index.rebuild():
                    told(done, head)
        _show(held)
    finally:
        held.close()


def duplicates(
    limit: Annotated[int, typer.Option("--limit", min=1, help="Propose so many pairs at most.")] = 200,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show them, record nothing.")] = False,
) -> None:
    """Propose customers who may be one by name and birthday, for a person to decide (`GET /v1/identity/work`).

    Nothing is merged by it. A pair that was proposed, declined or parted before is not proposed again.
    """
    held = workspace()
    try:
        with console.status("Comparing"):
            looked = look(held) if dry_run else propose(held, limit)
    finally:
        held.close()
    if dry_run:
        for pair in looked.open[:limit]:
            console.print(f"{pair.likeness:.2f}  {pair.one}  {pair.other}", highlight=False, soft_wrap=True)
    console.print(
        f"{looked.people:,} customers told name and birthday; {looked.pairs:,} pairs are alike, "
        f"{len(looked.open):,} of them were never asked about; {looked.proposed:,} proposed", soft_wrap=True,
    )  # fmt: skip


def _show(held: Workspace) -> None:
    with unavailable(), held.engine.connect() as connection:
        texts, names, behind = connection.execute(
            text(
                "SELECT (SELECT count(*) FROM search_text), (SELECT count(*) FROM search_name), "
                "(SELECT position FROM journal_head) - coalesce((SELECT position FROM reader_position "
                "WHERE reader = :reader AND partition = 0), 0)"
            ),
            {"reader": READER},
        ).one()
    console.print(f"{texts:,} texts and {names:,} names can be found; {behind:,} events behind the journal")

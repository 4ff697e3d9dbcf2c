"""rebuild and verify: the views filled anew beside the live ones, and compared with the journal."""

import os
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.table import Table

from infra.folding import FoldFailed
from infra.rebuilding import rebuild as rebuilds
from infra.rebuilding.difference import Difference
from infra.rebuilding.rebuild import Rebuild
from infra.rebuilding.verify import Verified
from infra.rebuilding.verify import verify as verify_views
from infra.workspace import Workspace
from models.projections.catalogue import PROJECTIONS, projections
from models.projections.projection import Projection
from services.cli.running import console, fail, workspace
from services.cli.working import bar

Views = Annotated[list[str] | None, typer.Argument(metavar="VIEW", help="By default all of them.")]
SHOWN = 20
"""Wrong rows that are told one by one."""


def rebuild(
    views: Views = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Fill and compare, but leave the live views as they are.")
    ] = False,
    afresh: Annotated[
        bool, typer.Option("--afresh", help="Begin anew where an unfinished rebuild would go on.")
    ] = False,
    processes: Annotated[
        int,
        typer.Option("--processes", min=1, help="Processes that fold. By default one a core, two at most."),
    ] = min(2, os.cpu_count() or 1),
    drop_old: Annotated[
        bool, typer.Option("--drop-old", help="Only drop what was live before the last swap.")
    ] = False,
    discard: Annotated[
        bool, typer.Option("--discard", help="Only drop what an unfinished rebuild or a dry run has made.")
    ] = False,
) -> None:
    """Fill views anew from the journal, beside the live ones, while everything goes on; then swap.

    What was live before is kept until `--drop-old`. After a kill the same command goes on where it was.
    Nothing is caused by it: no policy, no sweep, no message.
    """
    held = workspace()
    try:
        wanted = _wanted(held, views)
        names = [one.name for one in wanted]
        if drop_old:
            _say_dropped(rebuilds.drop_old(held.engine, names))
        elif discard:
            found = rebuilds.discard(held.engine)
            console.print("What it had made is dropped." if found else "There is no unfinished rebuild.")
        else:
            with rebuilds.alone(held.engine):
                _rebuild(held, wanted, processes, afresh=afresh, dry_run=dry_run)
    except FoldFailed as error:
        fail(f"{error}. The live views are as they were; after a fix, begin anew with --afresh.")
    finally:
        held.close()


def verify(
    customers: Annotated[int, typer.Option("--customers", min=1, help="How many to fold anew.")] = 1_000,
    seed: Annotated[int, typer.Option("--seed", help="The same seed chooses the same customers.")] = 1,
) -> None:
    """Fold random customers anew from the journal and compare with what the views say of them."""
    held = workspace()
    try:
        with bar("comparing", "customers") as told:
            found = verify_views(held.engine, _wanted(held, None), customers, seed, told)
    except FoldFailed as error:
        fail(str(error))
    finally:
        held.close()
    _say_verified(found, seed)
    if found.wrong:
        raise typer.Exit(1)


def _wanted(held: Workspace, views: Sequence[str] | None) -> list[Projection[Any]]:
    known = [one.name for one in PROJECTIONS]
    if unknown := [one for one in views or () if one not in known]:
        fail(f"there is no view {unknown[0]}: the views are {', '.join(known)}")
    everything = projections(held.rules, held.settings.zone)
    return [one for one in everything if not views or one.name in views]


def _rebuild(
    held: Workspace, wanted: Sequence[Projection[Any]], processes: int, *, afresh: bool, dry_run: bool
) -> None:
    work = Rebuild(held.engine, wanted, processes)
    if work.start(afresh=afresh):
        console.print("Going on with the rebuild that was not finished.")
    with bar("folding", "customers") as told:
        work.fill(told)
    with console.status("Building indexes"):
        work.index()
    with bar("catching up", "customers") as told:
        work.follow(told)
    with console.status("Comparing with the live views"):
        differences, moving = work.compare()
    _say_differences(differences, moving)
    names = " ".join(one.name for one in wanted)
    if dry_run:
        console.print(
            f"Nothing is swapped. `touchstone rebuild {names}` goes on from here and swaps, "
            "`touchstone rebuild --discard` drops what was made.", soft_wrap=True,
        )  # fmt: skip
        return
    with console.status("Swapping") as status:
        seconds = work.swap(lambda sentence: status.update(f"Swapping: {sentence}"))
    kept = rebuilds.kept(held.engine)
    console.print(
        f"{', '.join(one.name for one in wanted)} folded anew and live. Folding stood still for {seconds:.1f} s. "
        f"What was live before is kept as {', '.join(kept[one.name] for one in wanted)}, until "
        f"`touchstone rebuild --drop-old {names}`.", soft_wrap=True,
    )  # fmt: skip


def _say_differences(differences: Sequence[Difference], moving: int) -> None:
    table = Table(
        "view", "rows live", "rebuilt", "added", "removed", "changed", box=None, header_style="bold"
    )
    for one in differences:
        counts = (one.live, one.rebuilt, one.added, one.removed, one.changed)
        table.add_row(one.view, *(f"{count:,}" for count in counts))
    console.print(table)
    for one in differences:
        for how, keys in one.examples.items():
            console.print(f"  {how} in {one.view}, e.g. {', '.join(keys)}", markup=False, soft_wrap=True)
    if moving:
        console.print(f"{moving:,} customers were not compared: a merge of theirs is not folded yet.")
    if not any(one.any for one in differences):
        console.print("The live views say what the journal says.")


def _say_verified(found: Verified, seed: int) -> None:
    for one in found.wrong[:SHOWN]:
        console.print(f"{one.view} of {one.owner}: {one.how} ({one.key})", markup=False, soft_wrap=True)
    if len(found.wrong) > SHOWN:
        console.print(f"… and {len(found.wrong) - SHOWN:,} more")
    if found.moving:
        console.print(f"{found.moving:,} customers were left out: a merge of theirs is not folded yet.")
    verdict = f"[red]{len(found.wrong):,} wrong[/red]" if found.wrong else "none wrong"
    console.print(f"{found.rows:,} rows of {found.owners:,} customers compared (seed {seed}): {verdict}")


def _say_dropped(names: Sequence[str]) -> None:
    console.print(f"Dropped {', '.join(names)}." if names else "Nothing was kept.")

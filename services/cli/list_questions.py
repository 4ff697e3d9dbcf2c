"""list why-not, list diff: why somebody is on a list or not, and what changed from one to another."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from models.errors import Refused
from services.cli.running import console, fail, workspace

ListId = Annotated[str, typer.Argument(help="The list's id.")]
SHOWN = 10
"""Customers that are shown of each change; a file has all of them."""


def why_not(
    customer: Annotated[str, typer.Argument(help="The customer's id, today's or an older one.")],
    list_id: Annotated[
        str, typer.Option("--list", help="The list's id; by default the one built last.")
    ] = "",
) -> None:
    """Why a customer is on a list, or the one rule that said no, and when they may be contacted next."""
    from infra.target_list.asking import ask
    from infra.target_list.wording import in_words

    held = workspace()
    try:
        asked = ask(held, customer, list_id or None)
    except Refused as error:
        fail(error.detail)
    finally:
        held.close()
    row, said, after = asked.row, asked.published, asked.next
    console.print(
        f"list {said.list_id}, {said.purpose.replace('_', ' ')} as of {_at(said.as_of)}", soft_wrap=True
    )
    known_as = f" (on it as {asked.customer})" if asked.customer != customer else ""
    rank = f", rank {row.rank:,} of {said.members:,}" if row and row.rank else ""
    console.print(f"{customer}{known_as} {in_words(asked.rule)}{rank}", soft_wrap=True, markup=False)
    releases = ", ".join(f"{name} {release}" for name, release in asked.release.items())
    console.print(f"  rule: {asked.rule} ({releases})", soft_wrap=True, highlight=False)
    for sentence in row.why if row else ():
        console.print(f"  {sentence}", soft_wrap=True, markup=False)
    if row and row.profit is not None:
        console.print(f"  expected to earn {row.profit} {row.currency} by {row.channel}", soft_wrap=True)
    if row and row.contact_from and row.contact_until:
        console.print(
            f"  in the list: from {_at(row.contact_from)} until {_at(row.contact_until)}", soft_wrap=True
        )
    if after.window:
        begin, end = _at(after.window.begin), _at(after.window.end)
        console.print(f"  may be contacted next by {after.channel} from {begin} until {end}", soft_wrap=True)
    else:
        why = in_words(after.rule)
        console.print(f"  may not be contacted now or until {_at(after.until)}: {why}", soft_wrap=True)


def diff(
    before: Annotated[str, typer.Argument(help="The older list's id.")],
    after: Annotated[str, typer.Argument(help="The newer list's id.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="File for all who moved: .csv, or .ndjson.", dir_okay=False)
    ] = None,
    stayed: Annotated[bool, typer.Option("--stayed", help="Those who stayed too, in the file.")] = False,
) -> None:
    """Who entered and who left from one list to another, and why; which settings differ."""
    from infra.target_list import comparing

    if out and out.suffix not in (".csv", ".ndjson"):
        fail(f"{out} is neither .csv nor .ndjson")
    held = workspace()
    try:
        found = comparing.compare(held, before, after)
    except Refused as error:
        fail(error.detail)
    finally:
        held.close()
    moved = found.diff
    for name, (one, other) in found.settings.items():
        said = " → ".join("none" if value is None else value for value in (one, other))
        console.print(f"{name}: {said}", soft_wrap=True, markup=False, highlight=False)
    for title, members, parts in (
        ("before", moved.members_before, (("left", len(moved.left)), ("merged since", moved.merged_before))),
        (
            "after",
            moved.members_after,
            (("entered", len(moved.entered)), ("merged since", moved.merged_after)),
        ),
    ):
        told = "".join(f" + {count:,} {what}" for what, count in parts)
        console.print(f"{title}: {members:,} members = {len(moved.stayed):,} stayed{told}", soft_wrap=True)
    if moved.profit_before is not None:
        console.print(f"expected profit: {moved.profit_before} → {moved.profit_after}", soft_wrap=True)
    _counted("entered", moved.entered_from())
    _counted("left", moved.left_by())
    table = Table(
        "change", "customer", "because", "profit before", "profit after", box=None, header_style="bold"
    )
    shown = {"entered": 0, "left": 0}
    for move in comparing.records(found):
        shown[move["change"]] += 1
        if shown[move["change"]] <= SHOWN:
            figures = (str(move[f"profit_{side}"] or "") for side in ("before", "after"))
            table.add_row(move["change"], move["customer"], move["because"], *figures)
    console.print(table)
    if out:
        told_as = comparing.as_csv if out.suffix == ".csv" else comparing.as_ndjson
        with out.open("wb") as file:
            file.writelines(told_as(comparing.records(found, stayed=stayed)))
        console.print(f"written: {out}", soft_wrap=True)


def _counted(what: str, rules: Mapping[str, int]) -> None:
    from infra.target_list.wording import in_words

    for rule, count in rules.items():
        console.print(f"  {count:,} {what}: {in_words(rule)}", soft_wrap=True, highlight=False)


def _at(moment: datetime) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M %Z}"

"""list build, derive and the rest: target lists from the command line."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.table import Table

from events.target_list import TargetListPublished
from infra.workspace import Workspace
from models.domain.target_list import ListRow
from models.errors import Refused
from services.cli import list_questions, list_results
from services.cli.list_questions import ListId
from services.cli.running import console, fail, workspace
from services.cli.working import AsOf, Issuer, moment

if TYPE_CHECKING:
    from infra.target_list.terms import Terms

app = typer.Typer(
    no_args_is_help=True, help="Target lists: whom to contact, why, with what, on which channel."
)
SHOWN = 10
"""Differences that are shown."""


Purpose = Annotated[str, typer.Option("--purpose", "-p", help="retention, win_back or care.")]
FromFile = Annotated[
    str, typer.Option("--definition", help="A definition file, or the name of a ready one (`list ready`).")
]
Artifact = Annotated[
    str, typer.Option("--artifact", help="Whose scores count; by default the one that scored last.")
]
Seed = Annotated[str, typer.Option("--seed", help="Of the hold-out's draw.")]


@app.command()
def build(
    purpose: Purpose = "",
    definition: FromFile = "",
    as_of: AsOf = "",
    issuer: Issuer = "",
    artifact: Artifact = "",
    seed: Seed = "",
    by: Annotated[str, typer.Option("--by", help="Who asks, where a second person must approve.")] = "",
    out: Annotated[Path | None, typer.Option("--out", help="Folder for CSV, NDJSON and Parquet.")] = None,
) -> None:
    """Build and publish a list from the latest scores; the same question gives the same list.

    candidates = members + hold-out + suppressed + beyond. Everyone left out has the rule that said no.
    """
    from infra.target_list import files as list_files  # loaded when needed: Parquet takes a second
    from infra.target_list.approving import approval
    from infra.target_list.building import build_on

    held = workspace()
    try:
        terms = msgspec.structs.replace(_terms(held, purpose, definition, issuer), asked_by=by.strip())
        built = build_on(
            held, terms, as_of=moment(as_of) if as_of else None, artifact=artifact or None, seed=seed or None
        )
        waiting = approval(held, built.published) == "waiting"
        files = list_files.write_all(held, built.list_id, out) if out and not waiting else []
    except Refused as error:
        fail(error.detail)
    finally:
        held.close()
    console.print(f"list [b]{built.list_id}[/b], {'published' if built.new else 'known already'}")
    _counts(built.published, built.rules)
    _rows(built.top)
    if waiting:
        console.print(
            f"before it can be pulled, a second person: touchstone list approve {built.list_id} --by NAME",
            soft_wrap=True,
        )
    for path in files:
        console.print(f"written: {path}")


@app.command()
def estimate(
    purpose: Purpose = "",
    definition: FromFile = "",
    as_of: AsOf = "",
    issuer: Issuer = "",
    artifact: Artifact = "",
    seed: Seed = "",
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="Another setting, e.g. offer_cost=3; as often as needed.", metavar="NAME=VALUE"
        ),
    ] = None,
) -> None:
    """What a list would be, say with another cost, cap or hold-out, now or as of a past day; nothing is published."""
    from infra.target_list.definition import changed, typed
    from infra.target_list.estimating import estimate as estimate_list
    from ml.uplift.measuring import to_be_shown

    held = workspace()
    try:
        terms = changed(_terms(held, purpose, definition, issuer), typed(settings or []), "--set")
        found = estimate_list(
            held, terms, as_of=moment(as_of) if as_of else None, artifact=artifact or None, seed=seed or None
        )
    except Refused as error:
        fail(error.detail)
    finally:
        held.close()
    console.print("not published: an estimate")
    _counts(found.would_be, found.rules)
    console.print(
        f"expected profit {found.profit} {found.currency}, for an expected spend of {found.spend} {found.currency}",
        highlight=False, soft_wrap=True,
    )  # fmt: skip
    console.print(
        f"the last row stops paying after {found.pays:,} customers, whatever budget and capacity say",
        soft_wrap=True,
    )
    said = found.would_be
    smallest = to_be_shown([row.probability or 0 for row in found.sample], said.members, said.holdout)
    if smallest is not None:
        console.print(
            f"a hold-out of {said.holdout:,} can show an effect of {100 * smallest:.1f} points or more"
        )
    _rows(found.sample)


@app.command()
def approve(
    list_id: ListId, by: Annotated[str, typer.Option("--by", help="Who looked at it; not who asked for it.")]
) -> None:
    """Approve a list whose definition asks for a second person; then it can be pulled."""
    from infra.target_list.approving import approve as approve_list

    held = workspace()
    try:
        done = approve_list(held, list_id, by)
    except Refused as error:
        fail(error.detail)
    finally:
        held.close()
    console.print(f"approved by {done.by}: it can be pulled", markup=False)


@app.command()
def ready() -> None:
    """The definitions that come with Touchstone: copy one and put your own costs in."""
    from infra.target_list import definition

    for name in definition.ready():
        console.print(f"{name}: {definition.READY / name}.toml", soft_wrap=True, highlight=False)


@app.command()
def derive(
    list_id: ListId,
    out: Annotated[
        Path | None, typer.Option("--out", help="File for the rows, one JSON object a line.")
    ] = None,
) -> None:
    """Build a published list anew from the journal as it was then, and compare it byte for byte.

    Settings come from what was published, not from today's rules; nothing recorded since counts. Ends with status 1
    where the bytes differ, or where this installation computes something in another way than the list was.
    """
    from infra.target_list.deriving import derive as derive_list

    held = workspace()
    try:
        again = derive_list(held, list_id)
    except Refused as error:
        fail(error.detail)
    finally:
        held.close()
    if out:
        out.write_bytes(b"".join(line + b"\n" for line in again.lines))
        console.print(f"written: {out}", soft_wrap=True)
    verdict = "the same bytes" if again.same else "other bytes"
    console.print(f"{len(again.lines):,} rows, {verdict}: SHA-256 {again.sha256}", soft_wrap=True)
    if again.same:
        return
    console.print(f"published was {again.published.sha256}", soft_wrap=True)
    for one in again.differences[:SHOWN]:
        whose = (
            one.frozen
            if one.frozen == one.derived
            else f"{one.frozen or 'nobody'} → {one.derived or 'nobody'}"
        )
        console.print(f"  place {one.place:,}, {whose}: {', '.join(one.fields)}", soft_wrap=True)
    if len(again.differences) > SHOWN:
        console.print(f"  and {len(again.differences) - SHOWN:,} more")
    raise typer.Exit(1)


def _terms(held: Workspace, purpose: str, definition: str, issuer: str) -> "Terms":
    """The terms of a file, or those of the workspace for a purpose. Raises `Refused`."""
    from infra.target_list.building import terms_for
    from infra.target_list.definition import load

    if bool(purpose) == bool(definition):
        raise Refused(
            "list.purpose", "say what the list is for: either --purpose, or --definition with a file"
        )
    if not definition:
        return terms_for(held, purpose, issuer or None)
    terms = load(held, definition)
    return msgspec.structs.replace(terms, issuer=issuer) if issuer else terms


def _counts(said: TargetListPublished, rules: Mapping[str, int]) -> None:
    console.print(
        f"{said.candidates:,} candidates = {said.members:,} members + {said.holdout:,} hold-out "
        f"+ {said.suppressed:,} suppressed + {said.beyond:,} beyond"
    )
    for rule, count in rules.items():
        console.print(f"  {count:,} {rule}")


def _rows(rows: Iterable[ListRow]) -> None:
    table = Table("rank", "customer", "probability", "value", "channel", "why", box=None, header_style="bold")
    for row in rows:
        probability = f"{row.probability:.2f}" if row.probability is not None else "no data"
        value = f"{row.value} {row.currency}" if row.value is not None else "no data"
        table.add_row(str(row.rank), row.customer, probability, value, row.channel, "; ".join(row.why))
    console.print(table)


app.command("why-not")(list_questions.why_not)
app.command()(list_questions.diff)
app.command()(list_results.report)
app.command()(list_results.refresh)

"""list build: target lists from the command line."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from models.errors import Refused
from services.cli.running import console, fail, workspace
from services.cli.working import AsOf, Issuer, moment

app = typer.Typer(
    no_args_is_help=True, help="Target lists: whom to contact, why, with what, on which channel."
)


@app.command()
def build(
    purpose: Annotated[str, typer.Option("--purpose", "-p", help="retention or win_back.")],
    as_of: AsOf = "",
    issuer: Issuer = "",
    seed: Annotated[str, typer.Option("--seed", help="Of the hold-out's draw.")] = "",
    out: Annotated[Path | None, typer.Option("--out", help="Folder for CSV, NDJSON and Parquet.")] = None,
) -> None:
    """Build and publish a list from the latest scores; the same question gives the same list.

    candidates = members + hold-out + suppressed + beyond. Everyone left out has the rule that said no.
    """
    from infra.target_list import files as list_files  # loaded when needed: Parquet takes a second
    from infra.target_list.building import build as build_list

    held = workspace()
    try:
        built = build_list(
            held, purpose, as_of=moment(as_of) if as_of else None, issuer=issuer or None, seed=seed or None
        )
        files = list_files.write_all(held, built.list_id, out) if out else []
    except Refused as error:
        fail(error.detail)
    finally:
        held.close()
    said = built.published
    console.print(f"list [b]{built.list_id}[/b], {'published' if built.new else 'known already'}")
    console.print(
        f"{said.candidates:,} candidates = {said.members:,} members + {said.holdout:,} hold-out "
        f"+ {said.suppressed:,} suppressed + {said.beyond:,} beyond"
    )
    for rule, count in built.rules.items():
        console.print(f"  {count:,} {rule}")
    table = Table("rank", "customer", "probability", "value", "channel", "why", box=None, header_style="bold")
    for row in built.top:
        probability = f"{row.probability:.2f}" if row.probability is not None else "no data"
        value = f"{row.value} {row.currency}" if row.value is not None else "no data"
        table.add_row(str(row.rank), row.customer, probability, value, row.channel, "; ".join(row.why))
    console.print(table)
    for path in files:
        console.print(f"written: {path}")

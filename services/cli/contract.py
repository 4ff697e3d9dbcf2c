"""catalogue and schemas: what may be said, and who listens."""

from typing import Annotated

import typer

from events import schema
from services import catalogue as page
from services.cli.running import console, fail


def catalogue(
    type: Annotated[str, typer.Argument(help="One event type, to see all of it.")] = "",
    write: Annotated[bool, typer.Option("--write", help="Write docs/catalogue.md anew.")] = False,
) -> None:
    """Every event type: who records it, its key and topic, what reads it, its schemas."""
    if write:
        page.write()
    elif type:
        try:
            console.print(page.detail(type))
        except KeyError as error:
            fail(str(error.args[0]))
    else:
        console.print(page.table())


def schemas(
    write: Annotated[bool, typer.Option("--write", help="Write the generated files anew.")] = False,
) -> None:
    """The generated contract: JSON Schemas and AsyncAPI. Without --write, says what is stale."""
    if write:
        try:
            schema.write(schema.FOLDER)
        except schema.ContractBroken as error:
            fail(str(error))
        return
    stale = schema.stale(schema.FOLDER)
    for name in stale:
        console.print(f"stale: {name}")
    if stale:
        fail("run `touchstone schemas --write`")
    console.print(f"up to date, in {schema.FOLDER}")

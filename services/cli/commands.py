"""The plain list of all commands, in the order in which a newcomer needs them."""

import typer

from services.cli import (
    connecting,
    consenting,
    contract,
    customers_foretold,
    demoing,
    foretelling,
    held,
    listing,
    offering,
    operating,
    rebuilding,
    sandboxing,
    scheduling,
    searching,
    serving,
    simulating,
    status,
    uplifting,
    working,
)


def register(app: typer.Typer) -> None:
    """Put every command on the app."""
    app.command(rich_help_panel="Begin")(demoing.demo)
    app.command(rich_help_panel="Begin")(serving.up)
    app.command(rich_help_panel="Begin")(serving.down)
    app.command(rich_help_panel="Begin")(status.status)
    app.command(rich_help_panel="Begin")(serving.where)
    app.command(rich_help_panel="Begin")(serving.doctor)
    app.command(rich_help_panel="Begin")(sandboxing.sandbox)
    app.command(rich_help_panel="Begin")(simulating.simulate)
    app.command("import", rich_help_panel="Bring in")(working.import_)
    app.command("real-data", rich_help_panel="Bring in")(working.real_data)
    app.add_typer(connecting.app, name="connectors", rich_help_panel="Bring in")
    app.command(rich_help_panel="Bring in")(held.quarantine)
    app.command(rich_help_panel="Bring in")(working.replay)
    app.command(rich_help_panel="Bring in")(consenting.do_not_call)
    app.command(rich_help_panel="Foretell")(foretelling.export)
    app.command(rich_help_panel="Foretell")(foretelling.train)
    app.command(rich_help_panel="Foretell")(foretelling.score)
    app.add_typer(foretelling.app, name="models", rich_help_panel="Foretell")
    app.command(rich_help_panel="Foretell")(customers_foretold.value)
    app.command(rich_help_panel="Foretell")(customers_foretold.personas)
    app.command(rich_help_panel="Foretell")(customers_foretold.related)
    app.command(rich_help_panel="Foretell")(uplifting.uplift)
    app.add_typer(listing.app, name="list", rich_help_panel="Foretell")
    app.add_typer(offering.app, name="offers", rich_help_panel="Foretell")
    app.add_typer(scheduling.app, name="schedule", rich_help_panel="Look after")
    app.command(rich_help_panel="Look after")(rebuilding.rebuild)
    app.command(rich_help_panel="Look after")(rebuilding.verify)
    app.command(rich_help_panel="Look after")(searching.search)
    app.command(rich_help_panel="Look after")(searching.duplicates)
    app.command(rich_help_panel="Look after")(consenting.erasure)
    app.command(rich_help_panel="Look after")(consenting.retention)
    app.command(rich_help_panel="Look after")(operating.migrate)
    app.command(rich_help_panel="Look after")(operating.topics)
    app.command(rich_help_panel="Look after")(operating.worker)
    app.command(rich_help_panel="Look after")(operating.state)
    app.command(rich_help_panel="Look after")(contract.catalogue)
    app.command(rich_help_panel="Look after")(contract.schemas)

"""The command line: one command for everything, from the first run to the daily work."""

import logging

import typer

from infra.telemetry import configure_logging

app = typer.Typer(
    name="touchstone",
    help="An event-sourced CRM: every touch recorded once, everything else derived from it.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    rich_markup_mode="rich",
)


def main() -> None:
    """Entry point of the `touchstone` command."""
    from services.cli import commands

    configure_logging(logging.WARNING)
    commands.register(app)
    app()

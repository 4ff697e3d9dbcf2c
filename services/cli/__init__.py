"""The command line: one command for everything, from the first run to the daily work."""

import logging

import typer
from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError

from infra.logs import configure_logging
from models.errors import Refused, Unavailable

USAGE = 2
"""The status of a command that was given what it can't take; typer's own too."""

app = typer.Typer(
    name="touchstone",
    help="An event-sourced CRM: every touch recorded once, everything else derived from it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def main() -> None:
    """Entry point of the `touchstone` command."""
    from infra.quarantine.replay import UnknownCode
    from services.cli import commands, running
    from services.cli.held import printable

    configure_logging(logging.WARNING)
    commands.register(app)
    try:
        app()
    except Refused as error:
        running.say_wrong(error.detail)
    except UnknownCode as error:
        running.say_wrong(printable(str(error)), status=USAGE)
    except ValidationError as error:  # a setting: name it, and what it should be
        for one in error.errors():
            running.say_wrong(f"{one['loc'][0]}: {one['msg']}")
    except (Unavailable, OSError, SQLAlchemyError) as error:
        running.say_wrong(str(error).splitlines()[0])

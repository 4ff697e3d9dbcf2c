"""A scheduled command: whether its words can be understood, and the program that runs them (`python -m`)."""

import typer
from typer.exceptions import TyperException
from typer.main import get_command

from infra.process.supervisor import end_with_parent
from infra.settings import Settings
from models.domain.rules import Rules

MODULE = "services.cli.scheduled"


def check(settings: Settings, rules: Rules) -> None:
    """Return if every command of the schedule is one of ours, with options that it knows.

    Raises ValueError naming file, key and what is wrong. Nothing is run.
    """
    from services.cli import commands  # loaded when needed: they load this

    if not rules.schedule:
        return
    app = typer.Typer()
    commands.register(app)
    for number, one in enumerate(rules.schedule):
        if wrong := _wrong_with(app, one.words):
            raise ValueError(f"{settings.workspace}: {wrong} - at `$.schedule[{number}].run`")


def _wrong_with(app: typer.Typer, words: tuple[str, ...]) -> str:
    """Why the words are no command; "" if they are one."""
    command, rest, named = get_command(app), list(words), "touchstone"
    while hasattr(command, "commands"):  # a group: its next word says which of its commands
        found = command.commands.get(rest[0]) if rest else None
        if found is None:
            return f"`{' '.join(words)}`: there is no such command; `{named} --help` lists all"
        command, named, rest = found, f"{named} {rest[0]}", rest[1:]
    if "--help" in rest:
        return f"`{' '.join(words)}`: a schedule runs commands, it reads no help"
    try:
        command.make_context(named, rest).close()
    except TyperException as error:
        why = error.format_message() if hasattr(error, "format_message") else str(error)
        return f"`{' '.join(words)}`: {why.rstrip('.')}; `{named} --help` says what it takes"
    return ""


if __name__ == "__main__":
    from services.cli import main

    end_with_parent()
    main()

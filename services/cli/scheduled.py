"""Whether the words of a scheduled command can be understood."""

from typing import Any

import typer
from typer.exceptions import TyperException

from infra.settings import Settings
from models.domain.rules import Rules


def check_all(settings: Settings, rules: Rules, context: typer.Context) -> None:
    """Return if every command of the schedule is one of ours, with options that it knows.

    `context` is that of the command which asks. Raises ValueError naming file, key and what is wrong. Nothing is run.
    """
    check(settings, rules, context.find_root().command)


def check(settings: Settings, rules: Rules, touchstone: Any) -> None:
    """The same, for the group of all our commands."""
    for number, one in enumerate(rules.schedule):
        if wrong := _wrong_with(touchstone, one.words):
            raise ValueError(f"{settings.workspace}: {wrong} - at `$.schedule[{number}].run`")


def _wrong_with(touchstone: Any, words: tuple[str, ...]) -> str:
    """Why the words are no command; "" if they are one."""
    command, rest, named = touchstone, list(words), "touchstone"
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

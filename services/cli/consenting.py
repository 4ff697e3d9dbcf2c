"""do-not-call: take a register in. retention: forget what is too old. erasure: forget whoever asked for it."""

import csv
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, get_args

import msgspec
import typer
from rich.progress import Progress, SpinnerColumn, TextColumn

from events.vocabulary import Channel
from infra.consent.do_not_call import take_register
from infra.personal.erasure import Eraser
from infra.personal.retention import RetentionProblem, keep, rules_of
from services.cli.running import console, fail, workspace


def do_not_call(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="One number a line, or a CSV file.")
    ],
    register: Annotated[str, typer.Option("--register", help="Its name: the proof of each withdrawal.")],
    column: Annotated[str, typer.Option("--column", help="The CSV column that holds the numbers.")] = "",
    channel: Annotated[str, typer.Option("--channel", help="The channel it forbids.")] = "voice",
) -> None:
    """Take in a register of people who do not want to be called. Taking the same register again changes nothing.

    Every number is a withdrawal of consent on that channel for all purposes, with the register as its proof. It
    holds for whoever has the number, also for a customer who shows it only later.
    """
    try:
        forbidden: Channel = msgspec.convert(channel, Channel)
    except msgspec.ValidationError:
        fail(f"there is no channel {channel!r}: it is one of {', '.join(get_args(Channel))}")
    opened = workspace()
    found: Counter[str] = Counter()
    try:
        with Progress(SpinnerColumn(), TextColumn("{task.description}"), console=console) as progress:
            task = progress.add_task("0 numbers")
            for verdicts in take_register(opened, _numbers(file, column), register, forbidden):
                found += verdicts
                progress.update(task, description=f"{found.total():,} numbers")
    finally:
        opened.close()
    console.print(
        f"{found.total():,} numbers: {found['accepted']:,} new, {found['duplicate']:,} known, "
        f"{found['quarantined']:,} in quarantine, {found['refused']:,} refused"
    )
    if found["quarantined"]:
        console.print(
            "What is no phone number lies in quarantine: `touchstone quarantine --code phone_invalid`"
        )


def _numbers(file: Path, column: str) -> Iterator[str]:
    with file.open(newline="", encoding="utf-8-sig") as lines:
        if not column:
            yield from (line.strip() for line in lines if line.strip())
            return
        rows = csv.DictReader(lines)
        if column not in (rows.fieldnames or ()):
            fail(f"{file.name} has no column {column!r}; it has {', '.join(rows.fieldnames or ('none',))}")
        yield from (text for row in rows if (text := (row[column] or "").strip()))


def retention(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what is older than its rule allows.")
    ] = False,
) -> None:
    r"""Forget personal values that are older than the workspace's rules allow; run it every night.

    `\[keep_days]` in the TOML file of TOUCHSTONE_WORKSPACE says for how many days, by event type, or for `raw_body`
    and `quarantine`: `"touch.recorded" = 730`. The events stay, without their personal fields, and so do all figures.
    """
    opened = workspace()
    found: Counter[str] = Counter()
    try:
        rules = rules_of(opened.rules.keep_days)
        if not rules:
            console.print(
                "No rule is set: everything is kept. Write \\[keep_days] into the file of TOUCHSTONE_WORKSPACE."
            )
            return
        with Progress(SpinnerColumn(), TextColumn("{task.description}"), console=console) as progress:
            task = progress.add_task("looking")
            for some in keep(opened, rules, opened.clock.now(), dry_run=dry_run):
                found += some
                progress.update(task, description=f"{found.total():,} so far")
    except RetentionProblem as problem:
        fail(str(problem))
    finally:
        opened.close()
    for rule in rules:
        does = "would be forgotten" if dry_run else "forgotten"
        console.print(f"{rule.what}: {found[rule.what]:,} older than {rule.days:,} days {does}")


def erasure(
    again: Annotated[
        bool,
        typer.Option("--again", help="Everybody once more: do it after a backup of the vault was restored."),
    ] = False,
) -> None:
    """Erase whoever waits for it, now and here; the worker `erasure` does the same all the time."""
    opened = workspace()
    try:
        eraser = Eraser(opened)
        if again:
            console.print(f"{eraser.again():,} customers are to be erased once more")
        console.print(f"{eraser.turn():,} erased")
    finally:
        opened.close()

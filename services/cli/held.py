"""quarantine: what could not be taken, why, and what to do about it."""

import json
from typing import Annotated, Any

import msgspec
import typer
from rich.table import Table
from rich.text import Text

from infra.quarantine import held
from infra.quarantine.held import Entry
from services.cli.running import console, workspace

MANY = 20
"""So many are shown unless more are asked for."""


def quarantine(
    code: Annotated[str, typer.Option("--code", help="Only entries with this code.")] = "",
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=10_000, help="At most so many, the newest.")
    ] = MANY,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, for scripts.")] = False,
) -> None:
    """List what could not be taken as an event, and why; what was sent is not shown.

    Each entry has a code, the place in what was sent, and the sender's own id of it. Mend what the code
    names: the sender, a mapping, a setting such as TOUCHSTONE_REGION, or our code. Then run `touchstone
    replay`, or `touchstone replay --code CODE`: what is an event by now is recorded as history and causes
    nothing; what is not stays here. Lines of an import are cured by importing their file again.

    A source `reader:NAME` means that an event of the journal lies aside: that reader could not take it, and
    passes it over until a replay.
    """
    opened = workspace()
    try:
        entries = held.entries(opened.engine, code=code or None, limit=limit)
        counts, aside = opened.quarantine.counts(), held.aside(opened.engine)
    finally:
        opened.close()
    if as_json:
        told = {"items": [_plain(one) for one in entries], "counts": counts, "set_aside": aside}
        typer.echo(json.dumps(told))
        return
    in_all = counts.get(code, 0) if code else sum(counts.values())
    if len(counts) > 1 or in_all > len(entries):
        console.print(_counts(counts))
    for one in entries:
        console.print(_told(one), markup=False, highlight=False, soft_wrap=True)
    console.print(
        f"{len(entries):,} of {counted(in_all, 'open entry', 'open entries')}"
        f"{'; after mending: touchstone replay' if entries else ''}",
        markup=False, soft_wrap=True,
    )  # fmt: skip
    for reader, count in aside.items():
        console.print(f"{counted(count, 'event')} set aside by {reader}", markup=False, soft_wrap=True)


def counted(count: int, one: str, many: str = "") -> str:
    """A number with its word."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def printable(text: str) -> str:
    """A sender's words on a terminal: what is no letter, digit, sign or space is shown by its number."""
    return "".join(one if one.isprintable() else f"\\u{ord(one):04x}" for one in text)


def _plain(entry: Entry) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(entry)
    return found


def _counts(counts: dict[str, int]) -> Table:
    table = Table("code", "open", box=None, header_style="bold")
    for code, count in sorted(counts.items(), key=lambda one: -one[1]):
        table.add_row(Text(printable(code)), f"{count:,}")
    return table


def _told(one: Entry) -> str:
    """Three lines: a table of so many words would be cut off on most terminals."""
    code, path, detail, source, source_id = map(
        printable, (one.code, one.path, one.detail, one.source, one.source_id)
    )
    return (
        f"{one.id}  {code}  received {one.received_at:%Y-%m-%d %H:%M:%S} UTC\n"
        f"    {path}: {detail}\n    source {source or 'unknown'}, id {source_id or 'unknown'}\n"
    )

"""connectors remap, reconcile: what was told against what a mended mapping, or the switch itself, says."""

import csv
import os
import sys
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo, available_timezones

import msgspec
import typer
from rich.table import Table
from rich.text import Text

from infra.contact.days import contacts_between
from infra.matching import Matcher
from infra.settings import Settings
from models.domain.conversation import Conversation
from models.domain.reconciliation import Call, Reconciled, Sums, by_contact, by_queue, call_of
from services.cli import running
from services.cli.held import counted, printable
from services.cli.running import console, fail
from services.cli.working import moment
from services.gateway.connectors.asterisk import member
from services.gateway.connectors.catalogue import BY_LINE
from services.gateway.connectors.connector import Connector, Instance, Options
from services.gateway.connectors.mending import Mended, mend
from services.gateway.connectors.settings import ConnectorProblem, find_instance
from services.importer.switch_report import ReportProblem, SwitchReport, read_report

SHOWN = 50
MEANING = {
    "missing": "told, but never recorded", "differs": "recorded otherwise than it is told",
    "no_longer_told": "recorded, and told no more", "unreadable": "can't be told any more: left as it is",
    "unsure": "told no more, but its body is gone or in doubt: left as it is",
}  # fmt: skip


def remap(
    name: Annotated[str, typer.Argument(help="The system's name in the file of TOUCHSTONE_CONNECTORS.")],
    since: Annotated[
        str, typer.Option("--since", help="Only what was received since, e.g. 2026-03-01.")
    ] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what differs.")] = False,
) -> None:
    """Tell the stored bodies of a system anew, after its mapping was mended, and record what differs.

    A wrong event is taken back and the right one recorded in its place, as history: it causes nothing.
    Doing it again finds nothing more to do.
    """
    settings = running.settings()
    connector, instance = chosen(settings, name)
    begin = moment(since) if since else None
    workspace = running.workspace()
    try:
        with console.status("Telling anew") as status:
            found = mend(
                workspace, connector, instance, since=begin, record=not dry_run,
                told=lambda bodies: status.update(f"{bodies:,} bodies told anew"),
            )  # fmt: skip
    finally:
        workspace.close()
    _show_mended(found, dry_run)
    if found.failed:
        raise typer.Exit(1)


def _show_mended(found: Mended, dry_run: bool) -> None:
    if found.found:
        table = Table("difference", "events", "meaning", box=None, header_style="bold")
        for kind, count in sorted(found.found.items()):
            table.add_row(kind, f"{count:,}", MEANING[kind])
        console.print(table)
        for one in found.shown:
            console.print(f"  {one.kind}  {printable(one.source_id)}", markup=False, soft_wrap=True)
        if sum(found.found.values()) > len(found.shown):
            console.print(f"  and {sum(found.found.values()) - len(found.shown):,} more", soft_wrap=True)
    console.print(
        f"{counted(found.bodies, 'body', 'bodies')} told anew, {counted(found.events, 'event')} compared; "
        + ("nothing recorded (dry run)" if dry_run else
           f"{found.taken_back:,} taken back, {found.recorded:,} recorded, {found.failed:,} could not be"),
        soft_wrap=True,
    )  # fmt: skip


def reconcile(
    name: Annotated[str, typer.Argument(help="The system's name in the file of TOUCHSTONE_CONNECTORS.")],
    report: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="Its own report of the day, as CSV.")
    ],
    day: Annotated[str, typer.Option("--day", help="YYYY-MM-DD: contacts that began on it.")],
    column: Annotated[
        list[str] | None,
        typer.Option(
            "--column",
            help="OURS=THEIRS, for each column that the report calls otherwise, e.g. wait=holdtime.",
        ),
    ] = None,
    word: Annotated[
        list[str] | None,
        typer.Option(
            "--word", help="THEIRS=OURS, for its words: answered, abandoned or other, e.g. AGENT=answered."
        ),
    ] = None,
    tolerance: Annotated[
        float, typer.Option("--tolerance", min=0, help="Seconds that may lie between.")
    ] = 1.0,
    zone: Annotated[
        str, typer.Option("--zone", help="Of the day; without it the system's, else the workspace's.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, for scripts.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="The differences as CSV.")] = False,
) -> None:
    """Hold a day of the journal against the switch's own report: contact by contact, or queue by queue.

    The report's columns are contact, queue, agent, wait, talk, disposition; or queue, offered, answered,
    abandoned, wait, talk. Those that it does not have are not compared. Agents are known by the system's own
    names too, and by those that its `names` say. Ends with status 1 where something differs.
    """
    settings = running.settings()
    connector, instance = chosen(settings, name)
    begin, end = _day(day, zone or _zone(settings, instance))
    try:
        told = read_report(report, _pairs(column, "--column"), _pairs(word, "--word"))
    except ReportProblem as problem:
        fail(str(problem))
    workspace = running.workspace()
    try:
        contacts = contacts_between(workspace.engine, name, begin, end)
        found = against(by_our_names(told, connector, instance), contacts, instance.switch, tolerance)
    finally:
        workspace.close()
    if as_json:
        typer.echo(msgspec.json.encode(found).decode())
    elif as_csv:
        out = csv.writer(sys.stdout)
        out.writerow(["of", "what", "here", "there"])
        out.writerows((one.of, one.what, one.here, one.there) for one in found.differences)
    else:
        _show(found)
    if found.differences:
        raise typer.Exit(1)


def against(
    told: SwitchReport, contacts: Mapping[str, Conversation], switch: str, tolerance: float
) -> Reconciled:
    """Our contacts of a switch against its report. Its ids are ours without the switch before them."""
    ours = {}
    for contact in contacts.values():
        own = contact.contact_id.removeprefix(f"{switch}:")
        ours[own] = call_of(contact, own)
    if told.queues:
        return by_queue(ours, told.queues, tolerance=tolerance)
    return by_contact(ours, told.contacts, tolerance=tolerance)


def by_our_names(told: SwitchReport, connector: Connector, instance: Instance) -> SwitchReport:
    """The report with its agents as we call them: `PJSIP/bob` is bob."""

    def named(call: Call) -> Call:
        if not call.agent:
            return call
        known = instance.options.names.get(call.agent)
        if known is None and connector.kind in BY_LINE:
            known = member(call.agent, instance)
        return msgspec.structs.replace(call, agent=known or call.agent)

    contacts = {name: named(call) for name, call in told.contacts.items()}
    return msgspec.structs.replace(told, contacts=contacts)


def chosen(settings: Settings, name: str) -> tuple[Connector, Instance]:
    """The system of this name, whatever is wrong with the others in the file; else the command fails."""
    try:
        return find_instance(
            name, settings.connectors, os.environ, region=settings.region, matcher=Matcher(settings.matching)
        )
    except ConnectorProblem as problem:
        fail(f"{problem}; `touchstone connectors list` shows them all")


def _zone(settings: Settings, instance: Instance) -> str:
    return instance.options.zone if instance.options.zone != Options().zone else settings.zone


def _day(text: str, zone: str) -> tuple[datetime, datetime]:
    if zone not in available_timezones():
        fail(f"{zone!r} is no time zone: write one like Europe/Berlin")
    try:
        first = date.fromisoformat(text)
    except ValueError:
        fail(f"{text!r} is no day: write 2026-03-01")
    midnight = time(tzinfo=ZoneInfo(zone))
    return datetime.combine(first, midnight), datetime.combine(first + timedelta(days=1), midnight)


def _pairs(given: list[str] | None, option: str) -> dict[str, str]:
    found = {}
    for one in given or ():
        name, equals, value = one.partition("=")
        if not (name and equals and value):
            fail(f"{option} {one!r}: write NAME=NAME")
        found[name] = value
    return found


def _show(found: Reconciled) -> None:
    if found.differences:
        table = Table("contact or queue", "what", "here", "there", box=None, header_style="bold")
        for one in found.differences[:SHOWN]:
            table.add_row(
                *(Text(printable(cell)) for cell in (one.of or "(all)", one.what, one.here, one.there))
            )
        console.print(table)
        if (more := len(found.differences) - SHOWN) > 0:
            console.print(f"and {more:,} more: --csv lists all of them", soft_wrap=True)
    totals = Table("queue", "side", *Sums.__struct_fields__, box=None, header_style="bold")
    for queue in sorted(found.here.keys() | found.there.keys()):
        for side, sums in (("here", found.here.get(queue)), ("there", found.there.get(queue))):
            totals.add_row(Text(printable(queue or "(all)")), side, *_cells(sums or Sums()))
    console.print(totals)
    console.print(f"{found.agree:,} agree, {counted(len(found.differences), 'difference')}")


def _cells(sums: Sums) -> list[str]:
    values = [getattr(sums, name) for name in Sums.__struct_fields__]
    return ["-" if value is None else f"{value:,.10g}" for value in values]

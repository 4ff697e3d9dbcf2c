"""list report, list refresh: what a list brought, and who has left it since."""

from rich.table import Table

from models.errors import Refused
from services.cli.list_questions import ListId
from services.cli.running import console, fail, workspace


def report(list_id: ListId) -> None:
    """What a list brought: all who were drawn for it against all who were held out, contacted or not.

    Contacts count where their campaign is the list, or one that members were enrolled in for it. Once the time of the
    list is over (`measure_days` after its first day) the answer is recorded, and `touchstone uplift` learns from it.
    """
    from services.cli.foretelling import bars  # loaded when needed: what measures takes seconds
    from services.measuring import measure

    held = workspace()
    try:
        found = measure(held, list_id, bars)
    except Refused as error:
        fail(error.detail)
    finally:
        held.close()
    said, told = found.published, found.brought
    console.print(
        f"list {said.list_id}, {said.series}: {said.members:,} members, {said.holdout:,} held out",
        soft_wrap=True,
    )
    console.print(
        f"{found.contacted:,} contacted, {found.reached:,} reached, {found.accepted:,} accepted, "
        f"{found.refused:,} refused; {found.spent} {found.currency} spent", soft_wrap=True,
    )  # fmt: skip
    if found.smallest is None:
        console.print("Nobody was held out, so nobody can say what would have been without the list.")
        return
    console.print(f"A hold-out of this size can show an effect of {100 * found.smallest:.1f} points or more.")
    if told is None:
        console.print(
            f"What it brought can be told from {found.until.astimezone():%Y-%m-%d} on, and not before."
        )
        return
    verb = "came back" if said.purpose == "win_back" else "stayed"
    shown = told.effect.low > 0 or told.effect.high < 0
    table = Table("", "value", "95 %", box=None, header_style="bold")
    table.add_row(f"{verb}, of all drawn", f"{100 * told.kept_drawn:.1f} %", "")
    table.add_row(f"{verb}, of all held out", f"{100 * told.kept_held_out:.1f} %", "")
    table.add_row(
        "effect, points",
        f"{100 * told.effect.value:+.1f}",
        f"{100 * told.effect.low:+.1f} to {100 * told.effect.high:+.1f}",
    )
    table.add_row(
        f"earned, {found.currency}",
        f"{told.earned.value:,.2f}",
        f"{told.earned.low:,.2f} to {told.earned.high:,.2f}",
    )
    console.print(table)
    console.print(
        "An effect is shown."
        if shown
        else "No effect is shown: more may have been held out, or there is none."
    )


def refresh() -> None:
    """Look at every open list again, and tell on the topic who has left it and who is back.

    Whoever said no, complained, can no longer be reached or is wanted by a list that goes before leaves; a pull leaves
    them out by the same rules, at once and whether this has run or not. Run it every few minutes
    (`touchstone schedule`).
    """
    from infra.target_list.refreshing import refresh as refresh_lists

    held = workspace()
    try:
        done = refresh_lists(held)
    finally:
        held.close()
    for one in done:
        console.print(
            f"{one.list_id} {one.series}: {one.moves.left:,} left, {one.moves.returned:,} back",
            soft_wrap=True,
        )
    if not done:
        console.print("No list is open.")

"""offers: what may be offered, the next best offer to one customer, and what customers take."""

from typing import TYPE_CHECKING, Annotated, Any, get_args
from uuid import UUID

import typer
from rich.table import Table

from events.vocabulary import Channel, Purpose
from models.errors import Refused
from services.cli.foretelling import bars
from services.cli.running import console, fail, workspace
from services.cli.working import AsOf, moment

if TYPE_CHECKING:
    from services.offers.proposing import Proposal

app = typer.Typer(
    no_args_is_help=True, help="The next best offer: what may be made, to whom, and what is taken."
)


@app.command()
def define() -> None:
    """Record the offers of the rules that are new or changed, and show all. Learning and proposing do it too.

    In the rules (TOUCHSTONE_WORKSPACE) each offer is a table [[offers]]; docs/offers.md says what may stand in it.
    """
    from services.offers.defining import define as record
    from services.offers.defining import offers_of
    from services.prediction import kit_of

    held = workspace()
    try:
        offers = offers_of(held, kit_of(held))
        new = record(held)
    except (Refused, ValueError) as error:
        fail(_told(error))
    finally:
        held.close()
    if not offers:
        fail("the rules have no offers: write a table [[offers]] for each, see docs/offers.md")
    table = Table("offer", "title", "for", "an acceptance brings", "thought to be taken by", box=None,
                  header_style="bold")  # fmt: skip
    for one in offers:
        table.add_row(
            one.offer, one.title, ", ".join(one.purposes), f"{one.worth:.2f}", f"{one.acceptance:.1%}"
        )
    console.print(table)
    console.print(
        f"{len(new)} recorded" + (f": {', '.join(new)}" if new else ", the others stand as they are")
    )


@app.command()
def features() -> None:
    """Every feature that at_least and at_most of an offer may name, and what it means."""
    from services.prediction import kit_of

    held = workspace()
    try:
        kit = kit_of(held)
    except ValueError as error:
        fail(str(error))
    finally:
        held.close()
    table = Table("feature", "what it means", "unit", box=None, header_style="bold")
    for one in kit.questions:
        table.add_row(one.name, one.meaning, one.unit)
    console.print(table)


@app.command()
def learn(as_of: AsOf = "") -> None:
    """Learn what customers take from what was put to them, and judge whether choosing for each one is worth it.

    Where that is not shown, one chance an offer is what counts from now on. Where nothing can be learnt, nothing is
    recorded and what was learnt before goes on counting.
    """
    from services.offers.learning import teach  # loaded when needed: it takes seconds

    held = workspace()
    try:
        done = teach(held, moment(as_of) if as_of else None, bars)
    except (Refused, ValueError) as error:
        fail(_told(error))
    finally:
        held.close()
    verdict = done.learnt.verdict
    console.print(verdict.says, markup=False, soft_wrap=True)
    table = Table(
        "choice", "money a presentation", "95 %", "presentations that tell", box=None, header_style="bold"
    )
    for name, told in (("for each customer", verdict.personal), *sorted(verdict.fixed.items())):
        table.add_row(
            name, f"{told.value:.4f}", f"{told.low:.4f} to {told.high:.4f}", f"{told.effective:,.0f}"
        )
    console.print(f"on presentations from {done.learnt.judged_from:%Y-%m-%d} on:")
    console.print(table)
    counts = Table("offer", "shown", "answered", "accepted", "", box=None, header_style="bold")
    for one in done.counts:
        counts.add_row(one.offer, f"{one.shown:,}", f"{one.answered:,}", f"{one.accepted:,}", one.why_not)
    console.print(counts)
    if done.learnt.unknown:
        console.print(
            f"· {done.learnt.unknown:,} presentations do not say how likely they were and are left out"
        )
    console.print(f"{'recorded' if done.new else 'recorded before'}, run {done.run}")


@app.command()
def propose(
    customer: Annotated[UUID, typer.Argument(help="The customer's id.")],
    channel: Annotated[str, typer.Option("--channel", help="On which channel it would be made.")] = "voice",
    purpose: Annotated[str, typer.Option("--purpose", help="What for.")] = "cross_sell",
    contact_id: Annotated[str, typer.Option("--contact-id", help="In this contact of the customer's.")] = "",
    agent: Annotated[str, typer.Option("--agent", help="Who makes it.")] = "",
    record: Annotated[
        bool, typer.Option("--record", help="It is made now: record the presentation.")
    ] = False,
) -> None:
    """The offer to make to a customer now, why this one, and what speaks against each other.

    In a contact that the customer began no consent is needed; a withdrawal for the purpose counts there too. Asked
    again for the same contact, the answer is what was recorded.
    """
    from infra.views import Views
    from services.offers.allowing import Occasion
    from services.offers.proposing import Offers  # loaded when needed: it takes seconds

    held = workspace()
    try:
        views = Views(held.engine, held.rules, held.settings.zone)
        view = views.customer(str(customer), held.clock.now())
        if view is None:
            fail("no customer has this id")
        if view.customer != str(customer):
            fail(f"this customer was merged into {view.customer}: ask for that one")
        occasion = Occasion(
            channel=_one_of(channel, Channel, "--channel"), purpose=_one_of(purpose, Purpose, "--purpose"),
            contact_id=contact_id or None, agent=agent or None,
        )  # fmt: skip
        offers = Offers(held, views)
        found = offers.present(view, occasion) if record else offers.propose(view, occasion)
    except (Refused, ValueError) as error:
        fail(_told(error))
    finally:
        held.close()
    _show(found)


def _show(found: "Proposal") -> None:
    if found.offer is None:
        console.print(f"no offer: {found.rule}")
    else:
        console.print(f"{found.offer}: {found.title or 'no longer in the rules'}", markup=False)
        for reason in found.because:
            console.print(f"· {reason}", markup=False)
        console.print(f"propensity {found.propensity:.4f}{', chosen by chance' if found.explored else ''}")
        console.print(f"allowed by {found.basis}")
    table = Table("offer", "chance of a yes", "expected to earn", "propensity", "rule against it", box=None,
                  header_style="bold")  # fmt: skip
    for one in found.weighed:
        table.add_row(
            one.offer,
            f"{one.probability:.3f}",
            f"{one.expected:.4f}",
            f"{one.propensity:.4f}",
            one.rule or "",
        )
    console.print(table)
    if found.presentation_id:
        said = "recorded" if found.recorded else "was recorded before"
        console.print(f"presentation {found.presentation_id} {said}")


def _one_of(given: str, allowed: object, option: str) -> Any:
    if given not in get_args(allowed):
        fail(f"{option}: {given!r} is none of {', '.join(get_args(allowed))}")
    return given


def _told(error: Exception) -> str:
    return error.detail if isinstance(error, Refused) else str(error)

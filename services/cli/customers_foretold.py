"""value, personas, related: what is foretold of each customer beside churn."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from models.errors import Refused
from services.cli.foretelling import bars
from services.cli.running import console, fail, workspace
from services.cli.working import AsOf, Issuer, moment

if TYPE_CHECKING:
    from ml.value.judging import Figure, Judgement

Currency = Annotated[
    str, typer.Option("--currency", help="Reckon in this one; by default that of most customers.")
]


def value(
    issuer: Issuer = "",
    horizon: Annotated[int, typer.Option("--horizon", help="Days ahead.")] = 365,
    as_of: AsOf = "",
    currency: Currency = "",
) -> None:
    """Foretell the money that each customer will bring, and record it.

    Of those under a contract: what they pay a month, for as long as they are expected to stay. Of other buyers: by
    their purchases. It is turnover in one currency, no margin taken off.
    """
    from services.foretelling.value import value as foretell  # loaded when needed: it takes seconds

    held = workspace()
    try:
        done = foretell(
            held, issuer or None, moment(as_of) if as_of else None, horizon_days=horizon, currency=currency.upper(),
            progress=bars,
        )  # fmt: skip
    except (Refused, ValueError) as error:
        fail(_told(error))
    finally:
        held.close()
    named = done.currency or "money of no stated currency"
    console.print(
        f"{done.buyers:,} buyers, {done.contracts - done.ended:,} under a contract and {done.ended:,} whose contract "
        f"has ended: {done.total:,.2f} {named} within "
        f"{done.horizon_days} days; {done.new:,} recorded, run {done.run}"
    )
    if done.others:
        console.print(f"· left out is what has a price in: {', '.join(one or 'none' for one in done.others)}")
    if done.contracts:
        console.print(
            f"· {done.scored:,} of the running contracts by their last churn score, the others as people left in the "
            "last year"
        )
    if done.because:
        console.print(f"· {done.because}", markup=False)
    for note in done.notes:
        console.print(f"· {note}", style="yellow", markup=False)
    for whose, judgements in (("buyers", done.judgements), ("contracts", done.of_contracts)):
        if judgements:
            console.print(f"{whose}, on what came from {done.judged_from:%Y-%m-%d} on:")
            console.print(_judgements(judgements))


def personas(
    issuer: Issuer = "",
    as_of: AsOf = "",
    currency: Currency = "",
    refit: Annotated[
        bool, typer.Option("--refit", help="Fit the groups anew; --why says the reason.")
    ] = False,
    why: Annotated[str, typer.Option("--why", help="In a sentence; it is recorded.")] = "",
) -> None:
    """Give each customer a persona by recency, frequency and spend; the first run freezes the groups.

    Later runs assign by the frozen groups, so that a persona means the same next month, and record who is new or moved.
    """
    from services.foretelling.personas import personas as assign  # loaded when needed: it takes seconds

    if refit != bool(why):
        fail("fitting anew moves many customers at once: give --refit and --why together")
    held = workspace()
    try:
        done = assign(
            held, issuer or None, moment(as_of) if as_of else None, currency=currency.upper(), why=why or None,
            progress=bars,
        )  # fmt: skip
    except (Refused, ValueError) as error:
        fail(_told(error))
    finally:
        held.close()
    table = Table("persona", "customers", "share", "its centre", box=None, header_style="bold")
    for row in done.rows:
        table.add_row(row.name, f"{row.customers:,}", f"{row.share:.1%}", row.says)
    console.print(table)
    console.print(
        f"freeze {done.freeze} of {done.frozen_at:%Y-%m-%d}{' (now)' if done.frozen_now else ''}: {done.why}",
        markup=False,
    )
    console.print(f"{done.new:,} recorded, {done.moved:,} of them had another persona")
    if done.elsewhere is not None:
        console.print(f"the new fit puts {done.elsewhere:.1%} of the customers elsewhere:")
        for flow in done.flows:
            if flow.was != flow.becomes:
                console.print(f"· {flow.customers:,}: {flow.was} → {flow.becomes}", markup=False)


def related(
    issuer: Issuer = "",
    as_of: AsOf = "",
    most: Annotated[int, typer.Option("--most", help="Products a customer is named.")] = 5,
) -> None:
    """Name products to each customer that others have beside theirs, and record the answers that have changed."""
    from services.foretelling.related import related as relate  # loaded when needed: it takes seconds

    held = workspace()
    try:
        done = relate(held, issuer or None, moment(as_of) if as_of else None, most=most, progress=bars)
    except (Refused, ValueError) as error:
        fail(_told(error))
    finally:
        held.close()
    console.print(
        f"{done.customers:,} customers, {done.products:,} products: {done.new:,} recorded, run {done.run}"
    )
    if done.judgement is None:
        console.print(f"· {done.unjudged}", style="yellow", markup=False)
        return
    table = Table("", "hit rate", "MAP", "coverage", "customers", box=None, header_style="bold")
    for name, told in (("related", done.judgement.related), ("what most buy", done.judgement.popular)):
        table.add_row(
            name, f"{told.hit:.3f}", f"{told.map:.3f}", f"{told.coverage:.2f}", f"{told.customers:,}"
        )
    gain = done.judgement.gain
    console.print(f"on what was had for the first time from {done.judged_from:%Y-%m-%d} on:")
    console.print(table)
    console.print(f"gain in hits {gain.value:+.3f} ({gain.low:+.3f} to {gain.high:+.3f})")


def _judgements(judgements: "Sequence[Judgement]") -> Table:
    columns = ("", "total ÷ true", "rank correlation", "money in the top tenth", "mean error", "customers")
    table = Table(*columns, box=None, header_style="bold")
    for one in judgements:
        figures = (one.total, one.rank_correlation, one.top_tenth, one.mean_error)
        table.add_row(one.model, *(_figure(figure) for figure in figures), f"{one.customers:,}")
    return table


def _figure(figure: "Figure | None") -> str:
    return "none" if figure is None else f"{figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f})"


def _told(error: Exception) -> str:
    return error.detail if isinstance(error, Refused) else str(error)

"""uplift: what campaigns and lists brought, against those whom chance held out."""

from typing import Annotated

import typer
from rich.table import Table

from models.errors import Refused
from services.cli.foretelling import bars
from services.cli.running import console, fail, workspace
from services.cli.working import AsOf, Issuer, moment


def uplift(
    issuer: Issuer = "",
    as_of: AsOf = "",
    seed: Annotated[int, typer.Option("--seed", help="Of folds and resamples: the same says the same.")] = 0,
    record: Annotated[
        bool,
        typer.Option(
            "--record", help='Record the effect on each customer, for lists with `effect = "measured"`.'
        ),
    ] = False,
) -> None:
    """What each treatment brought: everybody assigned against everybody held out, contacted or not.

    It is told from `campaign.assigned`, which lists with a hold-out record themselves, beside the response-only model,
    with intervals, and never more than was shown. What is no trial is refused with the cause.
    """
    from ml.uplift.rows import rows, sentences
    from services.foretelling import uplift as judging

    held, found = workspace(), 0
    try:
        told = judging.uplift(
            held, issuer or None, moment(as_of) if as_of else None, seed=seed, record=record, progress=bars
        )
        for one in told:
            found += 1
            console.rule(one.trial.treatment, align="left")
            if one.refused:
                said = f"{one.refused.code}: {one.refused.cause} {one.refused.fix}"
                console.print(said, style="yellow", markup=False, soft_wrap=True)
            if one.judgement is None:
                continue
            for sentence in sentences(one.judgement):
                console.print(f"· {sentence}", markup=False)
            table = Table("", "figure", "value", "95 %", "unit", box=None, header_style="bold")
            for row in rows(one.judgement):
                span = f"{row.figure.low:+.3f} to {row.figure.high:+.3f}"
                table.add_row(row.of, row.what, f"{row.figure.value:+.3f}", span, row.unit)
            console.print(table)
            if record:
                console.print(
                    f"{one.new:,} effects recorded, told by {one.learner.replace('_', ' ')}"
                    if one.learner
                    else "Nothing is recorded: no effect was shown."
                )
    except Refused as error:
        fail(error.detail)
    finally:
        held.close()
    if not found:
        fail(
            "no campaign is over whose customers were drawn by chance: record `campaign.assigned` for everybody in it, "
            "those held out too, with the propensity and `until`; a list with a hold-out does"
        )

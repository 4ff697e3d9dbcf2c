"""uplift: what campaigns brought, against those whom chance held out."""

from typing import Annotated

import typer
from rich.table import Table

from services.cli.foretelling import bars
from services.cli.running import console, fail, workspace
from services.cli.working import AsOf, Issuer, moment


def uplift(
    issuer: Issuer = "",
    as_of: AsOf = "",
    seed: Annotated[int, typer.Option("--seed", help="Of folds and resamples: the same says the same.")] = 0,
) -> None:
    """What each treatment brought: everybody assigned against everybody held out, contacted or not.

    It is told from `campaign.assigned`, beside the response-only model, with intervals, and never more than was shown.
    What is no trial is refused with the cause.
    """
    from ml.uplift.judging import judge
    from ml.uplift.rows import rows, sentences
    from ml.uplift.trial import UpliftRefused
    from ml.uplift.trials import trials
    from services import prediction

    held = workspace()
    try:
        known = moment(as_of) if as_of else held.clock.now()
        kit = prediction.kit_of(held)
        told = prediction.histories(held, issuer or None, kit, bars)
        with bars("asking what was known before each draw"):
            found = trials(told, known, kit.questions)
    finally:
        held.close()
    if not found:
        fail(
            "no campaign is over whose customers were drawn by chance: record `campaign.assigned` for everybody in it, "
            "those held out too, with the propensity and `until`"
        )
    for trial in found.values():
        console.rule(trial.treatment, align="left")
        try:
            with bars("judging"):
                judged = judge(trial, seed)
        except UpliftRefused as error:
            console.print(
                f"{error.code}: {error.cause} {error.fix}", style="yellow", markup=False, soft_wrap=True
            )
            continue
        for sentence in sentences(judged):
            console.print(f"· {sentence}", markup=False)
        table = Table("", "figure", "value", "95 %", "unit", box=None, header_style="bold")
        for row in rows(judged):
            span = f"{row.figure.low:+.3f} to {row.figure.high:+.3f}"
            table.add_row(row.of, row.what, f"{row.figure.value:+.3f}", span, row.unit)
        console.print(table)

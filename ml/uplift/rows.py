"""A judgement as rows and sentences of a report, which say what was shown and no more."""

from dataclasses import dataclass

from ml.uplift.effect import Estimate
from ml.uplift.judging import Judgement, Standing
from ml.uplift.learning import BASELINE, Learner

NAMES: dict[Learner, str] = {
    "two_model": "two models",
    "x_learner": "X-learner",
    "response_only": "response only (no hold-out): to be beaten",
}
FIFTHS = ("told to be moved least", "second fifth", "middle fifth", "fourth fifth", "told to be moved most")


@dataclass(frozen=True)
class Row:
    """One figure of the report: whose, what, and its 95 % interval, in `unit`."""

    of: str
    what: str
    unit: str
    figure: Estimate


def rows(judgement: Judgement) -> list[Row]:
    """The average effect, then each learner's figures, response-only always among them."""
    unit = _unit(judgement)
    found = [Row("all assigned against all held out", "average effect", unit, judgement.average)]
    for standing in judgement.standings:
        name = NAMES[standing.learner]
        found.append(Row(name, "Qini coefficient", "of the best order", standing.qini))
        if standing.learner != BASELINE:
            found.append(Row(name, "Qini beyond response only", "of the best order", standing.over_response))
        found.append(Row(name, "effect in the top 30 %", unit, standing.top))
        found += [
            Row(name, f"effect, {fifth}", unit, figure)
            for fifth, figure in zip(FIFTHS, standing.fifths, strict=True)
        ]
    return found


def sentences(judgement: Judgement) -> list[str]:
    """What a reader is told first."""
    best = judgement.standing(judgement.champion)
    return [
        "An effect is shown." if judgement.effect_shown else "No effect is shown.",
        _average(judgement),
        _order(judgement, best),
        f"{judgement.treated} assigned rows, contacted or not, against {judgement.held_out} held out;"
        f" {judgement.left_out} rows were not in the draw. So many would show an average effect of"
        f" {_amount(judgement, judgement.smallest)} in 80 of 100 trials.",
        "The arms look as a draw leaves them"
        f" (p = {judgement.balance.omnibus_p:.2g} over {judgement.balance.degrees} measures).",
    ]


def _average(judgement: Judgement) -> str:
    low, high = judgement.average.low, judgement.average.high
    between = f"between {_amount(judgement, low, sign=True)} and {_amount(judgement, high, sign=True)}"
    said = "On average, an effect is shown" if judgement.average_shown else "On average, none is shown"
    told = f"{said}: {_amount(judgement, judgement.average.value, sign=True)}, {between}."
    if not judgement.average_shown and not low <= 0 <= high:
        told += (
            " By itself that would be one; of three looks, one so far from zero comes by chance too often."
        )
    return told


def _order(judgement: Judgement, best: Standing) -> str:
    figure = f"Qini {best.qini.value:.3f}, between {best.qini.low:.3f} and {best.qini.high:.3f}"
    if not judgement.order_shown:
        return f"That some are moved more than others is not shown ({figure}): the same for everyone."
    beaten = "is shown" if best.over_response.above_zero else "is not shown"
    return (
        f"That some are moved more than others is shown ({figure})."
        f" That this order beats the response-only model's {beaten}."
    )


def _unit(judgement: Judgement) -> str:
    return "money a row" if judgement.money else "share of rows"


def _amount(judgement: Judgement, value: float, sign: bool = False) -> str:
    plus = "+" if sign else ""
    return f"{value:{plus}.2f}" if judgement.money else f"{value * 100:{plus}.2f} points"

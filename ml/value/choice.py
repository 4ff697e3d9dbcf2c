"""Which model tells the value: the two of the papers, or boosting where there is an older cohort to learn it from.

Boosting learns what customers do next from others who did it before. Where all customers are young, there are none: it
would have to learn from a shorter past and a shorter window, and be stretched, which was measured to be worse.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from msgspec import Struct

from ml.value import boosting, money
from ml.value.histories import Histories, Summary
from ml.value.judging import Figure, Judgement, judge, top_gain
from ml.value.refusals import ValueRefused, WrongShape

BG_NBD: Literal["bg_nbd"] = "bg_nbd"
BOOSTING: Literal["boosting"] = "boosting"
PAST = "own_past"
COVERED = 0.9
"""Part of today's customers whose age must lie within the older cohort's, the outermost hundredths left out."""


@dataclass(frozen=True)
class OlderCohort:
    """Customers as they stood at an earlier cut, and what came after it; rows of all columns in one order.

    `window`: how long that was, in the histories' unit of time. `features`: customers × columns, known at that cut.
    """

    summary: Summary
    features: np.ndarray
    bought: np.ndarray
    money: np.ndarray
    window: float


class Choice(Struct, frozen=True, kw_only=True):
    """The model to use and why, in a sentence; with the figures on the older cohort's money where there was one."""

    model: Literal["bg_nbd", "boosting"]
    because: str
    gain: Figure | None = None
    judgements: tuple[Judgement, ...] = ()


def choose(now: Histories, older: OlderCohort | None, horizon: float, *, seed: int) -> Choice:
    """Choose for customers as of now and the next `horizon`.

    Boosting is chosen where an older cohort was followed for as long as `horizon`, was as old as at least nine in ten
    of today's customers are, and where its own top tenth brought a greater part of the money than that of BG/NBD with
    Gamma-Gamma, by more than chance (the bootstrap's interval lies above 0). The totals do not count: boosting has seen
    how good the window was that it is judged on, and is nearly right there whatever the next one brings.
    Raises what `judge` raises, and WrongShape.
    """
    why_not = _unfit(now, older, horizon)
    if older is None or why_not:
        return Choice(model=BG_NBD, because=why_not)
    try:
        _, worth = boosting.out_of_fold(older.features, older.bought, older.money, seed=seed)
    except ValueRefused as refused:
        return Choice(
            model=BG_NBD, because=f"Boosting could not learn from the older cohort: {refused.detail}"
        )
    foretold = {BOOSTING: worth, PAST: money.past_money(older.summary, horizon)}
    try:
        model = money.fit(older.summary)
    except ValueRefused as refused:
        return Choice(
            model=BOOSTING,
            because=f"BG/NBD and Gamma-Gamma could not be fitted on the older cohort: {refused.detail}",
            judgements=judge(older.money, foretold, seed=seed),
        )
    rival = model.expected_money(older.summary.histories, older.summary.spending, horizon)
    gain = top_gain(older.money, worth, rival, seed=seed)
    judgements = judge(older.money, {BG_NBD: rival, **foretold}, seed=seed)
    papers, boosted = (judgement.top_tenth.value for judgement in judgements[:2])
    better = gain.low > 0
    return Choice(
        model=BOOSTING if better else BG_NBD,
        because=(
            f"Boosting's top tenth of {len(worth):,} customers of an older cohort brought {boosted:.1%} of the money, "
            f"that of BG/NBD with Gamma-Gamma {papers:.1%}: "
            f"{'more' if better else 'no more than chance'} ({gain.low:+.1%} to {gain.high:+.1%})."
        ),
        gain=gain,
        judgements=judgements,
    )


def _unfit(now: Histories, older: OlderCohort | None, horizon: float) -> str:
    """Why the older cohort is no teacher; empty if it is one."""
    if older is None:
        return "No older cohort: nobody has yet been followed for as long as is to be foretold."
    if len(older.summary.histories) != len(older.bought):
        raise WrongShape("older", f"{len(older.summary.histories)} histories, {len(older.bought)} outcomes.")
    if abs(older.window - horizon) > 0.01 * horizon:
        return (
            f"The older cohort was followed for {older.window:g}, not for {horizon:g}: "
            "stretching one into the other misleads."
        )
    if not len(now) or not len(older.bought):
        return "There are no customers to tell or to learn from."
    youngest, oldest = np.quantile(older.summary.histories.age, [0.01, 0.99])
    covered = float(((now.age >= youngest) & (now.age <= oldest)).mean())
    if covered < COVERED:
        return (
            f"Only {covered:.0%} of today's customers have an age that was usual in the older cohort; "
            f"{COVERED:.0%} are needed."
        )
    return ""

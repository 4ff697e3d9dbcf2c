"""What customers under a contract will bring: how long they stay, by their last churn score, at so much a month."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import numpy as np
import polars as pl

from events.prediction import ChurnScored
from infra.workspace import Workspace
from ml.facts import EXACT
from ml.value.choice import PAST
from ml.value.contract import BILLED, MONTH, Contracts, contracts, leaving, staying
from ml.value.judging import Judgement, judge
from ml.value.refusals import ValueRefused
from services.foretelling.evidence import BOUGHT, Evidence
from services.foretelling.recording import SEED, People, latest

CONTRACT: Literal["contract"] = "contract"


@dataclass(frozen=True)
class Expected:
    """What contracts bring within the horizon, in order of the customers' keys.

    `runs` are the runs of scores that it rests on, `scored` how many customers had one; the others leave at
    `leaving_a_day`. `staying`: the chance that they are there at the end.
    """

    customers: list[str]
    amount: np.ndarray
    monthly: np.ndarray
    staying: np.ndarray
    leaving_a_day: float
    scored: int
    runs: frozenset[str]

    @property
    def ended(self) -> int:
        """Those of whom nothing more is expected."""
        return int((self.staying == 0).sum())


def expect(
    workspace: Workspace,
    evidence: Evidence,
    known: People,
    moment: datetime,
    horizon_days: int,
    currency: str,
) -> Expected:
    """All who are under a contract at a moment, and those whose contract has ended who never bought anything.

    Of the latter nothing more is expected. Whoever bought too after it ended is a buyer like others.
    """
    facts = evidence.at(moment)
    found = contracts(facts, moment, currency)
    bought = pl.col("type").eq(BOUGHT) & pl.col("amount_e4").is_not_null() & (pl.col("currency") == currency)
    buys = found.customers.is_in(facts.filter(bought)["customer"].unique().implode()).to_numpy()
    mine = np.flatnonzero(found.running | ~buys)
    keys = found.customers.to_list()
    scores = _scores(workspace, moment, known)
    own = [scores.get(known.ids[keys[row]]) for row in mine]
    rate = _rates(own, found)
    days, there = staying(rate, horizon_days)
    running, monthly = found.running[mine], found.monthly[mine]
    return Expected(
        customers=[keys[row] for row in mine],
        amount=np.where(running, days / MONTH * monthly, 0.0),
        monthly=monthly,
        staying=np.where(running, there, 0.0),
        leaving_a_day=found.leaving_a_day,
        scored=sum(score is not None for score, runs in zip(own, running, strict=True) if runs),
        runs=frozenset(score.run for score in own if score is not None),
    )


def judged(
    workspace: Workspace, evidence: Evidence, known: People, moment: datetime, since: datetime, currency: str
) -> tuple[tuple[Judgement, ...], str]:
    """What was expected at `since` of those under a contract then, beside what they were billed from then on.

    Beside it: all go on paying as they did. Where that can't be told, why not.
    """
    window = (moment - since).days
    then = expect(workspace, evidence, known, since, max(window, 1), currency)
    rows = np.flatnonzero(then.staying > 0)
    billed = evidence.at(moment).filter(
        (pl.col("type") == BILLED) & (pl.col("occurred_at") >= since) & (pl.col("currency") == currency)
    ).group_by("customer").agg(pl.col("amount_e4").sum() / EXACT)  # fmt: skip
    came = dict(billed.iter_rows())
    true = np.array([came.get(then.customers[row], 0.0) for row in rows], dtype=np.float64)
    foretold = {CONTRACT: then.amount[rows], PAST: then.monthly[rows] * window / MONTH}
    try:
        return judge(true, foretold, seed=SEED, resamples=200), ""
    except ValueRefused:
        return (
            (),
            f"contracts were not judged on the last {window} days: nobody who had one then was billed since",
        )


def _scores(workspace: Workspace, moment: datetime, known: People) -> Mapping[str, ChurnScored]:
    """The last churn score of each customer, while its horizon lasts: what it foretold is over after that."""
    told = {one: e.event for one, e in latest(workspace, ChurnScored.WIRE, moment, known).items()}
    return {
        one: score for one, score in told.items()
        if score.horizon_days and score.as_of + timedelta(days=score.horizon_days) > moment
    }  # fmt: skip


def _rates(own: list[ChurnScored | None], found: Contracts) -> np.ndarray:
    """How many of such customers leave in a day: by the score, or else as others did."""
    probability = np.array([one.probability if one else 0.0 for one in own], dtype=np.float64)
    horizon = np.array([one.horizon_days if one else 1 for one in own], dtype=np.float64)
    scored = np.array([one is not None for one in own], dtype=bool)
    return np.where(scored, leaving(probability, horizon), found.leaving_a_day)

"""What customers without a contract will spend: which model tells it, fitted, asked and judged. Pure."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import numpy as np
import polars as pl

from ml.facts import EXACT
from ml.value import boosting, choice, money
from ml.value.choice import BG_NBD, PAST, Choice, OlderCohort
from ml.value.histories import Summary, came, summarise
from ml.value.judging import Judgement, judge
from ml.value.refusals import ValueRefused
from services.foretelling.evidence import BOUGHT, RETURNED, Evidence, window_before
from services.foretelling.recording import SEED


@dataclass(frozen=True)
class Spending:
    """What is expected of buyers, in order of their key: money and purchases within the horizon.

    `judgements` are of the slice from `judged_from` on; where there are none, `unjudged` says why.
    """

    customers: list[str]
    amount: np.ndarray
    purchases: np.ndarray
    model: Literal["bg_nbd", "boosting"]
    because: str
    parameters: dict[str, float]
    judgements: tuple[Judgement, ...]
    judged_from: datetime | None
    unjudged: str = ""


def foretell(
    evidence: Evidence, moment: datetime, horizon_days: int, currency: str, apart: Collection[str]
) -> Spending | None:
    """What everybody will spend but those `apart`, whom another way tells; None where nobody else bought anything.

    Raises `ValueRefused`.
    """
    known = _rows(evidence.at(moment), currency, apart)
    now = summarise(known, moment)
    if not len(now.histories):
        return None
    older = _older(evidence, known, moment, horizon_days, currency, apart)
    chosen = choice.choose(now.histories, older, float(horizon_days), seed=SEED)
    if chosen.model == BG_NBD:
        model = money.fit(now)
        purchases = model.purchases.expected(now.histories, horizon_days)
        amount = model.expected_money(now.histories, now.spending, horizon_days)
        parameters = {
            f"{part}.{name}": value
            for part, told in model.to_parameters().items()
            for name, value in told.items()
        }
    else:
        assert older is not None  # boosting is only chosen where there is one
        boosted = boosting.fit(older.features, older.bought, older.money, seed=SEED)
        purchases = boosted.expected_purchases(_features(now))
        amount = boosted.expected_money(_features(now))
        parameters = {}
    judgements, judged_from, unjudged = _judged(
        chosen, evidence, known, moment, horizon_days, currency, apart
    )
    return Spending(
        customers=now.customers.to_list(), amount=np.maximum(amount, 0.0), purchases=np.maximum(purchases, 0.0),
        model=chosen.model, because=chosen.because, parameters=parameters, judgements=judgements,
        judged_from=judged_from, unjudged=unjudged,
    )  # fmt: skip


def _rows(known: pl.DataFrame, currency: str, apart: Collection[str]) -> pl.DataFrame:
    """A row a purchase or return with a price in the currency: customer, at, money (of a return negative)."""
    kind, priced = pl.col("type"), pl.col("amount_e4").is_not_null()
    mine = kind.is_in([BOUGHT, RETURNED]) & priced & (pl.col("currency") == currency)
    amount = pl.col("amount_e4") / EXACT
    return known.filter(mine & ~pl.col("customer").is_in(list(apart))).select(
        "customer", at="occurred_at", money=pl.when(kind == RETURNED).then(-amount).otherwise(amount)
    )


def _older(
    evidence: Evidence, known: pl.DataFrame, moment: datetime, horizon_days: int, currency: str,
    apart: Collection[str],
) -> OlderCohort | None:  # fmt: skip
    """Those who had bought one horizon ago, and what they bought since."""
    cut = moment - timedelta(days=horizon_days)
    then = summarise(_rows(evidence.at(cut), currency, apart), cut)
    if not len(then.histories):
        return None
    bought, paid = came(known, then.customers, cut, moment)
    return OlderCohort(then, _features(then), bought, paid, float(horizon_days))


def _features(summary: Summary) -> np.ndarray:
    """Repeats, time to the last purchase, age, silence, money a purchase, money in all."""
    told = summary.histories
    return np.column_stack(
        [told.repeats, told.last, told.age, told.age - told.last, summary.spending.mean, summary.money]
    )


def _judged(
    chosen: Choice, evidence: Evidence, known: pl.DataFrame, moment: datetime, horizon_days: int, currency: str,
    apart: Collection[str],
) -> tuple[tuple[Judgement, ...], datetime | None, str]:  # fmt: skip
    """The figures on the older cohort where models were compared on it; else those of BG/NBD on a later slice."""
    if chosen.judgements:
        return chosen.judgements, moment - timedelta(days=horizon_days), ""
    cut = window_before(moment, evidence.first(moment), horizon_days)
    window = float((moment - cut).days)
    try:
        then = summarise(_rows(evidence.at(cut), currency, apart), cut)
        model = money.fit(then)
        _, paid = came(known, then.customers, cut, moment)
        foretold = {
            BG_NBD: model.expected_money(then.histories, then.spending, window),
            PAST: money.past_money(then, window),
        }
        return judge(paid, foretold, seed=SEED), cut, ""
    except ValueRefused as refused:
        return (), None, f"not judged on the last {window:.0f} days: {refused.detail}"

"""What a treatment changes for each customer, by a trial in which an effect was shown."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from ml.cut import Cut
from ml.definition import Feature
from ml.features.catalogue import FEATURES, ask
from ml.histories import Histories
from ml.uplift.admission import admit
from ml.uplift.judging import Judgement
from ml.uplift.learning import Learner, UpliftModel, learn
from ml.uplift.trial import Trial

AVERAGE = "average"
DIGITS = 6


@dataclass(frozen=True, eq=False)
class Rule:
    """How an effect is told: by a learned `model`, or the `average` for everyone where there is none."""

    average: float
    model: UpliftModel | None = None

    @property
    def learner(self) -> Learner | str:
        """Who tells it."""
        return self.model.learner if self.model else AVERAGE


def rule(trial: Trial, judged: Judgement, seed: int) -> Rule | None:
    """What may be told of customers who were in no trial; None where no effect was shown.

    Only where the trial has shown that some are moved more than others does each get an effect of their own. Raises
    UpliftRefused, as `judge` does.
    """
    if not judged.effect_shown:
        return None
    if not judged.order_shown:
        return Rule(judged.average.value)
    return Rule(judged.average.value, learn(admit(trial), judged.champion, seed))


def effects(
    told: Rule, histories: Histories, as_of: datetime, questions: Sequence[Feature] = FEATURES
) -> Iterator[tuple[str, float]]:
    """Everybody known at a moment, each with the share more that stay, or come back: -1 to 1."""
    for facts in histories.read():
        cut = Cut(facts, as_of)
        gone = [one for one, since in histories.absorbed.items() if since < as_of]
        customers = cut.customers.filter(~pl.col("customer").is_in(gone))
        shares = np.full(len(customers), told.average)
        if told.model and len(customers):
            asked = customers.join(ask(cut, questions), on="customer", how="left", maintain_order="left")
            rows = np.ascontiguousarray(asked.select(told.model.columns).fill_null(float("nan")).to_numpy())
            shares = told.model.score(rows)
        yield from zip(
            customers["customer"].to_list(), np.round(np.clip(shares, -1, 1), DIGITS).tolist(), strict=True
        )

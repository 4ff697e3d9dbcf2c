"""Everyone's probability of leaving as of a moment, ranked and explained."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np
from msgspec import Struct

from events.envelope import Envelope
from events.prediction import ChurnScored, ScoreReason
from ml.dataset import vector
from ml.explanation import reasons
from ml.features import NAMES, values
from ml.labels import CONCERNS, LabelKind
from ml.model import ChurnModel
from ml.timeline import Histories, Timeline, absorbed, told

DIGITS = 9
"""Decimals of a probability that are told and ranked by; what lies beyond differs between machines."""


class Score(Struct, frozen=True, kw_only=True):
    """One customer's probability of leaving within the horizon; rank 1 of `of` is the likeliest."""

    customer: str
    probability: float
    rank: int
    of: int
    reasons: tuple[ScoreReason, ...]

    def event(self, *, run: str, artifact: str, as_of: datetime, horizon_days: int) -> ChurnScored:
        """The score as it is recorded."""
        return ChurnScored(
            run=run, artifact=artifact, as_of=as_of, horizon_days=horizon_days, probability=self.probability,
            rank=self.rank, of=self.of, reasons=self.reasons,
        )  # fmt: skip


def score(
    model: ChurnModel, histories: Histories, as_of: datetime, label: LabelKind = "no_activity"
) -> list[Score]:
    """All customers whom the label concerns at `as_of`, likeliest to leave first.

    Who they are, and what they did, goes by the merges and corrections known before `as_of`.

    Equal probabilities are ranked by silence, longest first, then by all features, then by the source of
    the customer's first event, and only then by id: ids are random per installation, and a list shall be
    the same in all of them.
    """
    concerned = [
        customer
        for customer, history in histories.items()
        if CONCERNS[label](told(history, as_of), as_of)
        and ((until := absorbed(customer, history)) is None or until >= as_of)
    ]
    if not concerned:
        return []
    row_of = [vector(values(Timeline(histories[customer]), as_of)).tobytes() for customer in concerned]
    distinct = sorted(set(row_of))
    rows = np.frombuffer(b"".join(distinct)).reshape(len(distinct), len(NAMES))
    probability = dict(zip(distinct, np.round(model.probability(rows), DIGITS).tolist(), strict=True))
    silence = dict(
        zip(distinct, np.nan_to_num(rows[:, NAMES.index("days_since_activity")]).tolist(), strict=True)
    )
    why = dict(zip(distinct, reasons(model, rows), strict=True))
    ranked = sorted(
        zip(concerned, row_of, strict=True),
        key=lambda pair: (
            -probability[pair[1]],
            -silence[pair[1]],
            pair[1],
            _first_source(histories[pair[0]], as_of),
            pair[0],
        ),
    )
    return [
        Score(customer=customer, probability=probability[row], rank=rank, of=len(ranked), reasons=why[row])
        for rank, (customer, row) in enumerate(ranked, start=1)
    ]


def _first_source(history: Sequence[Envelope], as_of: datetime) -> tuple[str, str]:
    known = (e for e in told(history, as_of) if e.known_at < as_of)
    first = min(known, key=lambda envelope: envelope.order)
    return (first.source, first.source_id)

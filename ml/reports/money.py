"""What lists of the judged customers would have earned, under terms that are told."""

from dataclasses import dataclass

import numpy as np

from ml import profit
from ml.model import BASELINE
from ml.profit import Acceptance, Curve, Point, Terms
from ml.reports.slices import Judged
from models.domain.profit import leaving
from models.errors import Refused

SHARES = (0, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1)
TENTH = 0.1


@dataclass(frozen=True)
class Money:
    """Lists by the champion's order and by recency alone, counted by who really left.

    `planned` ends where the champion's probability says that the next customer does not pay: what could have been
    done. `best` ends where it would have been best, which is known afterwards only. `assumed`: nobody gave the terms.
    """

    terms: Terms
    acceptance: float
    assumed: bool
    planned: Point
    best: Point
    tenth: Point
    everybody: Point
    recency_best: Point
    maximum: float
    recency_maximum: float
    curves: dict[str, tuple[float, ...]]


def money(judged: Judged, champion: str, terms: Terms | None, acceptance: Acceptance | None) -> Money:
    """Profit a customer of lists of every length. Raises `Refused` (`report.terms`) for terms by customer."""
    used, how = terms or Terms(), acceptance or Acceptance()
    if any(np.ndim(one) for one in (used.value, used.offer_cost, used.contact_cost)):
        raise Refused(
            "report.terms", "a report is made with one value and one cost for all customers", "terms"
        )
    left = judged.left.astype(float)
    curves = {name: profit.counted(left, told, used, how.mean) for name, told in judged.probability.items()}
    own, recency = curves[champion], curves[BASELINE]
    told = judged.probability[champion]
    planned = profit.foretold(*leaving(told, np.full(len(told), how.mean)), used).best
    return Money(
        terms=used, acceptance=how.mean, assumed=terms is None or acceptance is None,
        planned=own.at(planned.share), best=own.best, tenth=own.at(TENTH), everybody=own.at(1.0),
        recency_best=recency.best,
        maximum=profit.expected_maximum(left, told, used, how).a_customer,
        recency_maximum=profit.expected_maximum(left, judged.probability[BASELINE], used, how).a_customer,
        curves={name: _drawn(one) for name, one in curves.items()},
    )  # fmt: skip


def _drawn(curve: Curve) -> tuple[float, ...]:
    return tuple(curve.at(share).a_customer for share in SHARES)

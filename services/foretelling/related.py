"""What else a customer may want, recorded as events where the answer has changed."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import polars as pl
from msgspec import Struct

from events.prediction import ProductsRelated, RelatedProduct
from infra.ids import derived_id
from infra.workspace import Workspace
from ml import related as near
from ml.related import Judgement, Recommendation, Related
from ml.value.contract import CHANGED, STARTED
from models.errors import Refused
from services.foretelling.evidence import BOUGHT, Evidence, gather, window_before
from services.foretelling.recording import SEED, Asking, asking, latest, people
from services.prediction import Bars, silent

WINDOW = 90
"""Days of the later slice that answers are judged on, or half of what is known."""
DIGITS = 6
MOST = 50
HAD = (BOUGHT, STARTED, CHANGED)


class Answered(Struct, frozen=True, kw_only=True):
    """One run: how many customers and products there are, how many answers were new or had changed.

    `judgement` is of the slice from `judged_from` on; where there is none, `unjudged` says why.
    """

    run: str
    as_of: datetime
    customers: int
    products: int
    new: int
    judged_from: datetime
    judgement: Judgement | None
    unjudged: str = ""


def related(
    workspace: Workspace, issuer: str | None = None, as_of: datetime | None = None, *, most: int = 5,
    progress: Bars = silent,
) -> Answered:  # fmt: skip
    """Name up to `most` products to each customer who ever bought or held one, none that they had.

    Products are those of purchases and holdings. Refused, with nothing recorded: `as_of_ahead`, `related.most`,
    `related.too_few`.
    """
    if not 1 <= most <= MOST:
        raise Refused("related.most", f"a customer is named 1 to {MOST} products")
    asked = asking(workspace, as_of, "touchstone related")
    evidence = gather(workspace, issuer, HAD, progress)
    had = _had(evidence.at(asked.moment))
    since = window_before(asked.moment, evidence.first(asked.moment), WINDOW)
    with progress("judging"):
        judgement, unjudged = _judged(evidence, had, since, most)
    with progress("relating"):
        customers = sorted(had)
        found = _fitted(had)
        answers = found.recommend([had[one] for one in customers], most)
    run = derived_id("related", asked.moment.isoformat(), issuer or "", str(most))
    new = _record(asked, run, customers, answers)
    return Answered(
        run=run, as_of=asked.moment, customers=len(customers), products=len(found.items), new=new, judged_from=since,
        judgement=judgement, unjudged=unjudged,
    )  # fmt: skip


def _had(known: pl.DataFrame) -> dict[str, dict[str, int]]:
    """Customer → product → how often they bought or began to hold it."""
    told = known.filter(pl.col("product").is_not_null()).group_by("customer", "product").len()
    found: dict[str, dict[str, int]] = {}
    for one, product, times in told.sort("customer", "product").iter_rows():
        found.setdefault(one, {})[product] = times
    return found


def _fitted(had: Mapping[str, Mapping[str, int]]) -> Related:
    pairs = [
        (one, product) for one, own in had.items() for product, times in own.items() for _ in range(times)
    ]
    return near.fit([one for one, _ in pairs], [product for _, product in pairs])


def _judged(
    evidence: Evidence, had: Mapping[str, Mapping[str, int]], since: datetime, most: int
) -> tuple[Judgement | None, str]:
    """Answers from what was had before, against what was then had for the first time."""
    before = _had(evidence.at(since))
    customers = sorted(before)
    wanted = [frozenset(had.get(one, {})) - frozenset(before[one]) for one in customers]
    try:
        found = _fitted(before)
        wanted = [new & frozenset(found.items) for new in wanted]
        return near.judge(found, [before[one] for one in customers], wanted, seed=SEED, most=most), ""
    except Refused as refused:
        return None, f"not judged on what came from {since:%Y-%m-%d} on: {refused.detail}"


def _record(
    asked: Asking, run: str, customers: Sequence[str], answers: Sequence[Sequence[Recommendation]]
) -> int:
    """Those whose products, or the reasons for them, are others than before; a score alone is no news."""
    known = people(asked.workspace)
    before = {
        one: _told(e.event.items)
        for one, e in latest(asked.workspace, ProductsRelated.WIRE, asked.moment, known).items()
    }
    told = []
    for key, answer in zip(customers, answers, strict=True):
        one = known.recorded(key)
        items = tuple(
            RelatedProduct(item=each.item, score=round(each.score, DIGITS), because=each.because)
            for each in answer
        )
        if one is not None and before.get(one, ()) != _told(items):
            told.append((one, ProductsRelated(run=run, as_of=asked.moment, items=items)))
    return asked.record(f"related:{run}", told)


def _told(items: Sequence[RelatedProduct]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return tuple((one.item, one.because) for one in items)

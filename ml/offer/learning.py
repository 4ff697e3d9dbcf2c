"""From presentations to acceptances: learnt on the earlier ones, judged by replay on the later ones.

Where choosing for each customer is not shown to earn more than the same offer for everyone, one chance an offer is what
is learnt.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from ml.definition import Feature, hash_of
from ml.features.catalogue import FEATURES
from ml.offer import acceptance
from ml.offer.acceptance import FEWEST_SHOWN, Acceptance
from ml.offer.presentations import ready
from ml.offer.replay import Log, Verdict, certain, judge
from models.errors import Refused

EARLIER = 0.6
"""Share of the presentations that is learnt from before the rest judges."""
FEWEST_KNOWN = 20
"""Customers of whom a feature must be known to be learnt from."""


@dataclass(frozen=True)
class Learnt:
    """What is known of acceptances, and how that did on presentations from `judged_from` on.

    `accepted` goes with `acceptance.offers`. `left_out` says of other offers why nothing was learnt of them, `unknown`
    counts presentations that did not record how likely they were.
    """

    acceptance: Acceptance
    verdict: Verdict
    accepted: tuple[int, ...]
    left_out: Mapping[str, str]
    judged_from: datetime
    unknown: int

    @property
    def personal(self) -> bool:
        """Is it shown that a choice for each customer earns more?"""
        return not self.verdict.same_for_everyone


def learn(
    shown: pl.DataFrame, worth: Mapping[str, float], persons: Mapping[str, str],
    questions: Sequence[Feature] = FEATURES,
) -> Learnt:  # fmt: skip
    """Acceptances from presentations (`ml.offer.presentations`). `worth` is what an acceptance of each offer earns.

    `persons` names whom a customer is, so that one who was two counts as one. Refused: `offer.nothing_shown`,
    `replay.no_propensity`, `offer.too_few_shown`, `offer.one_answer`, and what `ml.offer.replay` refuses.
    """
    told = _with_propensity(shown)
    threshold = told["made_at"][int(len(told) * EARLIER)]
    early = (told["made_at"] < threshold).to_numpy()
    left_out = _left_out(told, early, worth)
    names = tuple(sorted(set(told["offer"].to_list()) - left_out.keys()))
    if not names:
        raise _nothing_left(told, left_out)
    mine = told["offer"].is_in(names).to_numpy()
    columns = _telling(told.filter(pl.Series(early & mine)), questions)
    first = _fitted(told.filter(pl.Series(early & mine)), columns, questions)
    reach = np.array([[name in some for name in names] for some in told["possible"].to_list()])
    verdict = _judged(told, ~early & reach.any(axis=1), first, reach, worth, persons, questions)
    rows = told.filter(pl.Series(mine))
    taken = rows["taken"].to_numpy()
    if verdict.same_for_everyone:
        found = acceptance.alike(rows["offer"].to_list(), taken, columns=())
    else:
        found = _fitted(rows, columns, questions)
    accepted = Counter(rows.filter(pl.col("taken") == 1)["offer"].to_list())
    return Learnt(
        acceptance=found, verdict=verdict, accepted=tuple(accepted[name] for name in found.offers),
        left_out=left_out, judged_from=threshold, unknown=len(shown) - len(told),
    )  # fmt: skip


def filled(values: np.ndarray, usual: np.ndarray) -> np.ndarray:
    """What is not known is as usual."""
    return np.where(np.isfinite(values), values, usual)


def meaning(columns: Sequence[str], questions: Sequence[Feature]) -> str:
    """SHA-256 of what the columns mean: another question is another column."""
    by_name = {one.name: one for one in questions}
    return hash_of([by_name[name] for name in columns], code=())


def _with_propensity(shown: pl.DataFrame) -> pl.DataFrame:
    if not len(shown):
        raise Refused(
            "offer.nothing_shown",
            "no presentation is old enough that its answer counts: put offers to customers with `touchstone offers "
            "propose --record` or POST /v1/customers/{id}/offers, record their answers, and learn when the time to "
            "answer (answer_days of the table offering) is over",
        )
    told = shown.filter(
        pl.col("propensity").is_not_null()
        & pl.col("possible").list.contains(pl.col("offer")).fill_null(False)
    )
    if not len(told):
        raise Refused(
            "replay.no_propensity",
            f"none of {len(shown)} presentations says how likely it was among which offers: let Touchstone choose, or "
            "record propensity and possible with each",
            "propensity",
        )
    return told


def _left_out(told: pl.DataFrame, early: np.ndarray, worth: Mapping[str, float]) -> dict[str, str]:
    """Offer → why nothing can be learnt of it."""
    found: dict[str, str] = {}
    for name in sorted(set(told["offer"].to_list())):
        own = (told["offer"] == name).to_numpy()
        before, after = int((own & early).sum()), int((own & ~early).sum())
        answers = set(told.filter(pl.Series(own & early))["taken"].to_list())
        if name not in worth:
            found[name] = "the rules no longer have it"
        elif min(before, after) < FEWEST_SHOWN:
            found[name] = (
                f"shown {before} times to learn from and {after} to judge by; {FEWEST_SHOWN} each are needed"
            )
        elif len(answers) < 2:
            found[name] = f"all {before} who were asked first gave the same answer"
    return found


def _nothing_left(told: pl.DataFrame, left_out: Mapping[str, str]) -> Refused:
    most = Counter(told["offer"].to_list()).most_common(1)[0][0]
    same = [name for name, why in left_out.items() if "same answer" in why]
    code = "offer.one_answer" if same else "offer.too_few_shown"
    name = same[0] if same else most
    fix = (
        "look whether accepted answers are recorded (presentation.answered)" if same
        else "show it longer, or let chance show more (explore of the table offering)"
    )  # fmt: skip
    return Refused(code, f"nothing can be learnt yet: {name}: {left_out[name]}; {fix}", name)


def _telling(rows: pl.DataFrame, questions: Sequence[Feature]) -> tuple[str, ...]:
    """The features that differ between customers and of which enough is known."""
    return tuple(
        one.name for one in questions
        if rows[one.name].drop_nulls().n_unique() > 1 and rows[one.name].count() >= FEWEST_KNOWN
    )  # fmt: skip


def _fitted(rows: pl.DataFrame, columns: Sequence[str], questions: Sequence[Feature]) -> Acceptance:
    values = ready(rows, columns, questions)
    known = np.isfinite(values)
    usual = np.where(known, values, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return acceptance.fit(
        filled(values, usual), rows["offer"].to_list(), rows["taken"].to_numpy(), columns=columns
    )


def _judged(
    told: pl.DataFrame, rows: np.ndarray, model: Acceptance, reach: np.ndarray, worth: Mapping[str, float],
    persons: Mapping[str, str], questions: Sequence[Feature],
) -> Verdict:  # fmt: skip
    """The later presentations in which one of the model's offers had a chance, replayed with its choices.

    Others that were shown there stay in the log, so that the propensities are what they were; they are never chosen.
    """
    later, within = told.filter(pl.Series(rows)), reach[rows]
    possible = later["possible"].to_list()
    others = sorted({one for some in possible for one in some} - set(model.offers))
    offers = (*model.offers, *others)
    place = {name: at for at, name in enumerate(offers)}
    earns = np.array([worth.get(name, 0.0) for name in offers])
    shown = np.array([place[name] for name in later["offer"].to_list()])
    numbers: dict[str, int] = {}
    log = Log(
        offers=offers, shown=shown, propensity=later["propensity"].to_numpy(),
        earned=later["taken"].to_numpy() * earns[shown],
        customers=np.array([numbers.setdefault(persons[one], len(numbers)) for one in later["customer"].to_list()]),
        possible=np.array([[name in some for name in offers] for some in possible]),
    )  # fmt: skip
    values = filled(ready(later, model.columns, questions), np.array(model.usual))
    expected = np.where(within, model.probability(values) * earns[: len(model.offers)], -np.inf)
    return judge(log, certain(expected.argmax(axis=1), len(offers)))

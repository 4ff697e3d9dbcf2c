"""What the champion goes by, by family of features, and six customers with their reasons; nobody by name or id."""

import numpy as np
from msgspec import Struct
from scipy.stats import spearmanr

from ml.definition import Family, Feature
from ml.explanation import pushes, reasons
from ml.kit import Kit
from ml.model import ChurnModel
from ml.reports.slices import Judged

ASKED = 2_000
"""Rows of which the pushes are taken; more change nothing that is printed."""
EACH = 2

WORDS: dict[Family, str] = {
    "recency": "how long ago the last purchase or use was",
    "frequency": "how often the customer buys and uses",
    "tenure": "how long the customer has been one",
    "money": "how much the customer spends",
    "rhythm": "how the silence compares to the customer's own rhythm",
    "returns": "what the customer sends back",
    "contact": "contacts, and what they were about",
    "waiting": "waiting, and giving up while waiting",
    "leaving": "requests to cancel, and matters left unresolved",
    "complaint": "complaints, cases and missed promises",
    "satisfaction": "what the customer says in surveys",
    "use": "how much of what is held is used",
    "bill": "bills, and how they change",
    "holding": "what is held, and until when",
    "offer": "offers seen, accepted and refused",
}


class FamilyTold(Struct, frozen=True):
    """One family: its mean push either way in log odds, its share of all pushes, and its strongest feature."""

    family: str
    says: str
    push: float
    share: float
    strongest: str
    meaning: str
    way: str


class Example(Struct, frozen=True):
    """One customer of the judge cut: what was foretold, why, and what came of it. `where`: highest, middle, lowest."""

    where: str
    rank: int
    of: int
    probability: float
    left: bool
    reasons: tuple[str, ...]


def families(model: ChurnModel, judged: Judged, kit: Kit) -> tuple[FamilyTold, ...]:
    """The families the champion looks at, the strongest first."""
    rows = np.unique(np.linspace(0, len(judged.rows) - 1, ASKED).astype(int))
    selected = model.select(judged.rows.features[rows], judged.rows.names)
    found = pushes(model, selected, kit.questions)
    by_name: dict[str, Feature] = {one.name: one for one in kit.questions}
    of = [by_name[name].family for name in model.columns]
    means, by_column = np.abs(found.by_family).mean(axis=0), np.abs(found.by_column).mean(axis=0)
    total = max(float(means.sum()), 1e-12)
    told = []
    for family, mean in zip(dict.fromkeys(of), means, strict=True):
        column = max((i for i, one in enumerate(of) if one == family), key=lambda i: by_column[i])
        told.append(
            FamilyTold(
                family=family,
                says=WORDS.get(family, family),
                push=float(mean),
                share=float(mean) / total,
                strongest=model.columns[column],
                meaning=by_name[model.columns[column]].meaning,
                way=_way(selected[:, column], found.by_column[:, column]),
            )
        )
    return tuple(sorted(told, key=lambda one: (-one.push, one.family)))


def examples(model: ChurnModel, judged: Judged, kit: Kit) -> tuple[Example, ...]:
    """The two likeliest, the two in the middle and the two least likely to leave; equals in the order of the rows."""
    told = judged.probability[model.kind]
    order = np.argsort(-told, kind="stable")
    middle = len(order) // 2
    places = {
        "highest": range(EACH),
        "middle": range(middle - 1, middle - 1 + EACH),
        "lowest": range(len(order) - EACH, len(order)),
    }
    rows = [(where, place) for where, some in places.items() for place in some]
    chosen = order[[place for _, place in rows]]
    why = reasons(model, model.select(judged.rows.features[chosen], judged.rows.names), kit.questions)
    return tuple(
        Example(
            where=where, rank=place + 1, of=len(order), probability=float(told[row]), left=bool(judged.left[row]),
            reasons=tuple(one.says for one in some),
        )
        for (where, place), row, some in zip(rows, chosen, why, strict=True)
    )  # fmt: skip


def _way(values: np.ndarray, pushed: np.ndarray) -> str:
    """Which way more of it pushes, where it does so all along."""
    known = ~np.isnan(values)
    if len(np.unique(values[known])) < 2 or len(np.unique(pushed[known])) < 2:
        return "either way"
    together = float(spearmanr(values[known], pushed[known]).statistic)
    if abs(together) < 0.5:
        return "either way"
    return "more: likelier to leave" if together > 0 else "more: likelier to stay"

"""Personas: a few groups of customers by recency, frequency and spend, fitted once and then frozen.

Later customers are assigned by the frozen scaling and centres, so that a persona means the same next month.
Fitting again from scratch moves many customers at once for no reason of theirs: it is a deliberate act
(`refit`), and says how many. All that is kept are plain numbers and words; `msgspec.json` writes and reads them.

An array of customers has one row each and the columns of `AXES`: days since the last purchase, purchases, and
money spent. Whoever got back more than they paid counts as having spent nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from msgspec import Struct
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, confusion_matrix, silhouette_score
from threadpoolctl import threadpool_limits

from models.errors import Refused

AXES = ("recency", "frequency", "spend")
COUNTS = (4, 5)
"""How many personas are tried: fewer say too little, more are told apart by nobody."""

STARTS = 5
AGREEMENT = 0.9
"""Adjusted Rand index that fits from other random starts must reach with the first."""

SMALLEST = 0.02
"""Share of customers below which a group is not worth a campaign of its own."""

FEWEST = 200
FITTED_ON, COMPARED_ON = 20_000, 5_000
"""Customers drawn, at most, to place the centres, and to compare numbers of groups."""

WORDS = {
    "recency": ("very recent", "recent", "lapsing", "lapsed", "long lapsed"),
    "frequency": ("very rare", "rare", "occasional", "frequent", "very frequent"),
    "spend": ("very low spend", "low spend", "middle spend", "high spend", "very high spend"),
}
"""By how far a centre lies from the usual customer on an axis, in standard deviations of its logarithm."""

STEPS = (-1.25, -0.5, 0.5, 1.25)


@dataclass(frozen=True, eq=False)
class Scale:
    """From logarithms to standard deviations, and from there to days, purchases and money."""

    usual: np.ndarray
    spread: np.ndarray

    def of(self, logs: np.ndarray) -> np.ndarray:
        """Standard deviations from the usual customer."""
        return (logs - self.usual) / self.spread

    def own(self, centres: np.ndarray) -> np.ndarray:
        """Days, purchases, money."""
        return np.expm1(centres * self.spread + self.usual)


class Persona(Struct, frozen=True, kw_only=True):
    """One group: its name, its share of the customers it was fitted on, and its centre.

    `name` compares with those customers: "recent, frequent, high spend". `centre` is in standard deviations
    of the logarithms; `days`, `purchases` and `spend` are the same centre in its own units.
    """

    name: str
    share: float
    centre: tuple[float, float, float]
    days: float
    purchases: float
    spend: float

    @property
    def says(self) -> str:
        """The centre in figures."""
        return (
            f"about {self.days:.0f} days since the last purchase, "
            f"{self.purchases:.1f} purchases, {self.spend:,.0f} spent"
        )


class Tried(Struct, frozen=True, kw_only=True):
    """A number of groups: how well apart they are (-1 to 1), and how fits from other starts agree (ARI)."""

    groups: int
    silhouette: float
    agreement: float
    smallest: float
    objection: str = ""


class Personas(Struct, frozen=True, kw_only=True):
    """The frozen groups, highest spend first, and why there are so many of them."""

    personas: tuple[Persona, ...]
    usual: tuple[float, float, float]
    spread: tuple[float, float, float]
    customers: int
    seed: int
    tried: tuple[Tried, ...]
    why: str

    def __post_init__(self) -> None:
        if not self.personas or not all(0 < one < np.inf for one in self.spread):
            raise ValueError("personas need a group and a spread above 0 on each axis")

    def assign(self, customers: np.ndarray) -> np.ndarray:
        """The place in `personas` of each customer: the nearest frozen centre, the first of equals."""
        scale = Scale(np.array(self.usual), np.array(self.spread))
        return _nearest(scale.of(_logs(customers)), np.array([one.centre for one in self.personas]))


class Flow(Struct, frozen=True, kw_only=True):
    """Customers who were in one persona and are in another by the new fit."""

    was: str
    becomes: str
    customers: int


class Refit(Struct, frozen=True, kw_only=True):
    """New personas beside the old, for the same customers.

    `moved` is the share whose persona is no longer the one that took the place of their old one: each new
    persona takes at most one old one's place, so that most customers stay. `agreement` is the adjusted Rand index.
    """

    personas: Personas
    customers: int
    moved: float
    agreement: float
    flows: tuple[Flow, ...]


def fit(customers: np.ndarray, *, seed: int, counts: Sequence[int] = COUNTS) -> Personas:
    """Groups of today's customers; the order of the rows does not matter.

    Of the numbers of groups tried, the one whose groups lie furthest apart, among those that come out the same
    from any start, have no tiny group, and can be told apart by name.

    Refused: `persona.bad_rows` (not three columns, a value that is missing or below what is possible),
    `persona.too_few`, `persona.no_difference` (an axis on which all are the same), `persona.no_groups` (no number
    of groups stands).
    """
    logs = _logs(customers)
    if len(logs) < FEWEST:
        raise Refused("persona.too_few", f"{len(logs)} customers; personas need {FEWEST}", "customers")
    logs = logs[np.lexsort(logs.T)]
    scale = Scale(logs.mean(axis=0), logs.std(axis=0))
    for axis, width in zip(AXES, scale.spread, strict=True):
        if width < 1e-9:
            raise Refused(
                "persona.no_difference", f"all customers have the same {axis}; take a longer time", axis
            )
    scaled = scale.of(logs)
    found = [_try(scaled, scale, groups, seed) for groups in counts]
    standing = [one for one in found if not one[0].objection]
    if not standing:
        objections = "; ".join(f"{tried.groups} groups: {tried.objection}" for tried, _ in found)
        raise Refused("persona.no_groups", f"the customers do not fall into groups ({objections})")
    chosen, centres = max(standing, key=lambda one: (one[0].silhouette, -one[0].groups))
    centres = centres[np.lexsort((centres[:, 0], -centres[:, 1], -centres[:, 2]))]
    shares = np.bincount(_nearest(scaled, centres), minlength=len(centres)) / len(scaled)
    tried = tuple(tried for tried, _ in found)
    return Personas(
        personas=tuple(
            _persona(name, float(share), centre, own)
            for name, share, centre, own in zip(
                names(centres, scale), shares, centres, scale.own(centres), strict=True
            )
        ),
        usual=_three(scale.usual),
        spread=_three(scale.spread),
        customers=len(logs),
        seed=seed,
        tried=tried,
        why=_why(chosen, tried),
    )


def refit(old: Personas, customers: np.ndarray, *, seed: int, counts: Sequence[int] = COUNTS) -> Refit:
    """What a new fit on these customers would give, and whom it would move. Nothing is replaced by it."""
    new = fit(customers, seed=seed, counts=counts)
    was, becomes = old.assign(customers), new.assign(customers)
    size = max(len(old.personas), len(new.personas))
    table = confusion_matrix(was, becomes, labels=range(size))
    kept = table[linear_sum_assignment(table, maximize=True)].sum()
    flows = [
        Flow(was=old.personas[i].name, becomes=new.personas[j].name, customers=int(table[i, j]))
        for i, j in zip(*np.nonzero(table), strict=True)
    ]
    return Refit(
        personas=new,
        customers=len(was),
        moved=float(1 - kept / len(was)),
        agreement=float(adjusted_rand_score(was, becomes)),
        flows=tuple(sorted(flows, key=lambda flow: (-flow.customers, flow.was, flow.becomes))),
    )


def names(centres: np.ndarray, scale: Scale) -> list[str]:
    """A name for each centre: three grades an axis, and five where three do not tell all apart.

    A centre with fewer than 1.5 purchases is told as "bought once", however usual that is.
    """
    fine, once = np.digitize(centres, STEPS), scale.own(centres)[:, 1] < 1.5
    coarse = np.clip(fine, 1, 3)
    spoken = [
        [_name(row, single) for row, single in zip(grades, once.tolist(), strict=True)]
        for grades in (coarse, fine)
    ]
    return next((one for one in spoken if len(set(one)) == len(one)), spoken[-1])


def _name(grades: np.ndarray, once: bool) -> str:
    recency, frequency, spend = (WORDS[axis][grade] for axis, grade in zip(AXES, grades, strict=True))
    return ", ".join((recency, "bought once" if once else frequency, spend))


def _try(scaled: np.ndarray, scale: Scale, groups: int, seed: int) -> tuple[Tried, np.ndarray]:
    random = np.random.default_rng(seed)
    drawn = np.sort(random.choice(len(scaled), min(len(scaled), FITTED_ON), replace=False))
    compared = np.sort(random.choice(drawn, min(len(drawn), COMPARED_ON), replace=False))
    with threadpool_limits(1):
        fits = [
            KMeans(groups, n_init=10, random_state=seed + start).fit(scaled[drawn]) for start in range(STARTS)
        ]
        centres = fits[0].cluster_centers_
        labels = _nearest(scaled[compared], centres)
        silhouette = float(silhouette_score(scaled[compared], labels))
    agreement = min(float(adjusted_rand_score(fits[0].labels_, other.labels_)) for other in fits[1:])
    smallest = float(np.bincount(_nearest(scaled, centres), minlength=groups).min() / len(scaled))
    objection = ""
    if agreement < AGREEMENT:
        objection = f"they differ from start to start (ARI {agreement:.2f})"
    elif smallest < SMALLEST:
        objection = f"one holds only {100 * smallest:.1f} % of the customers"
    elif len(set(names(centres, scale))) < groups:
        objection = "two would have the same name"
    tried = Tried(
        groups=groups, silhouette=silhouette, agreement=agreement, smallest=smallest, objection=objection
    )
    return tried, centres


def _why(chosen: Tried, tried: Sequence[Tried]) -> str:
    others = [
        f"{one.groups} groups: {one.objection or f'silhouette {one.silhouette:.3f}'}"
        for one in tried
        if one is not chosen
    ]
    compared = f" ({'; '.join(others)})" if others else ""
    return (
        f"{chosen.groups} groups lie furthest apart: silhouette {chosen.silhouette:.3f}{compared}. "
        f"{STARTS} random starts give the same groups (ARI at least {chosen.agreement:.2f})"
    )


def _persona(name: str, share: float, centre: np.ndarray, own: np.ndarray) -> Persona:
    days, purchases, spend = (float(one) for one in own)
    return Persona(name=name, share=share, centre=_three(centre), days=days, purchases=purchases, spend=spend)


def _three(values: np.ndarray) -> tuple[float, float, float]:
    first, second, third = values.tolist()
    return first, second, third


def _nearest(scaled: np.ndarray, centres: np.ndarray) -> np.ndarray:
    return ((scaled[:, None, :] - centres) ** 2).sum(axis=2).argmin(axis=1)


def _logs(customers: np.ndarray) -> np.ndarray:
    """The logarithm of 1 + each value, after a look at whether the values can be."""
    rows = np.asarray(customers, dtype=float)
    if rows.ndim != 2 or rows.shape[1] != len(AXES):
        raise Refused("persona.bad_rows", f"a customer is a row of {', '.join(AXES)}", "customers")
    for place, (axis, least) in enumerate(zip(AXES, (0, 1, -np.inf), strict=True)):
        bad = np.flatnonzero(~(np.isfinite(rows[:, place]) & (rows[:, place] >= least)))
        if len(bad):
            raise Refused(
                "persona.bad_rows",
                f"{len(bad)} customers have no {axis}, or one below {least}; leave out who never bought",
                f"customers/{bad[0]}/{axis}",
            )
    return np.log1p(np.maximum(rows, 0))

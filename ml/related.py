"""What else a customer may want: items that others bought beside those the customer has.

Two items are near when the same customers bought both. A purchase counts by BM25: a further one of the same
item adds little, one of an item that everybody buys says little, and so does one by a customer who buys everything.
An item is foretold by its nearness to what the customer bought, so the answer names its own reason.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from msgspec import Struct
from scipy import sparse

from ml.evaluation import Interval
from models.errors import Refused

NEAREST = 50
"""Neighbours kept of each item."""

SATURATION, LENGTH = 1.2, 0.75
"""BM25's usual two: how soon repeats stop counting, and how much an item's popularity is held against it."""

DIGITS = 9
"""Nearness is rounded to these, so that equals stay equal however their sums were rounded."""

BLOCK = 512
"""Items, and customers, worked on at once: bounds the memory."""


class Recommendation(Struct, frozen=True, kw_only=True):
    """An item the customer never bought.

    `score` is comparable within one customer only. `because` are the bought items that speak for it, the
    strongest first; none where it is only what most customers buy.
    """

    item: str
    score: float
    because: tuple[str, ...] = ()

    def says(self, titles: Mapping[str, str]) -> str:
        """The reason in words: "bought X and Y". An item without a title is told by its id."""
        if not self.because:
            return "often bought by others"
        return "bought " + " and ".join(titles.get(item, item) for item in self.because)


class Figures(Struct, frozen=True, kw_only=True):
    """How well answers foretold what customers then bought for the first time.

    `hit`: share of customers who bought at least one of the items named to them. `map`: mean average precision
    of the answers' order. `coverage`: share of all items that was named to anybody.
    """

    customers: int
    hit: float
    map: float
    coverage: float


class Judgement(Struct, frozen=True, kw_only=True):
    """Answers by nearness beside what most customers buy; `gain` is the difference in `hit`."""

    related: Figures
    popular: Figures
    gain: Interval


@dataclass(frozen=True, eq=False)
class Related:
    """Items by id, how many customers bought each, and the nearest ones of each with their nearness."""

    items: tuple[str, ...]
    buyers: np.ndarray
    nearness: sparse.csr_array

    def recommend(self, bought: Sequence[Mapping[str, int]], most: int = 10) -> list[list[Recommendation]]:
        """For each customer up to `most` items never bought, the best first; `bought` is times by item.

        Equal scores go by buyers, then by id. Who bought nothing we know gets what most customers buy, as
        does the rest of an answer that nearness cannot fill. Items we do not know are passed over.
        """
        place = {item: at for at, item in enumerate(self.items)}
        known = [{place[item]: n for item, n in one.items() if item in place and n > 0} for one in bought]
        popular = np.lexsort((np.arange(len(self.items)), -self.buyers))
        rank = np.empty(len(popular), dtype=int)
        rank[popular] = np.arange(len(popular))
        answers: list[list[Recommendation]] = []
        for start in range(0, len(known), BLOCK):
            block = known[start : start + BLOCK]
            scores = (_weights(block, len(self.items)) @ self.nearness).toarray().round(DIGITS)
            answers += [
                self._answer(own, row, popular, rank, most) for own, row in zip(block, scores, strict=True)
            ]
        return answers

    def popular(self, bought: Sequence[Mapping[str, int]], most: int = 10) -> list[list[Recommendation]]:
        """What most customers buy and this one has not: the same for everyone, the thing to beat."""
        order = np.lexsort((np.arange(len(self.items)), -self.buyers)).tolist()
        often = [Recommendation(item=self.items[at], score=0.0) for at in order]
        return [list(islice((one for one in often if one.item not in own), most)) for own in bought]

    def _answer(
        self, own: Mapping[int, int], scores: np.ndarray, popular: np.ndarray, rank: np.ndarray, most: int
    ) -> list[Recommendation]:
        near = np.array([at for at in np.flatnonzero(scores > 0) if at not in own], dtype=int)
        chosen = near[np.lexsort((rank[near], -scores[near]))][:most].tolist()
        answer = [
            Recommendation(item=self.items[at], score=float(scores[at]), because=because)
            for at, because in zip(chosen, self._because(own, chosen), strict=True)
        ]
        for at in popular.tolist():
            if len(answer) >= most:
                break
            if at not in own and at not in chosen:
                answer.append(Recommendation(item=self.items[at], score=0.0))
        return answer

    def _because(self, own: Mapping[int, int], chosen: list[int]) -> list[tuple[str, ...]]:
        """Of each chosen item, the two bought ones that brought it most."""
        if not chosen:
            return []
        bought = sorted(own)
        worth = np.array([_worth(own[at]) for at in bought])
        parts = (self.nearness[bought][:, chosen].toarray() * worth[:, None]).round(DIGITS)
        order = np.argsort(-parts, axis=0, kind="stable")[:2]
        return [
            tuple(self.items[bought[at]] for at in order[:, column] if parts[at, column] > 0)
            for column in range(len(chosen))
        ]


def fit(customers: Sequence[str], items: Sequence[str], *, nearest: int = NEAREST) -> Related:
    """Nearness of items from purchases: who bought, and what; a repeat is a further pair.

    The order of the pairs does not matter. Refused: `related.uneven` where the columns differ in length,
    `related.too_few` with fewer than two items or customers.
    """
    if len(customers) != len(items):
        raise Refused(
            "related.uneven", f"{len(customers)} customers beside {len(items)} items; give pairs", "items"
        )
    people, who = np.unique(np.asarray(customers, dtype=str), return_inverse=True)
    things, what = np.unique(np.asarray(items, dtype=str), return_inverse=True)
    if min(len(people), len(things)) < 2:
        raise Refused(
            "related.too_few",
            f"{len(people)} customers and {len(things)} items; nearness needs two of each, so take a longer time",
            "items",
        )
    times = sparse.csc_array((np.ones(len(who)), (who, what)), shape=(len(people), len(things)))
    times.sum_duplicates()
    return Related(
        items=tuple(things.tolist()),
        buyers=np.diff(times.indptr),
        nearness=_nearest(_bm25(times), nearest),
    )


def judge(
    related: Related,
    bought: Sequence[Mapping[str, int]],
    wanted: Sequence[frozenset[str]],
    *,
    seed: int,
    most: int = 10,
    resamples: int = 1000,
) -> Judgement:
    """Answers from what customers `bought` before, against the items they bought after for the first time.

    Customers who wanted nothing new say nothing and are left out; the interval is a bootstrap over the others.
    Refused: `related.bought_before` where a wanted item was bought before, `related.nobody_wanted` where no
    customer wanted anything.
    """
    for row, (own, new) in enumerate(zip(bought, wanted, strict=True)):
        if not new.isdisjoint(own):
            raise Refused(
                "related.bought_before",
                "an item to foretell was bought before; leave it out",
                f"wanted/{row}",
            )
    asked = [row for row, new in enumerate(wanted) if new]
    if not asked:
        raise Refused(
            "related.nobody_wanted", "nobody bought a new item after the cut; take a later end", "wanted"
        )
    before, after = [bought[row] for row in asked], [wanted[row] for row in asked]
    near, near_hits = _figures(related, related.recommend(before, most), after, most)
    popular, popular_hits = _figures(related, related.popular(before, most), after, most)
    apart = near_hits - popular_hits
    random = np.random.default_rng(seed)
    drawn = [apart[random.integers(0, len(apart), len(apart))].mean() for _ in range(resamples)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    gain = Interval(value=float(apart.mean()), low=float(low), high=float(high))
    return Judgement(related=near, popular=popular, gain=gain)


def _figures(
    related: Related, answers: list[list[Recommendation]], wanted: Sequence[frozenset[str]], most: int
) -> tuple[Figures, np.ndarray]:
    hits, precisions = np.zeros(len(answers)), np.zeros(len(answers))
    for row, (answer, new) in enumerate(zip(answers, wanted, strict=True)):
        right = np.array([one.item in new for one in answer], dtype=float)
        at = np.arange(1, len(right) + 1)
        hits[row] = right.any()
        precisions[row] = (right * right.cumsum() / at).sum() / min(most, len(new))
    named = {one.item for answer in answers for one in answer}
    return Figures(
        customers=len(answers),
        hit=float(hits.mean()),
        map=float(precisions.mean()),
        coverage=len(named) / len(related.items),
    ), hits


def _bm25(times: sparse.csc_array) -> sparse.csc_array:
    """Customers x items, each purchase by what it tells of the item."""
    total = np.asarray(times.sum(axis=0)).ravel()
    stretch = SATURATION * (1 - LENGTH + LENGTH * total / total.mean())
    item = np.repeat(np.arange(times.shape[1]), np.diff(times.indptr))
    baskets = np.bincount(times.indices, minlength=times.shape[0])
    rarity = np.log1p(times.shape[1] / baskets)
    weight = times.data * (SATURATION + 1) / (times.data + stretch[item]) * rarity[times.indices]
    return sparse.csc_array((weight, times.indices, times.indptr), shape=times.shape)


def _nearest(weights: sparse.csc_array, nearest: int) -> sparse.csr_array:
    """The product of items by items, of each row the `nearest` largest; never the item itself."""
    rows = weights.T.tocsr()
    found: list[np.ndarray] = []
    nearness: list[np.ndarray] = []
    for start in range(0, rows.shape[0], BLOCK):
        block = (rows[start : start + BLOCK] @ weights).tocsr()
        for at in range(block.shape[0]):
            part = slice(block.indptr[at], block.indptr[at + 1])
            others, values = block.indices[part], block.data[part].round(DIGITS)
            kept = others != start + at
            others, values = others[kept], values[kept]
            best = np.lexsort((others, -values))[:nearest]
            found.append(others[best])
            nearness.append(values[best])
    ends = np.concatenate([[0], np.cumsum([len(one) for one in found])])
    shape = (rows.shape[0], rows.shape[0])
    return sparse.csr_array((np.concatenate(nearness), np.concatenate(found), ends), shape=shape)


def _weights(block: Sequence[Mapping[int, int]], width: int) -> sparse.csr_array:
    ends = np.cumsum([0, *(len(own) for own in block)])
    places = np.array([at for own in block for at in own], dtype=int)
    values = np.array([_worth(n) for own in block for n in own.values()], dtype=float)
    return sparse.csr_array((values, places, ends), shape=(len(block), width))


def _worth(times: int) -> float:
    """A repeat says a little more, not twice as much."""
    return math.log1p(times)

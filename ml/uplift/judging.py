"""What a trial shows: an effect or none, on average and in the order of customers, and never more.

Everybody is judged by models that never saw that customer. Intervals of the Qini coefficient are from
resampled customers, made wider by LEARNING: resampling holds the models fixed, and alone it found an
order in 7 of 100 made trials without one, where 2.5 were allowed.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import norm, rankdata

from ml.uplift.admission import Admitted, admit
from ml.uplift.balance import Balance
from ml.uplift.effect import LEVEL, Effect, Estimate, average_effect
from ml.uplift.learning import BASELINE, CANDIDATES, Learner, learn
from ml.uplift.qini import Ranking, in_hindsight
from ml.uplift.trial import Trial

FOLDS, RESAMPLES = 5, 400
TOP = 0.3
"""The part of the customers whose effect is told as "up30"."""
LEARNING = 2**0.5
"""How much wider intervals are of all that hangs on an order, for what the models learned by chance.

Two folds teach and judge each other, so what they share by chance counts twice. Where there is no order,
the true variance is therefore twice that of judging alone.
"""
LOOKS = 1 + len(CANDIDATES)
"""The average and each candidate's order are looked at: each has to be sure enough for all together."""


@dataclass(frozen=True)
class Standing:
    """How one learner's order did. `fifths` are the effects from the fifth told to be moved least to most.

    `over_response` is its Qini coefficient minus that of the response-only model.
    """

    learner: Learner
    qini: Estimate
    over_response: Estimate
    top: Estimate
    fifths: tuple[Estimate, ...]
    curve: tuple[tuple[float, float], ...]
    shown: bool


@dataclass(frozen=True)
class Judgement:
    """A trial's result. `smallest` is the least true average effect that so many units would have shown.

    `average_shown` and `order_shown` are stricter than the 95 % intervals, as there are several looks.
    """

    treatment: str
    treated: int
    held_out: int
    customers: int
    left_out: int
    money: bool
    balance: Balance
    average: Estimate
    smallest: float
    standings: tuple[Standing, ...]
    champion: Learner
    average_shown: bool
    order_shown: bool

    @property
    def effect_shown(self) -> bool:
        """An effect, or none shown; that none is shown does not say that there is none."""
        return self.average_shown or self.order_shown

    def standing(self, learner: Learner) -> Standing:
        """How this learner's order did."""
        return next(standing for standing in self.standings if standing.learner == learner)


def judge(trial: Trial, seed: int, resamples: int = RESAMPLES) -> Judgement:
    """Say what a trial shows; the same seed says the same. Raises UpliftRefused."""
    admitted = admit(trial)
    return judged(admitted, out_of_fold(admitted, seed), seed, resamples)


def out_of_fold(admitted: Admitted, seed: int) -> "Foretold":
    """Each row's scores by models that saw nothing of its customer."""
    fold = folds(admitted, seed)
    scores = {learner: np.empty(len(fold)) for learner in (*CANDIDATES, BASELINE)}
    for number in range(FOLDS):
        unseen = fold == number
        for learner, score in scores.items():
            model = learn(admitted, learner, seed, rows=~unseen)
            score[unseen] = model.score(admitted.features[unseen])
    return Foretold(fold, scores)


@dataclass(frozen=True, eq=False)
class Foretold:
    """Scores by learner, and the fold in which each row was unseen."""

    fold: np.ndarray
    scores: dict[Learner, np.ndarray]

    def place(self, learner: Learner) -> np.ndarray:
        """Where a row stands in its own fold, 0 (least) to 1 (most).

        Folds are not compared by score: a fold in which the treatment happened to do well is told low by
        the others, and the other way round, which would turn chance into a wrong order.
        """
        placed = np.empty(len(self.fold))
        for number in range(FOLDS):
            rows = self.fold == number
            placed[rows] = (rankdata(self.scores[learner][rows]) - 0.5) / rows.sum()
        return placed


def judged(admitted: Admitted, foretold: Foretold, seed: int, resamples: int = RESAMPLES) -> Judgement:
    """What these scores show of this trial."""
    everyone = np.ones(len(admitted.treated), dtype=bool)
    average = _effect(admitted, everyone)
    sure = 1 - (1 - LEVEL) / LOOKS
    wide = average.interval(sure)
    places = {learner: foretold.place(learner) for learner in foretold.scores}
    draws = _resampled(admitted, places, seed, resamples)
    standings = tuple(_standing(admitted, learner, places, draws, sure) for learner in places)
    champion = _champion(draws)
    return Judgement(
        treatment=admitted.treatment, treated=average.treated, held_out=average.held_out,
        customers=int(admitted.customers.max()) + 1, left_out=admitted.left_out, money=admitted.money,
        balance=admitted.balance, average=average.interval(), smallest=average.smallest_shown,
        standings=standings, champion=champion, average_shown=wide.low > 0 or wide.high < 0,
        order_shown=next(standing.shown for standing in standings if standing.learner == champion),
    )  # fmt: skip


def folds(admitted: Admitted, seed: int) -> np.ndarray:
    """Whole customers dealt out evenly, those with the same arm and outcome one after the other."""
    _, first = np.unique(admitted.customers, return_index=True)
    kind = 2 * admitted.treated[first] + (admitted.outcome[first] != 0)
    order = np.lexsort((np.random.default_rng(seed).random(len(first)), kind))
    dealt = np.empty(len(first), dtype=int)
    dealt[order] = np.arange(len(first)) % FOLDS
    return dealt[admitted.customers]


def _effect(admitted: Admitted, rows: np.ndarray) -> Effect:
    return average_effect(
        admitted.outcome[rows], admitted.treated[rows], admitted.weight[rows], admitted.customers[rows]
    )


def _effect_of_part(admitted: Admitted, rows: np.ndarray) -> Estimate:
    """The effect among rows that an order picked."""
    found = _effect(admitted, rows)
    return replace(found, standard_error=LEARNING * found.standard_error).interval()


def _resampled(
    admitted: Admitted, places: dict[Learner, np.ndarray], seed: int, resamples: int
) -> dict[Learner, np.ndarray]:
    """Qini coefficients by learner: of the rows as they are, then of resampled customers, the same for all."""
    drawn = admitted.outcome, admitted.treated, admitted.weight
    best = Ranking.by(in_hindsight(admitted.outcome, admitted.treated), *drawn)
    rankings = {learner: Ranking.by(place, *drawn) for learner, place in places.items()}
    found = {learner: np.empty(resamples + 1) for learner in places}
    random, customers = np.random.default_rng([seed, 1]), int(admitted.customers.max()) + 1
    for number in range(resamples + 1):
        taken = random.integers(0, customers, customers) if number else np.arange(customers)
        times = np.bincount(taken, minlength=customers).astype(float)[admitted.customers]
        most = best.curve(times).area
        for learner, ranking in rankings.items():
            found[learner][number] = ranking.curve(times).area / most if most > 0 else 0.0
    return found


def _standing(
    admitted: Admitted,
    learner: Learner,
    places: dict[Learner, np.ndarray],
    draws: dict[Learner, np.ndarray],
    sure: float,
) -> Standing:
    place = places[learner]
    fifth = np.minimum((place * 5).astype(int), 4)
    ranking = Ranking.by(place, admitted.outcome, admitted.treated, admitted.weight)
    points = ranking.curve(np.ones(len(place)))
    kept = np.unique(np.linspace(0, len(points.customers) - 1, 101).astype(int))
    return Standing(
        learner=learner,
        qini=_between(draws[learner], LEVEL),
        over_response=_between(draws[learner] - draws[BASELINE], LEVEL),
        top=_effect_of_part(admitted, place > 1 - TOP),
        fifths=tuple(_effect_of_part(admitted, fifth == number) for number in range(5)),
        curve=tuple((float(points.customers[i]), float(points.gained[i])) for i in kept),
        shown=_between(draws[learner], sure).above_zero,
    )


def _between(draws: np.ndarray, level: float) -> Estimate:
    value, reach = float(draws[0]), float(norm.isf((1 - level) / 2) * LEARNING * draws[1:].std())
    return Estimate(value, value - reach, value + reach)


def _champion(draws: dict[Learner, np.ndarray]) -> Learner:
    champion = CANDIDATES[0]
    for learner in CANDIDATES[1:]:
        if _between(draws[learner] - draws[champion], LEVEL).above_zero:
            champion = learner
    return champion

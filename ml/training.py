"""Training the churn model on earlier cuts and judging it on a later one.

`train` does it all; `prepare` and `fit` are its halves, for those who look first whether the same
training has been done (`ml.artifacts.find`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from msgspec import Struct

from ml import leak
from ml import model as fitting
from ml.dataset import Dataset, Progress, build
from ml.evaluation import Bin, Figures, Interval, auc_gain, figures, gains, reliability
from ml.histories import Histories
from ml.kit import OURS, Kit
from ml.model import BASELINE, ChurnModel

GAIN_SHARES = np.linspace(0, 1, 51)
FEWEST = 20
"""Leavers, and stayers, below which nothing is trained or judged."""


class TooLittleHistory(ValueError):
    """The events do not reach back far enough, or too few customers left or stayed."""


class UnknownLabel(ValueError):
    """No label has this name: which there are."""


class ChurnSpec(Struct, frozen=True, kw_only=True):
    """What is to be foretold, from which cuts, judged at which.

    The events are those in [data_start, data_end). Label windows are [cut, cut + horizon); those of the
    training cuts end at or before the judge cut, whose own ends at or before `data_end`. The headline
    population are those active within `population_days` before the judge cut. Raises ValueError where
    the windows do not fit.
    """

    data_start: datetime
    data_end: datetime
    train_cuts: tuple[datetime, ...]
    judge_cut: datetime
    horizon_days: int = 180
    population_days: int = 180
    label: str = "no_activity"
    seed: int = 0

    def __post_init__(self) -> None:
        moments = (*self.train_cuts, self.judge_cut, self.data_end)
        if not self.train_cuts or any(moment.tzinfo is None for moment in moments):
            raise ValueError("a specification needs training cuts, and moments with a time zone")
        if max(self.train_cuts) + self.horizon > self.judge_cut:
            raise ValueError("a training label would look beyond the judge cut")
        if self.judge_cut + self.horizon > self.data_end:
            raise ValueError("the judge's label would look beyond the data")

    @property
    def horizon(self) -> timedelta:
        """How far ahead the model looks."""
        return timedelta(days=self.horizon_days)

    @property
    def earlier_cuts(self) -> tuple[datetime, ...]:
        """Training cuts whose labels were known at the latest one, so that it can choose a champion."""
        return tuple(cut for cut in self.train_cuts if cut + self.horizon <= max(self.train_cuts))


class Evaluation(Struct, frozen=True, kw_only=True):
    """One candidate at the judge cut: on the active customers (the headline) and on the whole file.

    Both leave out whom we tried to keep in the label's window: what they did is not theirs alone. `treated_too` are the
    active with them. `gains` holds, for each share in `shares`, the part of all active leavers among the likeliest.
    """

    candidate: str
    active: Figures
    everyone: Figures
    treated_too: Figures
    reliability: tuple[Bin, ...]
    shares: tuple[float, ...]
    gains: tuple[float, ...]


class Judgement(Struct, frozen=True, kw_only=True):
    """Who won, where it was decided, and by how much it beats recency alone.

    `chosen_at` is the cut at which the champion had the highest AUC. Where that is the judge cut itself,
    its figures are those of the best of three and a trifle too good (`chosen_on_judge_cut`).
    """

    champion: str
    chosen_at: datetime
    chosen_on_judge_cut: bool
    gain: Interval
    evaluations: tuple[Evaluation, ...]

    def of(self, candidate: str) -> Evaluation:
        """The evaluation of one candidate."""
        return next(e for e in self.evaluations if e.candidate == candidate)


@dataclass(frozen=True)
class Trained:
    """A champion with all that is known of how it came to be."""

    spec: ChurnSpec
    model: ChurnModel
    judgement: Judgement
    dataset: Dataset


def cuts_for(
    data_start: datetime, data_end: datetime, horizon_days: int = 180, *, count: int = 3, reach_days: int = 90
) -> tuple[tuple[datetime, ...], datetime]:
    """Training cuts and judge cut for events in [data_start, data_end).

    The judge cut is the latest first of a month with a full label window; the training cuts are the
    latest `count` firsts of months whose windows end at or before it and which have `reach_days` of data
    before them, and where data reach further back, one more at which the latest training cut can judge.
    Raises TooLittleHistory where there is no training cut.
    """
    horizon, earliest = timedelta(days=horizon_days), data_start + timedelta(days=reach_days)
    judge = next(_month_starts(data_end - horizon))
    latest = list(_latest(judge - horizon, earliest, count))
    if not latest:
        raise TooLittleHistory(f"no cut has {reach_days} days before it and {2 * horizon_days} after it")
    choosing = list(_latest(latest[0] - horizon, earliest, 1))
    return tuple(sorted({*latest, *choosing})), judge


def spec_for(
    data_start: datetime, data_end: datetime, *, horizon_days: int = 180, population_days: int = 180,
    label: str = "no_activity", seed: int = 0,
) -> ChurnSpec:  # fmt: skip
    """The usual specification for events in [data_start, data_end), with the cuts of `cuts_for`."""
    train_cuts, judge_cut = cuts_for(data_start, data_end, horizon_days)
    return ChurnSpec(
        data_start=data_start, data_end=data_end, train_cuts=train_cuts, judge_cut=judge_cut,
        horizon_days=horizon_days, population_days=population_days, label=label, seed=seed,
    )  # fmt: skip


def prepare(
    histories: Histories, spec: ChurnSpec, kit: Kit = OURS, progress: Progress | None = None
) -> Dataset:
    """The rows of all cuts, checked for leaks. Raises LeakFound, UnknownLabel, OwnFileRefused, and TooLittleHistory
    where few can teach.
    """
    if spec.label not in kit.labels:
        raise UnknownLabel(f"there is no label {spec.label}: there are {', '.join(sorted(kit.labels))}")
    label = kit.labels[spec.label]
    dataset = build(
        histories, (*spec.train_cuts, spec.judge_cut), label=label, horizon_days=spec.horizon_days,
        population_days=spec.population_days, data_end=spec.data_end, questions=kit.questions, progress=progress,
    )  # fmt: skip
    for cut in (max(spec.train_cuts), spec.judge_cut):
        _assert_enough(dataset.at([cut]), cut)
    leak.check(
        histories, dataset, label=label, horizon_days=spec.horizon_days, data_end=spec.data_end, seed=spec.seed,
        questions=kit.questions,
    )  # fmt: skip
    return dataset


def fit(dataset: Dataset, spec: ChurnSpec, kit: Kit = OURS) -> Trained:
    """Fit every candidate on the training cuts, judge all at the judge cut, keep the champion.

    Whoever was treated in the label's window teaches nothing: those who were saved would look safe.
    """
    train, judge = left_alone(dataset.at(spec.train_cuts)), dataset.at([spec.judge_cut])
    fitted = {
        one.name: fitting.fit(one, train, seed=spec.seed, questions=kit.questions) for one in kit.candidates
    }
    evaluations = tuple(_evaluate(fitted[one.name], judge) for one in kit.candidates)
    champion, chosen_at = _choose(train, evaluations, spec, kit)
    active = left_alone(judge.where(judge.active))
    gain = auc_gain(
        active.labels, fitted[champion].probability(active.features, active.names),
        fitted[BASELINE].probability(active.features, active.names), seed=spec.seed,
    )  # fmt: skip
    judgement = Judgement(
        champion=champion, chosen_at=chosen_at, chosen_on_judge_cut=chosen_at == spec.judge_cut, gain=gain,
        evaluations=evaluations,
    )  # fmt: skip
    return Trained(spec=spec, model=fitted[champion], judgement=judgement, dataset=dataset)


def train(histories: Histories, spec: ChurnSpec, kit: Kit = OURS) -> Trained:
    """Prepare the rows and fit: the whole way from events to a judged champion."""
    return fit(prepare(histories, spec, kit), spec, kit)


def left_alone(rows: Dataset) -> Dataset:
    """The rows of those who were left alone, or all where next to nobody was."""
    alone = rows.where(~rows.treated)
    return alone if _is_enough(alone) else rows


def _choose(
    train: Dataset, evaluations: tuple[Evaluation, ...], spec: ChurnSpec, kit: Kit
) -> tuple[str, datetime]:
    """The candidate with the highest AUC on active customers, judged in the past where that is possible."""
    latest = max(spec.train_cuts)
    known, later = train.at(spec.earlier_cuts), train.at([latest])
    later = later.where(later.active)
    if spec.earlier_cuts and _is_enough(known.at([max(spec.earlier_cuts)])):
        auc = {}
        for one in kit.candidates:
            past = fitting.fit(one, known, seed=spec.seed, questions=kit.questions)
            auc[one.name] = figures(later.labels, past.probability(later.features, later.names)).auc
        return max(auc, key=lambda name: auc[name]), latest
    best = max(evaluations, key=lambda evaluation: evaluation.active.auc)
    return best.candidate, spec.judge_cut


def _evaluate(model: ChurnModel, judge: Dataset) -> Evaluation:
    everyone, active = left_alone(judge), left_alone(judge.where(judge.active))
    with_treated = judge.where(judge.active)
    likely = model.probability(active.features, active.names)
    return Evaluation(
        candidate=model.kind,
        active=figures(active.labels, likely),
        everyone=figures(everyone.labels, model.probability(everyone.features, everyone.names)),
        treated_too=figures(
            with_treated.labels, model.probability(with_treated.features, with_treated.names)
        ),
        reliability=reliability(active.labels, likely),
        shares=tuple(GAIN_SHARES.tolist()),
        gains=tuple(gains(active.labels, likely, GAIN_SHARES).tolist()),
    )


def _is_enough(rows: Dataset) -> bool:
    active = rows.labels[rows.active]
    return min(int(active.sum()), int((1 - active).sum())) >= FEWEST


def _assert_enough(rows: Dataset, cut: datetime) -> None:
    if not _is_enough(rows):
        active = rows.labels[rows.active]
        leavers = int(active.sum())
        raise TooLittleHistory(
            f"{cut:%Y-%m-%d}: {leavers} left and {len(active) - leavers} stayed; {FEWEST} of each are needed"
        )


def _month_starts(latest: datetime) -> Iterator[datetime]:
    """Firsts of months at 00:00, backwards, from `latest` on."""
    first = latest.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    while True:
        yield first
        first = (first - timedelta(days=1)).replace(day=1)


def _latest(until: datetime, earliest: datetime, count: int) -> Iterator[datetime]:
    for first, _ in zip(_month_starts(until), range(count), strict=False):
        if first < earliest:
            return
        yield first

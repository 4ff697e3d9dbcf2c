"""Who will leave, or buy: our candidates on four known files, each figure beside the one measured before.

The champion is chosen without a look at the rows that judge: on plain tables by customers held out of those that
teach, where rows have an order in time by the latest of them. Beside it stands what one column alone ranks, and an
outside boosting with its own settings, which never becomes champion.
"""

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from lightgbm import LGBMClassifier
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.model_selection import StratifiedKFold, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from bench.ml import plain, shop
from bench.ml.line import Line
from bench.ml.plain import Plain
from ml.dataset import Dataset
from ml.evaluation import Figures, auc_gain, figures, lift
from ml.model import BASELINE, CANDIDATES, Candidate, ChurnModel, fit, logged
from ml.training import fit as trained

SEED, FOLDS, FOLD_SEED = 0, 5, 42
EARLIER = 0.8
"""Of rows in the order of time, the part that teaches; the rest judges."""
CHAMPION, OUTSIDE = "champion", "lightgbm"
TOLD = ("auc", "ap", "brier", "lift10", "ece")
SAID = {"auc": "AUC", "ap": "AP", "brier": "Brier", "lift10": "lift10", "ece": "ECE"}
RESAMPLES = 200

Reference = Mapping[str, tuple[float, ...]]
# AUC, AP, Brier, lift10 and ECE as measured before, by scikit-learn's models with the settings of that time.
BEFORE: Mapping[str, Reference] = {
    "Telco": {
        "logistic": (0.845, 0.657, 0.1356, 2.86, 0.028), "boosting": (0.847, 0.661, 0.1346, 2.85, 0.026),
        OUTSIDE: (0.834, 0.642, 0.1408, 2.83, 0.038), "tenure alone": (0.740, 0.485, 0, 2.28, 0),
    },
    "Iranian": {
        "larger boosting": (0.985, 0.951, 0.0312, 6.30, 0.018), "frequency of use alone": (0.772, 0.378, 0, 3.17, 0),
    },
    "telemarketing by time": {
        "plain logistic": (0.748, 0.527, 0.191, 1.85, 0.094), "boosting": (0.642, 0.463, 0.24, 1.7, 0.20),
        OUTSIDE: (0.658, 0.470, 0.24, 1.8, 0.19),
    },
    "Online Retail": {
        "logistic": (0.740, 0.639, 0, 1.63, 0.073), "boosting": (0.739, 0.634, 0, 1.61, 0.09),
        OUTSIDE: (0.734, 0.619, 0, 1.50, 0.09), "recency alone": (0.683, 0.592, 0, 1.52, 0),
    },
}  # fmt: skip


@dataclass(frozen=True)
class Judged:
    """A model's figures, on each fold or on the one later slice, and how long it took."""

    folds: Sequence[Figures]
    seconds: float = 0.0
    interval: tuple[float, float] | None = None

    def mean(self, figure: str) -> float:
        """The mean of the folds."""
        return float(np.mean([getattr(one, figure) for one in self.folds]))

    @property
    def auc_interval(self) -> tuple[float, float]:
        """The middle 95 % for the AUC: of the bootstrap, or of the folds' mean by Student's t."""
        if self.interval:
            return self.interval
        auc = [one.auc for one in self.folds]
        beyond = 2.776 * float(np.std(auc, ddof=1)) / len(auc) ** 0.5
        return self.mean("auc") - beyond, self.mean("auc") + beyond


def run(data: Path) -> list[Line]:
    """All four files; `data` is the folder that holds theirs. A minute or two on one core."""
    return [*telco(data), *iranian(data), *online_retail(data), *telemarketing(data)]


def telco(data: Path) -> list[Line]:
    """Subscribers of a telephone company, five folds."""
    return _folds("Telco", plain.telco(data), "tenure alone", {"auc": (0.845, "≥"), "ece": (0.03, "≤")})


def iranian(data: Path) -> list[Line]:
    """Subscribers of another, repeated rows removed, five folds."""
    return _folds("Iranian", plain.iranian(data), "frequency of use alone", {"auc": (0.98, "≥")})


def online_retail(data: Path) -> list[Line]:
    """Customers of a gift shop, from its invoices, judged at a later cut."""
    return _shop(shop.rows(data))


def telemarketing(data: Path) -> list[Line]:
    """Calls of a bank's campaigns, judged on the latest fifth."""
    return _by_time("telemarketing by time", plain.telemarketing(data), "euribor alone")


def _larger(rows: int, seed: int) -> Any:
    """More and larger trees than the boosting that every training fits."""
    return HistGradientBoostingClassifier(
        learning_rate=0.05, max_iter=200, max_leaf_nodes=12, l2_regularization=5.0, max_features=0.4,
        min_samples_leaf=max(10, min(400, rows // 200)), early_stopping=False, random_state=seed,
    )  # fmt: skip


def _plain_logistic(rows: int, seed: int) -> Any:
    """Only numbers are scaled, and the penalty is scikit-learn's own, weaker one."""
    columns = make_column_transformer((StandardScaler(), _numbers), remainder="passthrough")
    return make_pipeline(columns, LogisticRegression(max_iter=2_000))


def _numbers(inputs: np.ndarray) -> list[int]:
    return [place for place, column in enumerate(inputs.T) if len(np.unique(column)) > 2]


OWN = tuple(one for one in CANDIDATES if one.name != BASELINE)
LARGER = Candidate("larger boosting", _larger)
OURS = OWN if any(one.name == LARGER.name for one in OWN) else (*OWN, LARGER)


def _folds(name: str, told: Plain, alone: str, musts: Mapping[str, tuple[float, str]]) -> list[Line]:
    """Five shuffled folds; each customer is judged by models that never saw them."""
    rows = told.rows
    found: dict[str, list[Figures]] = {one: [] for one in (CHAMPION, *(c.name for c in OURS), OUTSIDE)}
    seconds = dict.fromkeys(found, 0.0)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=FOLD_SEED)
    for seen, held in folds.split(rows.features, rows.labels):
        train, judge = told.some(seen), told.some(held)
        champion = _chosen(told, seen)
        for one in (*OURS, None):
            began = time.perf_counter()
            likely = _probability(one, train, judge, told)
            who = one.name if one else OUTSIDE
            found[who].append(figures(judge.labels, likely))
            seconds[who] += time.perf_counter() - began
        found[CHAMPION].append(found[champion][-1])
    lines = [
        line
        for who, judged in found.items()
        for line in _lines(name, who, Judged(judged, seconds[who]), musts if who == CHAMPION else {})
    ]
    return [*lines, *_alone(name, alone, rows.labels, told.alone)]


def _chosen(told: Plain, seen: np.ndarray) -> str:
    """The candidate that ranks best a quarter of the customers who teach, taught by the others."""
    first, second = train_test_split(
        seen, test_size=0.25, stratify=told.rows.labels[seen], random_state=FOLD_SEED
    )
    return _best(told, np.sort(first), np.sort(second))


def _best(told: Plain, first: np.ndarray, second: np.ndarray) -> str:
    teach, ask, auc = told.some(first), told.some(second), {}
    for one in OURS:
        skewed = np.full(len(teach.names), one.linear)
        with threadpool_limits(1):
            model = one.make(len(teach), SEED).fit(logged(teach.features, skewed), teach.labels)
            auc[one.name] = roc_auc_score(ask.labels, model.predict_proba(logged(ask.features, skewed))[:, 1])
    return max(auc, key=lambda who: auc[who])


def _probability(one: Candidate | None, train: Dataset, judge: Dataset, told: Plain) -> np.ndarray:
    if one is None:
        return _outside(train, judge)
    return fit(one, train, seed=SEED, questions=told.questions).probability(judge.features, judge.names)


def _fitted(one: Candidate, train: Dataset, judge: Dataset) -> np.ndarray:
    return fit(one, train, seed=SEED).probability(judge.features, judge.names)


def _outside(train: Dataset, judge: Dataset) -> np.ndarray:
    """What another boosting says with the settings it comes with."""
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", UserWarning
        )  # it gives columns names of its own and misses them later
        model = LGBMClassifier(n_jobs=1, random_state=SEED, verbose=-1).fit(train.features, train.labels)
        return np.asarray(model.predict_proba(judge.features))[:, 1]


def _by_time(name: str, told: Plain, alone: str) -> list[Line]:
    """The first four fifths teach, the last one judges; the champion is chosen on the last fifth of the former.

    A plain logistic regression that goes on beyond what it has seen stands beside: the world changed between.
    """
    edge = int(EARLIER * len(told.rows))
    train, judge = told.some(np.arange(edge)), told.some(np.arange(edge, len(told.rows)))
    inner = int(EARLIER * edge)
    champion = _best(told, np.arange(inner), np.arange(inner, edge))
    challenger = Candidate("plain logistic", _plain_logistic, columns=train.names)
    models: dict[str, Callable[[], np.ndarray]] = {
        **{one.name: partial(_probability, one, train, judge, told) for one in OURS},
        challenger.name: lambda: _unbounded(
            fit(challenger, train, seed=SEED, questions=told.questions)
        ).probability(judge.features, judge.names),
        OUTSIDE: lambda: _outside(train, judge),
    }
    found = {who: _timed(judge.labels, ask) for who, ask in models.items()}
    lines = [
        line
        for who, judged in found.items()
        for line in _lines(
            name, f"{who} (champion)" if who == champion else who, judged,
            {"auc": (0.748, "≥")} if who == challenger.name else {},
        )
    ]  # fmt: skip
    return [*lines, *_alone(name, alone, judge.labels, told.alone[edge:])]


def _unbounded(model: ChurnModel) -> ChurnModel:
    """The same model, which goes on beyond the least and the most it has seen."""
    endless = np.full(len(model.columns), np.inf)
    return replace(model, lowest=-endless, highest=endless)


def _shop(rows: Dataset) -> list[Line]:
    """Events, our features and labels, our candidates and their champion: the way every training goes."""
    name, began = "Online Retail", time.perf_counter()
    champion = trained(rows, shop.SPEC).judgement
    seconds = time.perf_counter() - began
    train, judge = rows.at(shop.SPEC.train_cuts), rows.at([shop.SPEC.judge_cut])
    models: dict[str, Callable[[], np.ndarray]] = {
        **{one.name: partial(_fitted, one, train, judge) for one in CANDIDATES},
        OUTSIDE: lambda: _outside(train, judge),
    }
    lines = []
    for who, ask in models.items():
        judged = _timed(judge.labels, ask)
        as_said = {BASELINE: "recency alone", champion.champion: f"{who} (champion)"}.get(who, who)
        musts = {"auc": (0.74, "≥")} if who == champion.champion else {}
        lines += _lines(name, as_said, judged, musts)
    gain = champion.gain
    return [
        *lines,
        Line(
            f"{name}, champion: AUC beyond recency alone, active customers", gain.value, gain.low, gain.high,
            must="interval above 0", holds=gain.low > 0, seconds=seconds,
        ),
    ]  # fmt: skip


def _timed(labels: np.ndarray, ask: Callable[[], np.ndarray]) -> Judged:
    began = time.perf_counter()
    likely = ask()
    seconds = time.perf_counter() - began
    around = auc_gain(labels, likely, np.zeros(len(labels)), seed=SEED, resamples=RESAMPLES)
    return Judged([figures(labels, likely)], seconds, (around.low + 0.5, around.high + 0.5))


def _lines(name: str, who: str, judged: Judged, musts: Mapping[str, tuple[float, str]]) -> list[Line]:
    before = BEFORE[name].get(who.removesuffix(f" ({CHAMPION})"), (0.0,) * len(TOLD))
    lines = []
    for figure, reference in zip(TOLD, before, strict=True):
        value = judged.mean(figure)
        limit, way = musts.get(figure, (None, ""))
        low, high = judged.auc_interval if figure == "auc" else (None, None)
        lines.append(
            Line(
                f"{name}, {who}: {SAID[figure]}", value, low, high, reference or None,
                f"{way} {limit:g}" if limit is not None else "",
                None if limit is None else (value >= limit if way == "≥" else value <= limit),
                judged.seconds if figure == "auc" else 0.0,
            )
        )  # fmt: skip
    return lines


def _alone(name: str, who: str, labels: np.ndarray, ranking: np.ndarray) -> list[Line]:
    auc, ap, _, lift10, _ = BEFORE[name].get(who, (0.0,) * len(TOLD))
    return [
        Line(f"{name}, {who}: AUC", float(roc_auc_score(labels, ranking)), reference=auc or None),
        Line(f"{name}, {who}: AP", float(average_precision_score(labels, ranking)), reference=ap or None),
        Line(f"{name}, {who}: lift10", lift(labels, ranking, 0.1), reference=lift10 or None),
    ]

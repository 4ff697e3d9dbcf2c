"""Three e-mails sent at random: would a personal choice bring more visits than the best one for everyone?"""

import time
from pathlib import Path

import numpy as np
import polars as pl
from sklearn.linear_model import LogisticRegression

from bench.ml.line import Line
from ml.offer import acceptance, replay

SEED = 0
SPLITS = 20


def run(data: Path) -> list[Line]:
    """Half of the customers teach, half judge, as logged: each arm one time in three; `data` holds the sets."""
    sent = pl.read_csv(data / "hillstrom_email" / "hillstrom.csv.gz", infer_schema_length=None)
    features, columns = _features(sent)
    shown, visit = sent["segment"].to_numpy(), sent["visit"].to_numpy()
    began = time.perf_counter()
    verdict = _judged(features, columns, shown, visit, SEED)
    seconds = time.perf_counter() - began
    others = [_judged(features, columns, shown, visit, SEED + n) for n in range(1, SPLITS + 1)]
    same = sum(one.same_for_everyone for one in others)
    best, gain = verdict.fixed[verdict.best_fixed], verdict.gain
    bare = _without_constant(features, shown, visit)
    return [
        Line("next best offer, best e-mail for everyone, visits", best.value, best.low, best.high, 0.1863),
        Line(
            "next best offer, personal choice, visits",
            verdict.personal.value, verdict.personal.low, verdict.personal.high, 0.1866,
        ),
        Line(
            "next best offer, gain of a personal choice", gain.value, gain.low, gain.high, 0.0003,
            "interval reaches 0: the same for everyone", verdict.same_for_everyone, seconds,
        ),
        Line(
            f"next best offer, the same for everyone in so many of {SPLITS} other halves", same,
            must=f"≥ {SPLITS - 2}", holds=same >= SPLITS - 2,
        ),
        Line("next best offer, personal choice by models without a constant", bare.value, bare.low, bare.high, 0.165),
    ]  # fmt: skip


def _features(sent: pl.DataFrame) -> tuple[np.ndarray, list[str]]:
    table = sent.select(
        "recency", pl.col("history").log1p(), "mens", "womens", "newbie", "zip_code", "channel"
    ).to_dummies(["zip_code", "channel"], drop_first=True)
    return table.to_numpy().astype(float), table.columns


def _halves(customers: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    order = np.random.default_rng(seed).permutation(customers)
    return order[: customers // 2], order[customers // 2 :]


def _log(offers: tuple[str, ...], shown: np.ndarray, visit: np.ndarray) -> replay.Log:
    place = np.searchsorted(np.array(offers), shown)
    return replay.Log(offers, place, np.full(len(shown), 1 / len(offers)), visit.astype(float))


def _judged(
    features: np.ndarray, columns: list[str], shown: np.ndarray, visit: np.ndarray, seed: int
) -> replay.Verdict:
    learn, check = _halves(len(shown), seed)
    model = acceptance.fit(features[learn], shown[learn], visit[learn], columns=columns)
    chosen = model.probability(features[check]).argmax(axis=1)
    log = _log(model.offers, shown[check], visit[check])
    return replay.judge(log, replay.certain(chosen, len(model.offers)))


def _without_constant(features: np.ndarray, shown: np.ndarray, visit: np.ndarray) -> replay.Estimate:
    """The trap: what the same choice brings when each model lacks its constant."""
    learn, check = _halves(len(shown), SEED)
    scaled = (features - features[learn].mean(axis=0)) / features[learn].std(axis=0)
    offers = tuple(sorted(set(shown.tolist())))
    scores = np.column_stack(
        [
            LogisticRegression(fit_intercept=False, max_iter=1000)
            .fit(scaled[learn][shown[learn] == offer], visit[learn][shown[learn] == offer])
            .decision_function(scaled[check])
            for offer in offers
        ]
    )
    log = _log(offers, shown[check], visit[check])
    return replay.estimate(log, replay.certain(scores.argmax(axis=1), len(offers)))

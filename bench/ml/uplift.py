"""Uplift: real trials, the trap that is none, and worlds whose truth is known.

`python -m bench.ml.uplift --seeds 1-20 [--data FOLDER]` prints it all, world by world.
"""

import argparse
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from bench.ml.line import Line
from ml.uplift.admission import admit
from ml.uplift.effect import Estimate
from ml.uplift.judging import Judgement, judge, judged, out_of_fold
from ml.uplift.rows import sentences
from ml.uplift.trial import AfterAssignment, Assignment, LoggedPropensity, RandomHoldout, Trial, UpliftRefused

SEEDS, SPLITS = range(1, 21), range(1, 6)
COLUMNS = ("tenure", "spend", "complaints", "offers_taken", "contract_end", "age")
KINDS = ("persuadable", "sure thing", "lost cause", "do not disturb")
STAYS = np.array([0.35, 0.85, 0.12, 0.75])
MOVED = np.array([0.30, 0.0, 0.0, -0.20])
"""Probability to stay when left alone, and what the offer changes, by kind."""


@dataclass(frozen=True, eq=False)
class World:
    """A trial and what it cannot show: each customer's kind (place in KINDS) and true effect."""

    trial: Trial
    kind: np.ndarray
    true_effect: np.ndarray


def world(seed: int, *, moved: bool = True, logged: bool = False, customers: int = 6000) -> World:
    """Subscribers and a retention offer that moves four kinds differently, or nobody.

    `logged`: whom the offer went to hung on complaints and spend, by a probability that was written down;
    otherwise three tenths were held out at random.
    """
    random = np.random.default_rng(seed)
    tenure, spend = random.gamma(2, 18, customers), random.lognormal(3.2, 0.8, customers)
    complaints, offers_taken = random.poisson(0.7, customers), random.poisson(0.8, customers)
    contract_end, age = random.uniform(0, 24, customers), random.normal(45, 14, customers)
    leaning = np.column_stack(
        [
            1.1 * offers_taken - 0.12 * (contract_end - 12) - 0.6,
            0.03 * tenure - 0.8 * complaints + 0.4,
            0.9 * complaints - 0.02 * tenure - 0.3,
            0.5 * np.log(spend) + 0.06 * (contract_end - 12) - 2.2,
        ]
    )
    kind = np.argmax(leaning + random.gumbel(size=leaning.shape), axis=1)
    effect = MOVED[kind] * moved
    if logged:
        propensity = 0.15 + 0.75 / (1 + np.exp(0.4 - 0.9 * complaints + 0.5 * (np.log(spend) - 3.2)))
    else:
        propensity = np.full(customers, 0.7)
    treated = random.random(customers) < propensity
    stayed = random.random(customers) < STAYS[kind] + effect * treated
    features = np.column_stack([tenure, spend, complaints, offers_taken, contract_end, age]).astype(float)
    features[random.random(customers) < 0.1, 5] = np.nan
    trial = Trial(
        treatment="retention offer", columns=COLUMNS, features=features, customers=np.arange(customers),
        treated=treated, outcome=stayed.astype(float), eligible=np.ones(customers, dtype=bool),
        assignment=LoggedPropensity(propensity) if logged else RandomHoldout(held_out=0.3),
    )  # fmt: skip
    return World(trial, kind, effect)


@dataclass(frozen=True)
class Told:
    """What one world with an effect, and its like without, were told to be."""

    seed: int
    design: str
    truth: float
    judgement: Judgement
    persuadable: float
    sure_thing: float
    without: Judgement

    @property
    def covered(self) -> bool:
        """Whether the true average effect lies in the interval."""
        return self.judgement.average.low <= self.truth <= self.judgement.average.high

    @property
    def ranked(self) -> bool:
        """Whether persuadables are told more uplift than sure things, on the mean."""
        return self.persuadable > self.sure_thing


def played(seeds: Iterable[int]) -> Iterator[Told]:
    """Each seed's two worlds; an even seed logs propensities, an odd one holds out at random.

    A seed whose draw is refused, as one in thousands is, is left out, and so counts as told wrongly.
    """
    for seed in seeds:
        logged = seed % 2 == 0
        with_effect, without = world(seed, logged=logged), world(seed + 1000, moved=False, logged=logged)
        try:
            admitted, unmoved = admit(with_effect.trial), admit(without.trial)
        except UpliftRefused as refused:
            print(f"seed {seed}: {refused}")
            continue
        foretold = out_of_fold(admitted, seed)
        judgement = judged(admitted, foretold, seed)
        score = foretold.scores[judgement.champion]
        yield Told(
            seed=seed, design="logged" if logged else "held out", truth=float(with_effect.true_effect.mean()),
            judgement=judgement, persuadable=float(score[with_effect.kind == 0].mean()),
            sure_thing=float(score[with_effect.kind == 1].mean()),
            without=judged(unmoved, out_of_fold(unmoved, seed), seed),
        )  # fmt: skip


def run(data: Path) -> list[Line]:
    """The figures of uplift. `data` holds hillstrom_email and gotv_phone_selection."""
    return [*_hillstrom(data), *_calls(data), *worlds(played(SEEDS), len(SEEDS))]


def worlds(told: Iterable[Told], seeds: int) -> list[Line]:
    """How often the worlds of so many seeds were told as they are."""
    started, all_told = time.perf_counter(), list(told)
    seconds = (time.perf_counter() - started) / 3

    def line(name: str, right: Callable[[Told], bool], least: float) -> Line:
        count, needed = sum(map(right, all_told)), round(least * seeds)
        must = f"≥ {needed} of {seeds}"
        return Line(name, count, must=must, holds=count >= needed, seconds=seconds)

    return [
        line("uplift worlds: true average effect in its 95 % interval", lambda one: one.covered, 0.85),
        line("uplift worlds: persuadables above sure things", lambda one: one.ranked, 1.0),
        line("uplift worlds without an effect: none shown", lambda one: not one.without.effect_shown, 0.9),
    ]


def _hillstrom(data: Path) -> list[Line]:
    """The mean of five splits into folds, since a split alone moves a coefficient by some .002."""
    started = time.perf_counter()
    admitted = admit(hillstrom(data))
    found = [judged(admitted, out_of_fold(admitted, seed), seed) for seed in SPLITS]
    seconds = time.perf_counter() - started
    own = [one.standing("two_model") for one in found]
    qini, beyond = _mean(one.qini for one in own), _mean(one.over_response for one in own)
    second = _mean(one.standing("x_learner").qini for one in found)
    response = _mean(one.standing("response_only").qini for one in found)
    top, average = _mean(one.top for one in own), found[0].average
    name = "Hillstrom women, visit: "
    return [
        _line(f"{name}qini, two models", qini, 0.066, "≥ 0.06", qini.value >= 0.06, seconds),
        _line(f"{name}qini, X-learner", second, 0.069),
        _line(f"{name}qini, response only (to be beaten)", response, 0.038),
        _line(f"{name}qini, two models beyond response only", beyond, 0.028, "> 0", beyond.value > 0),
        _line(f"{name}average effect", average, 0.045, "> 0, shown", found[0].average_shown),
        _line(f"{name}effect in the top 30 %", top, 0.071),
        Line(f"{name}smallest average effect it could show", found[0].smallest),
    ]


def _mean(estimates: Iterable[Estimate]) -> Estimate:
    """Mean of the figures and of the ends of their intervals: as wide as one split's, not narrower."""
    return Estimate(*np.mean([(one.value, one.low, one.high) for one in estimates], axis=0).tolist())


def _line(
    name: str,
    figure: Estimate,
    reference: float,
    must: str = "",
    holds: bool | None = None,
    seconds: float = 0.0,
) -> Line:
    return Line(name, figure.value, figure.low, figure.high, reference, must, holds, seconds)


def hillstrom(data: Path) -> Trial:
    """The women's e-mail against none, by chance half and half; did the customer visit in two weeks?"""
    path = data / "hillstrom_email" / "hillstrom.csv.gz"
    table = pl.read_csv(path, infer_schema_length=None).filter(pl.col("segment") != "Mens E-Mail")
    plain = table.select("recency", "history", "mens", "womens", "newbie")
    known = plain.hstack(table.select("zip_code", "channel").to_dummies())
    return Trial(
        treatment="women's e-mail", columns=tuple(known.columns), features=known.to_numpy().astype(float),
        customers=np.arange(len(table)), treated=(table["segment"] == "Womens E-Mail").to_numpy(),
        outcome=table["visit"].to_numpy().astype(float), eligible=np.ones(len(table), dtype=bool),
        assignment=RandomHoldout(held_out=0.5),
    )  # fmt: skip


def _calls(data: Path) -> list[Line]:
    """The trap: refused as what it is, and refused when it is handed in as a draw."""
    reached = calls(data, AfterAssignment("reached by phone"))
    share = 1 - float(reached.treated.mean())
    lines = []
    for what, trial, code in (
        ("as reached", reached, "uplift.after_assignment"),
        ("claimed to be drawn", calls(data, RandomHoldout(share)), "uplift.out_of_balance"),
    ):
        started, found = time.perf_counter(), "judged"
        try:
            judge(trial, seed=42)
        except UpliftRefused as refused:
            found = refused.code
        seconds = time.perf_counter() - started
        name = f"calls that reached somebody, {what}: refused"
        lines.append(Line(name, float(found == code), must=code, holds=found == code, seconds=seconds))
    return lines


def calls(data: Path, assignment: Assignment) -> Trial:
    """Voters who were phoned and reached, against voters who were not called."""
    path = data / "gotv_phone_selection" / "gerber_green_imai.csv.gz"
    table = pl.read_csv(path, infer_schema_length=None)
    known = table.select("PERSONS", "WARD", "AGE", "MAJORPTY", "VOTE96.0", "VOTE96.1", "NEW")
    return Trial(
        treatment="phone call", columns=tuple(known.columns), features=known.to_numpy().astype(float),
        customers=np.arange(len(table)), treated=(table["PHN.C1"] == 1).to_numpy(),
        outcome=table["VOTED98"].to_numpy().astype(float), eligible=np.ones(len(table), dtype=bool),
        assignment=assignment,
    )  # fmt: skip


def main() -> None:
    """Print every world and every figure."""
    parser = argparse.ArgumentParser(prog="python -m bench.ml.uplift")
    parser.add_argument("--seeds", default="1-20", help="FIRST-LAST or ONE")
    parser.add_argument("--data", type=Path, help="folder with the real trials; left out: worlds alone")
    chosen = parser.parse_args()
    first, _, last = chosen.seeds.partition("-")
    lines = [] if chosen.data is None else [*_hillstrom(chosen.data), *_calls(chosen.data)]
    seeds = range(int(first), int(last or first) + 1)
    for line in lines + worlds(_printed(played(seeds)), len(seeds)):
        between = "" if line.low is None else f" ({line.low:.4f} to {line.high:.4f})"
        print(f"{line.name}: {line.value:.4g}{between}  must: {line.must or '-'}  holds: {line.holds}")


def _printed(told: Iterable[Told]) -> Iterator[Told]:
    for one in told:
        average, best = one.judgement.average, one.judgement.standing(one.judgement.champion)
        print(
            f"seed {one.seed} ({one.design}): true {one.truth:+.4f}, told {average.value:+.4f}"
            f" ({average.low:+.4f} to {average.high:+.4f}){'' if one.covered else ' MISSED'};"
            f" qini {best.qini.value:.3f} ({best.qini.low:.3f} to {best.qini.high:.3f}),"
            f" {one.judgement.champion}; persuadables {one.persuadable:+.3f},"
            f" sure things {one.sure_thing:+.3f}; without an effect: {sentences(one.without)[0]}",
            flush=True,
        )
        yield one


if __name__ == "__main__":
    main()

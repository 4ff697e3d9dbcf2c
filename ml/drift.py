"""Whether the customers a model scores are still those it learnt from, and whether what it foretold came true.

The population stability index (PSI) compares shares by bin, Kolmogorov-Smirnov (KS) whole distributions; the limits are
those of Siddiqi, Credit Risk Scorecards, 2006: below 0.1 steady, from 0.25 on another population. Both are limits for
many rows: with few, chance alone passes them, and then no figure is told.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from msgspec import Struct
from scipy.stats import chi2, ks_2samp, norm

SOME, MUCH = 0.1, 0.25
BINS = 10
FEWEST = 100
"""Rows on either side below which nothing is compared; leavers and stayers: a fifth of it."""
OFF = 0.05
"""Distance of foretold and actual share that is worth a finding, where chance does not explain it."""

Level = Literal["steady", "some", "much", "too_few"]
Subject = Literal["feature", "score", "calibration", "base_rate"]


class Shift(Struct, frozen=True, kw_only=True):
    """How far one column moved. `level` goes by `psi`; `ks` is the greatest distance of the two distributions, 0 to 1.

    Both are None where there are too few rows, `ks` also where too few are known. `unknown_then` and `unknown_now` are
    the shares without a value: a bin of their own in `psi`, left out of `ks`. `beyond` is the share now of values
    below or above all that there were then. Medians are of the known values, None without any.
    """

    name: str
    level: Level
    psi: float | None
    ks: float | None
    unknown_then: float
    unknown_now: float
    beyond: float
    median_then: float | None
    median_now: float | None
    rows_then: int
    rows_now: int


class Month(Struct, frozen=True, kw_only=True):
    """Scores of one month whose labels are known. The figures are None where too few left or stayed.

    `left` has its 95 % interval (Wilson) in `low` and `high`. `ece` is the mean distance of foretold and actual share
    over ten bins of equal width, weighted by customers.
    """

    month: str
    customers: int
    unknown: int
    foretold: float | None
    left: float | None
    low: float | None
    high: float | None
    ece: float | None
    level: Level


class Finding(Struct, frozen=True, kw_only=True):
    """One thing to look at, in a sentence that says what to do."""

    subject: Subject
    name: str
    level: Level
    says: str


class Drift(Struct, frozen=True, kw_only=True):
    """All that was compared, and the findings: those of much before those of some, in each the farthest first."""

    features: tuple[Shift, ...]
    score: Shift
    months: tuple[Month, ...]
    findings: tuple[Finding, ...]


def drift(
    names: Sequence[str], then: np.ndarray, now: np.ndarray, *, score_then: np.ndarray, score_now: np.ndarray,
    months: Sequence[Month] = (), base_rate: float | None = None, meanings: Mapping[str, str] | None = None,
) -> Drift:  # fmt: skip
    """Rows the model learnt from beside rows it scored later, one column per name, NaN for unknown.

    `score_then` are probabilities of rows the model had not seen (those of the judge cut), `score_now` the later
    ones. `months` come from `by_month`, `base_rate` is the share that left in training. Raises ValueError where the
    columns are not those named.
    """
    if then.ndim != 2 or now.ndim != 2 or {then.shape[1], now.shape[1]} != {len(names)}:
        raise ValueError(f"there are {len(names)} names: both tables need as many columns")
    features = tuple(shift(name, then[:, i], now[:, i]) for i, name in enumerate(names))
    score = shift("probability", score_then, score_now)
    findings = [_moved("feature", one, (meanings or {}).get(one.name, "")) for one in features if _tells(one)]
    if _tells(score):
        findings.append(_moved("score", score, "the model's word"))
    for month in months:
        findings += _of_month(month, base_rate)
    few = sum(one.level == "too_few" for one in (*features, score))
    if few:
        findings.append(_too_few(few, len(features) + 1, len(then), len(now)))
    order = {"much": 0, "some": 1, "too_few": 2, "steady": 3}
    moved = {one.name: one.psi or 0.0 for one in (*features, score)}
    findings.sort(key=lambda one: (order[one.level], -moved.get(one.name, 0.0)))
    return Drift(features=features, score=score, months=tuple(months), findings=tuple(findings))


def shift(name: str, then: np.ndarray, now: np.ndarray) -> Shift:
    """One column then and now. Infinite values are not allowed (ValueError)."""
    if np.isinf(then).any() or np.isinf(now).any():
        raise ValueError(f"{name} is infinite somewhere: a value is a number or unknown (NaN)")
    known_then, known_now = then[~np.isnan(then)], now[~np.isnan(now)]
    found = psi(then, now)
    ks = None
    if found is not None and min(len(known_then), len(known_now)) >= FEWEST:
        ks = float(ks_2samp(known_then, known_now, method="asymp").statistic)
    return Shift(
        name=name, psi=found, ks=ks, level=_level(found),
        unknown_then=_unknown(then), unknown_now=_unknown(now), beyond=_beyond(known_then, known_now),
        median_then=_median(known_then), median_now=_median(known_now),
        rows_then=len(then), rows_now=len(now),
    )  # fmt: skip


def psi(then: np.ndarray, now: np.ndarray, bins: int = BINS) -> float | None:
    """Population stability index over bins that hold equal shares of `then`; unknown is a bin of its own.

    None where there are too few rows: where nothing but chance would reach 0.1 in one comparison of twenty (reckoned
    as if all rows were of different customers). A bin that is empty counts as half a row, so that the index stays
    finite.
    """
    if min(len(then), len(now)) < FEWEST:
        return None
    edges = _edges(then[~np.isnan(then)], bins)
    first, second = _counts(then, edges), _counts(now, edges)
    used = (first + second) > 0
    first, second = np.maximum(first[used], 0.5), np.maximum(second[used], 0.5)
    by_chance = chi2.ppf(0.95, max(1, int(used.sum()) - 1)) * (1 / len(then) + 1 / len(now))
    if by_chance >= SOME:
        return None
    first, second = first / first.sum(), second / second.sum()
    return float(((second - first) * np.log(second / first)).sum())


def by_month(months: np.ndarray, probability: np.ndarray, left: np.ndarray) -> tuple[Month, ...]:
    """What was foretold in each month, and what came of it, in order of time.

    `months` are the moments of the scores (datetime64); `left` is 1 or 0, and NaN while the label is not known: those
    are counted and not judged.
    """
    of = months.astype("datetime64[M]")
    return tuple(
        _month(str(one), probability[of == one], left[of == one].astype(float)) for one in np.unique(of)
    )


def _month(name: str, probability: np.ndarray, left: np.ndarray) -> Month:
    known = ~np.isnan(left)
    told, came = probability[known], left[known]
    unknown = int((~known).sum())
    if len(came) < FEWEST or min(came.sum(), (1 - came).sum()) < FEWEST / 5:
        return Month(month=name, customers=len(came), unknown=unknown, foretold=None, left=None, low=None,
                     high=None, ece=None, level="too_few")  # fmt: skip
    foretold, share = float(told.mean()), float(came.mean())
    low, high = _wilson(share, len(came))
    beside = 0.0 if low <= foretold <= high else abs(foretold - share)
    level: Level = "steady" if beside < OFF else "some" if beside < 2 * OFF else "much"
    return Month(month=name, customers=len(came), unknown=unknown, foretold=foretold, left=share, low=low, high=high,
                 ece=_calibration_error(told, came), level=level)  # fmt: skip


def _edges(known: np.ndarray, bins: int) -> np.ndarray:
    """Upper edges of the bins; where there are few different values each has its own, and what is beyond them too."""
    if not len(known):
        return np.zeros(0)
    different = np.unique(known)
    if len(different) <= bins:
        return np.append(np.nextafter(different[0], -np.inf), different)
    return np.unique(np.quantile(known, np.linspace(0, 1, bins + 1)[1:-1], method="higher"))


def _counts(column: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Rows in each bin (a value at an edge is in the bin below it), and at last the unknown."""
    known = column[~np.isnan(column)]
    place = np.searchsorted(edges, known, side="left")
    counted = np.bincount(place, minlength=len(edges) + 1)
    return np.append(counted, len(column) - len(known)).astype(float)


def _level(found: float | None) -> Level:
    if found is None:
        return "too_few"
    return "steady" if found < SOME else "some" if found < MUCH else "much"


def _tells(one: Shift) -> bool:
    return one.level in ("some", "much")


def _moved(subject: Subject, one: Shift, meaning: str) -> Finding:
    named = f"{one.name} ({meaning})" if meaning else one.name
    how = f"PSI {one.psi:.2f}" + (f", KS {one.ks:.2f}" if one.ks is not None else "")
    if one.median_then is not None and one.median_now is not None:
        how += f", median {one.median_then:.4g} then and {one.median_now:.4g} now"
    gone = one.unknown_now - one.unknown_then
    if abs(gone) >= SOME:
        how += f", unknown for {one.unknown_then:.0%} then and {one.unknown_now:.0%} now"
    if one.beyond >= SOME:
        how += f", {one.beyond:.0%} beyond all that it learnt from"
    match subject, one.level:
        case _, "some" if gone >= SOME:
            do = "see whether a source has stopped sending, before you trust the next scores"
        case _, "much" if gone >= SOME:
            do = "a source is likely missing: mend it and score again; do not pull a list from these scores"
        case "score", "much":
            do = "find the feature that moved it, and train again if the customers really changed"
        case "score", _:
            do = "keep to the ranking, and check the probabilities as soon as labels are known"
        case _, "much" if one.beyond >= SOME:
            do = "the model takes those for the nearest it has seen, so train again on later cuts"
        case _, "much":
            do = "see first whether its source events changed; if the customers did, train again"
        case _:
            do = "look at it again next month; train again if it goes on"
    verb = "is of another population" if one.level == "much" else "has moved"
    return Finding(subject=subject, name=one.name, level=one.level, says=f"{named} {verb} ({how}): {do}.")


def _of_month(month: Month, base_rate: float | None) -> list[Finding]:
    """A month in words; of one with too few labels, that it cannot be judged yet."""
    if month.foretold is None or month.left is None or month.low is None or month.high is None:
        says = (
            f"{month.month}: of {month.customers + month.unknown} scores {month.customers} have a label, too few of "
            "those who left or of those who stayed: wait for more labels before you judge the model."
        )
        return [Finding(subject="calibration", name=month.month, level="too_few", says=says)]
    found = []
    interval = f"{month.left:.1%} left ({100 * month.low:.1f} to {100 * month.high:.1f})"
    if month.level != "steady":
        way = "too many" if month.foretold > month.left else "too few"
        says = (
            f"{month.month}: {month.foretold:.1%} were foretold to leave and {interval}, {way}: train again on later "
            "cuts, and until then use the ranking, not the probability."
        )
        found.append(Finding(subject="calibration", name=month.month, level=month.level, says=says))
    if base_rate is not None and not month.low <= base_rate <= month.high:
        moved = abs(month.left - base_rate) / max(base_rate, 1e-9)
        if moved >= SOME:
            level: Level = "much" if moved >= MUCH else "some"
            says = (
                f"{month.month}: {interval}, in training it was {base_rate:.1%}: see whether the business or the "
                "count of activity changed, and train again on later cuts if the customers did."
            )
            found.append(Finding(subject="base_rate", name=month.month, level=level, says=says))
    return found


def _too_few(few: int, of: int, then: int, now: int) -> Finding:
    says = (
        f"{few} of {of} columns cannot be compared, {then} rows then and {now} now are too few: score more customers, "
        "or take several runs together."
    )
    return Finding(subject="feature", name="", level="too_few", says=says)


def _calibration_error(told: np.ndarray, came: np.ndarray) -> float:
    place = np.minimum((told * BINS).astype(int), BINS - 1)
    apart = np.bincount(place, weights=told - came, minlength=BINS)
    return float(np.abs(apart).sum() / len(told))


def _wilson(share: float, of: int) -> tuple[float, float]:
    z = float(norm.ppf(0.975))
    middle = (share + z * z / (2 * of)) / (1 + z * z / of)
    half = z / (1 + z * z / of) * float(np.sqrt(share * (1 - share) / of + z * z / (4 * of * of)))
    return middle - half, middle + half


def _unknown(column: np.ndarray) -> float:
    return float(np.isnan(column).mean()) if len(column) else 0.0


def _beyond(then: np.ndarray, now: np.ndarray) -> float:
    if not len(then) or not len(now):
        return 0.0
    return float(((now < then.min()) | (now > then.max())).mean())


def _median(known: np.ndarray) -> float | None:
    return float(np.median(known)) if len(known) else None

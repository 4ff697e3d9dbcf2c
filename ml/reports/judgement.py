"""What a judgement says, as a table, as the demo's summary and as pictures (SVG text)."""

import altair as alt
import polars as pl
import vl_convert

from ml.model import BASELINE
from ml.training import ChurnSpec, Evaluation, Judgement

WIDTH, HEIGHT = 420, 320


def metrics_table(judgement: Judgement) -> list[dict[str, object]]:
    """One row per candidate and population, the champion first and the baseline last, figures rounded."""
    ordered = sorted(
        judgement.evaluations,
        key=lambda e: (e.candidate != judgement.champion, e.candidate == BASELINE),
    )
    return [
        {
            "candidate": _title(evaluation, judgement),
            "population": population,
            "customers": told.population,
            "base_rate": round(told.base_rate, 3),
            "auc": round(told.auc, 3),
            "ap": round(told.ap, 3),
            "lift10": round(told.lift10, 2),
            "brier": round(told.brier, 4),
            "ece": round(told.ece, 3),
        }
        for population in ("active", "everyone")
        for evaluation in ordered
        for told in [evaluation.active if population == "active" else evaluation.everyone]
    ]


def summary(spec: ChurnSpec, judgement: Judgement) -> dict[str, object]:
    """The headline: the champion on the active customers beside recency alone, and on the whole file."""
    champion, baseline = judgement.of(judgement.champion), judgement.of(BASELINE)
    return {
        "cut": f"{spec.judge_cut:%Y-%m-%d}",
        "horizon_days": spec.horizon_days,
        "population": champion.active.population,
        "base_rate": round(champion.active.base_rate, 4),
        "auc": round(champion.active.auc, 4),
        "auc_recency": round(baseline.active.auc, 4),
        "auc_gain_ci": [round(judgement.gain.low, 4), round(judgement.gain.high, 4)],
        "ap": round(champion.active.ap, 4),
        "lift10": round(champion.active.lift10, 4),
        "ece": round(champion.active.ece, 4),
        "champion": judgement.champion,
        "whole_file": {
            "population": champion.everyone.population,
            "base_rate": round(champion.everyone.base_rate, 4),
            "auc": round(champion.everyone.auc, 4),
            "auc_recency": round(baseline.everyone.auc, 4),
            "ap": round(champion.everyone.ap, 4),
            "lift10": round(champion.everyone.lift10, 4),
            "ece": round(champion.everyone.ece, 4),
        },
    }


def caveats(spec: ChurnSpec, judgement: Judgement) -> list[str]:
    """What a reader must know before quoting the figures, a sentence each."""
    found = []
    if judgement.chosen_on_judge_cut:
        found.append(
            "The history is too short to choose the champion before the judge cut: its figures are those of "
            f"the best of {len(judgement.evaluations)} candidates at that cut, and a trifle too good."
        )
    if judgement.champion == BASELINE:
        found.append("No model beat recency alone; the list is a list of the longest silent.")
    elif judgement.gain.low <= 0:
        found.append("The gain over recency alone may be chance: its interval reaches 0.")
    return found


def reliability_chart(judgement: Judgement) -> str:
    """Foretold beside actual share of leavers, active customers, all candidates. SVG."""
    rows = pl.DataFrame(
        [
            {"model": _title(e, judgement), "foretold": b.foretold, "left": b.left, "customers": b.customers}
            for e in judgement.evaluations
            for b in e.reliability
        ]
    )
    diagonal = alt.Chart(pl.DataFrame({"foretold": [0.0, 1.0], "left": [0.0, 1.0]}))
    lines = (
        alt.Chart(rows, title="Does the probability hold?")
        .mark_line(point=True)
        .encode(
            x=alt.X("foretold:Q", title="probability foretold", scale=alt.Scale(domain=[0, 1])),
            y=alt.Y("left:Q", title="share that left", scale=alt.Scale(domain=[0, 1])),
            color=alt.Color("model:N", title=None),
        )
    )
    return _svg(_rule(diagonal, "foretold", "left") + lines)


def gains_chart(judgement: Judgement) -> str:
    """Part of all leavers found in the likeliest part of the active customers. SVG."""
    rows = pl.DataFrame(
        [
            {"model": _title(e, judgement), "listed": listed, "found": found}
            for e in judgement.evaluations
            for listed, found in zip(e.shares, e.gains, strict=True)
        ]
    )
    diagonal = alt.Chart(pl.DataFrame({"listed": [0.0, 1.0], "found": [0.0, 1.0]}))
    lines = (
        alt.Chart(rows, title="How many leavers does a list find?")
        .mark_line()
        .encode(
            x=alt.X("listed:Q", title="share of customers listed", axis=alt.Axis(format="%")),
            y=alt.Y("found:Q", title="share of leavers on the list", axis=alt.Axis(format="%")),
            color=alt.Color("model:N", title=None),
        )
    )
    return _svg(_rule(diagonal, "listed", "found") + lines)


def _rule(chart: alt.Chart, x: str, y: str) -> alt.Chart:
    return chart.mark_line(strokeDash=[4, 4], color="#999").encode(x=f"{x}:Q", y=f"{y}:Q")


def _title(evaluation: Evaluation, judgement: Judgement) -> str:
    if evaluation.candidate == BASELINE:
        return "recency alone"
    return f"{evaluation.candidate}{' (champion)' if evaluation.candidate == judgement.champion else ''}"


def _svg(chart: alt.LayerChart) -> str:
    return vl_convert.vegalite_to_svg(chart.properties(width=WIDTH, height=HEIGHT).to_dict())

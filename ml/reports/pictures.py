"""The page's charts as SVG that stands in HTML: a title for who listens, no script, no address of anything."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import polars as pl
import vl_convert
from markupsafe import Markup, escape

WIDTH, HEIGHT = 430, 230
FIRST, SECOND, SOFT = "#1f5f99", "#b3541e", "#777"
LOOK: dict[str, Any] = {
    "font": "Liberation Sans, Arial, sans-serif",
    "axis": {"labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal", "gridColor": "#e4e7ea"},
    "legend": {"labelFontSize": 12, "orient": "top", "title": None, "symbolSize": 120},
    "view": {"stroke": None},
}


def shares_over_time(title: str, cuts: Sequence[str], shares: Sequence[tuple[float, float, float]]) -> Markup:
    """A share at each cut with its interval (value, low, high)."""
    rows = pl.DataFrame(
        [
            {"cut": cut, "value": v, "low": low, "high": high}
            for cut, (v, low, high) in zip(cuts, shares, strict=True)
        ]
    )
    top = min(1.0, 1.15 * max(high for _, _, high in shares))
    base = alt.Chart(rows).encode(x=alt.X("cut:O", title=None, axis=alt.Axis(labelAngle=0)))
    bars = base.mark_rule(color=SOFT, strokeWidth=2).encode(
        y=alt.Y(
            "low:Q",
            title=None,
            axis=alt.Axis(format=".0%", tickCount=5),
            scale=alt.Scale(domain=[0, top]),
        ),
        y2="high:Q",
    )
    points = base.mark_point(filled=True, size=70, color=FIRST, opacity=1).encode(y="value:Q")
    line = base.mark_line(color=FIRST).encode(y="value:Q")
    return drawn(title, bars + line + points)


def lines(
    title: str, x: Sequence[float], by_name: Mapping[str, Sequence[float]], *, across: str, up: str,
    share: bool = False, diagonal: bool = False, points: bool = False,
) -> Markup:  # fmt: skip
    """A line per name over x, told apart by colour and by dash. `share`: y is written in percent, as x always is."""
    rows = pl.DataFrame(
        [{"name": n, "x": a, "y": b} for n, ys in by_name.items() for a, b in zip(x, ys, strict=True)]
    )
    return drawn(title, _lines(rows, list(by_name), across, up, share, diagonal, points))


def pairs(
    title: str, by_name: Mapping[str, Sequence[tuple[float, float]]], *, across: str, up: str
) -> Markup:
    """Points of (x, y) for each name, both shares, beside the line on which they would be equal."""
    rows = pl.DataFrame([{"name": n, "x": a, "y": b} for n, some in by_name.items() for a, b in some])
    return drawn(title, _lines(rows, list(by_name), across, up, True, True, True))


def by_cut(
    title: str, cuts: Sequence[str], by_name: Mapping[str, Sequence[float | None]], *, up: str
) -> Markup:
    """A figure of each name at each cut; a cut without a figure stays empty. The axis does not begin at 0."""
    rows = pl.DataFrame(
        [
            {"name": n, "cut": cut, "y": y}
            for n, ys in by_name.items()
            for cut, y in zip(cuts, ys, strict=True)
            if y is not None
        ],
        schema={"name": pl.String, "cut": pl.String, "y": pl.Float64},
    )
    chart = (
        alt.Chart(rows)
        .mark_line(point=alt.OverlayMarkDef(size=70, filled=True))
        .encode(
            x=alt.X("cut:O", title=None, sort=list(cuts), axis=alt.Axis(labelAngle=0)),
            y=alt.Y("y:Q", title=up, scale=alt.Scale(zero=False, nice=True)),
            **_told_apart(list(by_name)),
        )
    )
    return drawn(title, chart)


def bars(title: str, shares: Mapping[str, float]) -> Markup:
    """A bar for each name, in the order given."""
    rows = pl.DataFrame({"name": list(shares), "share": list(shares.values())})
    base = alt.Chart(rows).encode(
        y=alt.Y("name:N", sort=list(shares), title=None, axis=alt.Axis(labelLimit=240)),
        x=alt.X("share:Q", title="part of all pushes", axis=alt.Axis(format=".0%", tickCount=5)),
    )
    chart = base.mark_bar(color=FIRST)
    return drawn(title, chart, height=max(80, 24 * len(shares)), width=WIDTH - 60)


def drawn(title: str, chart: alt.Chart | alt.LayerChart, height: int = HEIGHT, width: int = WIDTH) -> Markup:
    """The chart as SVG. Inside HTML it needs no name spaces; its title is what a screen reader says."""
    told = chart.properties(width=width, height=height).configure(**LOOK).to_dict()
    svg = re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", vl_convert.vegalite_to_svg(told))
    head, rest = svg.split(">", 1)
    head = re.sub(r'\s(role|aria-roledescription|aria-label)="[^"]*"', "", head)
    titled = f'{head} role="img" aria-label="{escape(title)}"><title>{escape(title)}</title>{rest}'
    return Markup(titled)  # noqa: S704  (Vega escapes what it draws)


def _lines(
    rows: pl.DataFrame, names: list[str], across: str, up: str, share: bool, diagonal: bool, points: bool
) -> alt.Chart | alt.LayerChart:
    percent = alt.Axis(format=".0%", tickCount=5)
    chart = (
        alt.Chart(rows)
        .mark_line(point=alt.OverlayMarkDef(size=60, filled=True) if points else False)
        .encode(
            x=alt.X("x:Q", title=across, axis=percent, scale=alt.Scale(domain=[0, 1])),
            y=alt.Y("y:Q", title=up, axis=percent if share else alt.Axis(tickCount=6)),
            **_told_apart(names),
        )
    )
    if not diagonal:
        return chart
    ends = pl.DataFrame({"x": [0.0, 1.0], "y": [0.0, 1.0]})
    return alt.Chart(ends).mark_line(color=SOFT, strokeWidth=1).encode(x="x:Q", y="y:Q") + chart


def _told_apart(names: list[str]) -> dict[str, alt.Color | alt.StrokeDash]:
    colours, dashes = [FIRST, SECOND, SOFT][: len(names)], [[1, 0], [6, 3], [2, 2]][: len(names)]
    return {
        "color": alt.Color("name:N", sort=names, scale=alt.Scale(domain=names, range=colours)),
        "strokeDash": alt.StrokeDash("name:N", sort=names, scale=alt.Scale(domain=names, range=dashes)),
    }

"""The report's pictures, as SVG: how cost grows, and how wide the runs lie apart."""

from collections.abc import Sequence

import altair as alt
import polars as pl
import vl_convert

from bench.figures import Path, Point

WIDTH, HEIGHT = 360, 220
INK, PALE = "#3b6ea5", "#b9cbe0"


def growth(points: Sequence[Point]) -> str:
    """One small plot a figure, over the size of the journal on a logarithmic scale."""
    charts = []
    for series in dict.fromkeys(point.series for point in points):
        some = [point for point in points if point.series == series]
        rows = pl.DataFrame([{"events": point.events, "value": point.value} for point in some])
        top = max(point.value for point in some) * 1.15
        base = alt.Chart(rows, title=series).encode(
            x=alt.X("events:Q", scale=alt.Scale(type="log"), title="events in the journal",
                    axis=alt.Axis(values=sorted({point.events for point in some}), format="~s")),
            y=alt.Y("value:Q", scale=alt.Scale(domain=[0, top]), title=some[0].unit),
        )  # fmt: skip
        charts.append((base.mark_line(color=INK) + base.mark_point(color=INK, filled=True, size=60)).properties(
            width=WIDTH, height=HEIGHT
        ))  # fmt: skip
    return _svg(alt.concat(*charts, columns=2))


def ratios(paths: Sequence[Path]) -> str:
    """Every throughput beside what it stands next to, as bars of the same unit, path by path."""
    charts = []
    for path in paths:
        unit = path.lines[0].own.unit
        ours = {line.own.what: line.own for line in path.lines if line.own.unit == unit}
        others = {
            line.beside.what: line.beside for line in path.lines if line.beside and line.beside.unit == unit
        }
        rows = [
            {"what": what, "value": one.median, "least": min(one.values), "most": max(one.values), "ours": what in ours}
            for what, one in {**others, **ours}.items()
        ]  # fmt: skip
        rows.sort(key=lambda row: not row["ours"])
        base = alt.Chart(pl.DataFrame(rows), title=path.title)
        y = alt.Y("what:N", sort=None, title=None, axis=alt.Axis(labelLimit=320))
        bars = base.mark_bar().encode(
            x=alt.X("value:Q", title=unit, axis=alt.Axis(tickCount=6)), y=y,
            color=alt.condition("datum.ours", alt.value(INK), alt.value(PALE)),
        )  # fmt: skip
        ranges = base.mark_rule(color="black").encode(x="least:Q", x2="most:Q", y=y)
        charts.append((bars + ranges).properties(width=2 * WIDTH, height=26 * len(rows)))
    return _svg(alt.vconcat(*charts))


def _svg(chart: alt.TopLevelMixin) -> str:
    return vl_convert.vegalite_to_svg(chart.to_dict())

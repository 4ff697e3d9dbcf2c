"""The demo's own pictures, as SVG text: what happened by month, and the life cycle."""

import altair as alt
import polars as pl
import vl_convert

from services.demo import grids
from services.demo.grids import Series
from services.demo.result import SourceResult
from services.demo.wording import label, plain

WIDTH, MONTHS_HEIGHT, STAGE_HEIGHT = 860, 200, 32
INK = "#3b6ea5"


def months(series: Series) -> str:
    """One bar a month."""
    rows = pl.DataFrame([{"month": month, "count": count} for month, count in series.months])
    chart = (
        alt.Chart(rows)
        .mark_bar(color=INK)
        .encode(
            x=alt.X("month:O", title=None, axis=alt.Axis(labelAngle=-45, labelOverlap=True)),
            y=alt.Y("count:Q", title=series.counts, axis=alt.Axis(format=",d", tickCount=5)),
        )
    )
    return svg(chart, MONTHS_HEIGHT)


def stages(source: SourceResult) -> str:
    """One bar a stage, with its count, in the life cycle's order."""
    found = grids.ranked(source.stages)
    order = [label(stage) for stage, _ in found]
    rows = pl.DataFrame([{"stage": label(stage), "customers": number} for stage, number in found])
    base = alt.Chart(rows).encode(
        x=alt.X("customers:Q", title=f"customers of {plain(source.name)}", axis=alt.Axis(format=",d")),
        y=alt.Y("stage:N", title=None, sort=order),
    )
    bars = base.mark_bar(color=INK)
    numbers = base.mark_text(align="left", dx=4).encode(text=alt.Text("customers:Q", format=",d"))
    return svg(bars + numbers, STAGE_HEIGHT * len(found))


def svg(chart: alt.Chart | alt.LayerChart, height: int) -> str:
    """The picture as SVG text, without a server or a script."""
    return vl_convert.vegalite_to_svg(chart.properties(width=WIDTH, height=height).to_dict())

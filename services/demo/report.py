"""The demo's report: one HTML file that needs nothing else, neither a script nor a network."""

from datetime import datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from msgspec import Struct

from ml.reports import caveats, gains_chart, reliability_chart
from services.demo import answers, charts, grids
from services.demo.grids import Grid
from services.demo.result import DemoResult
from services.demo.wording import count, label, moment, plain

TEMPLATE = "report.html.j2"
TIMELINE_ROWS = 40

TERMS = (
    ("AUC", "the chance that a customer who left is ranked above one who stayed; 0.5 is guessing"),
    ("AP", "average precision: how pure the top of the list is; guessing gives the share that left"),
    ("lift10", "share that left in the likeliest tenth, divided by the share in all; 1 is guessing"),
    (
        "ECE",
        "expected calibration error: how far the probability lies beside the share that left; 0 is exact",
    ),
    ("Brier", "mean squared error of the probability; lower is better"),
)


class Picture(Struct, frozen=True):
    """A chart beside the table it is drawn from; the table has its title and takeaway."""

    grid: Grid
    svg: Markup


def write(result: DemoResult, path: Path, generated_at: datetime) -> None:
    """Write the report; the folder is made if missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render(result, generated_at), encoding="utf-8")


def render(result: DemoResult, generated_at: datetime) -> str:
    """The report as HTML. Everything but our own pictures is escaped."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters.update(count=count, label=label, moment=moment, plain=plain)
    judgement = result.judgement
    return environment.get_template(TEMPLATE).render(
        result=result, generated_at=generated_at, grids=grids, answers=answers, terms=TERMS,
        months=[_picture(grids.monthly(one), charts.months(one)) for one in grids.series(result)],
        no_sales=grids.without_sales(result),
        stages=[
            _picture(grids.stages(one), charts.stages(one))
            for one in result.sources if any(one.stages.values())
        ],
        timeline=answers.timeline(result.timeline, TIMELINE_ROWS),
        reliability=_picture(grids.reliability(judgement), reliability_chart(judgement)),
        gains=_picture(grids.gains(judgement), gains_chart(judgement)),
        caveats=caveats(result.spec, judgement),
    )  # fmt: skip


def _picture(grid: Grid, svg: str) -> Picture:
    """Vega escapes what it draws, and its SVG holds no script: it may stand in the page as it is."""
    return Picture(grid, Markup(svg))  # noqa: S704

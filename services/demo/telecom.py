"""The whole of predictions and lists on a simulated telephone company, as its people would do it."""

import time
from pathlib import Path

import msgspec
from msgspec import Struct
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from infra.target_list.building import build, terms_for
from infra.target_list.estimating import estimate
from infra.workspace import Workspace, open_workspace
from ml.reports import metrics_table
from ml.uplift.rows import sentences
from services import prediction
from services.cli.stack import Stack
from services.demo.following import follow
from services.foretelling.personas import personas
from services.foretelling.related import related
from services.foretelling.uplift import Judged, uplift
from services.foretelling.value import value
from services.prediction import Bars
from services.simulator.simulating import GatewayAddress, simulate
from services.simulator.spec import Spec, months_before

VAR = Path("var/telecom")
RULES = Path(__file__).parent / "telecom.toml"
CUSTOMERS, MONTHS, SEED, HORIZON = 5_000, 12, 1, 90
TRUTH = "truth.ndjson"


class World(Struct, frozen=True, kw_only=True):
    """What the demo of a world left: figures by name, and where to look."""

    items: int
    seconds: dict[str, float]
    report: Path
    list_id: str
    members: int


def run(stack: Stack, console: Console, bars: Bars) -> World:
    """A year of a telephone company through the gateway, then a model, scores, a list, and what campaigns brought."""
    workspace = open_workspace(stack.settings)
    took: dict[str, float] = {}
    try:
        began = time.monotonic()
        items = _live(stack, workspace, console)
        took["simulate"] = time.monotonic() - began
        follow("Projecting", stack, workspace, console)
        took["project"] = time.monotonic() - began
        began = time.monotonic()
        done = prediction.train(workspace, horizon_days=HORIZON, label="holding_ended", progress=bars)
        took["train"] = time.monotonic() - began
        _judgement(done, console)
        scored = prediction.score_everyone(workspace, done.artifact, progress=bars)
        console.print(f"{len(scored.scores):,} customers scored")
        follow("Projecting the scores", stack, workspace, console)
        built = build(workspace, "retention")
        told = built.published
        console.print(
            f"retention list: {told.candidates:,} candidates = {told.members:,} members + {told.holdout:,} hold-out "
            f"+ {told.suppressed:,} suppressed + {told.beyond:,} beyond"
        )
        for row in built.top[:3]:
            console.print(
                f"  {row.rank}. {row.channel}, {row.profit} expected: {'; '.join(row.why)}", markup=False
            )
        began = time.monotonic()
        _foretold(workspace, console, bars)
        follow("Projecting what was foretold", stack, workspace, console)
        took["foretell"] = time.monotonic() - began
        began = time.monotonic()
        _uplift(workspace, console, bars)
        took["uplift"] = time.monotonic() - began
        return World(
            items=items, seconds={name: round(one, 1) for name, one in took.items()},
            report=prediction.report_of(done.artifact), list_id=built.list_id, members=told.members,
        )  # fmt: skip
    finally:
        workspace.close()


def _live(stack: Stack, workspace: Workspace, console: Console) -> int:
    """The world through the gateway; a second run finds it known. The truth goes into a file beside."""
    settings = stack.settings
    begin = months_before(workspace.clock.now().replace(hour=0, minute=0, second=0, microsecond=0), MONTHS)
    spec = Spec(begin=begin, customers=CUSTOMERS, months=MONTHS, seed=SEED)
    columns = (
        TextColumn("simulating a telephone company"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as shown:
        task = shown.add_task("simulating", total=1.0)
        report = simulate(
            spec, GatewayAddress(settings.gateway_url, settings.first_key), truth=settings.var / TRUTH,
            notice=console.print, progress=lambda _, share: shown.update(task, completed=share),
        )  # fmt: skip
    console.print(
        f"{report.items:,} items = {report.accepted:,} accepted + {report.duplicates:,} duplicates + "
        f"{report.refused:,} refused + {report.quarantined:,} quarantined"
    )
    return report.items


def _judgement(done: prediction.Training, console: Console) -> None:
    rows = metrics_table(done.artifact.card.judgement)
    table = Table(*(name.replace("_", " ") for name in rows[0]), box=None, header_style="bold")
    for row in rows:
        table.add_row(*(f"{value:.3f}" if isinstance(value, float) else str(value) for value in row.values()))
    console.print(table)


def _foretold(workspace: Workspace, console: Console, bars: Bars) -> None:
    """What each customer is worth, which persona they are, and what others have that they have not."""
    worth = value(workspace, progress=bars)
    console.print(f"value of the next {worth.horizon_days} days: {worth.total:,.0f} {worth.currency}")
    for row in personas(workspace, progress=bars).rows:
        console.print(f"  {row.name}: {row.customers:,} customers, {100 * row.share:.0f} %; {row.says}")
    related(workspace, progress=bars)


def _uplift(workspace: Workspace, console: Console, bars: Bars) -> None:
    """What campaigns brought; and where that was shown, a list that goes by it instead of by an assumption."""
    for one in uplift(workspace, seed=SEED, record=True, progress=bars):
        console.print(f"[b]{one.trial.treatment}[/b]")
        said = sentences(one.judgement) if one.judgement else [str(one.refused)]
        for sentence in said[:4]:
            console.print(f"  · {sentence}", markup=False)
        if one.learner:
            _measured(workspace, console, one)


def _measured(workspace: Workspace, console: Console, one: Judged) -> None:
    terms = terms_for(workspace, one.purpose)
    rules = msgspec.structs.replace(terms.rules, offer=one.treatment)
    found = estimate(workspace, msgspec.structs.replace(terms, rules=rules, effect="measured"))
    told = found.would_be
    console.print(
        f"  a list by what was measured: {told.members:,} members + {told.holdout:,} hold-out of {told.candidates:,}; "
        f"expected {found.profit} {found.currency}"
    )

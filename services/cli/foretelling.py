"""export, train, score, models: what may happen, and which model says so."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Column, Table

from models.errors import Refused
from services.cli.running import console, fail, workspace
from services.cli.working import AsOf, Issuer, bar, moment

app = typer.Typer(
    no_args_is_help=True, help="Which artifact scores: the champion, its challengers, promotion and rollback."
)
Label = Annotated[
    str, typer.Option("--label", help="What is foretold: no_activity, holding_ended, or one of your own.")
]


def export(
    folder: Annotated[Path, typer.Argument(help="Where to; an export that is there goes on.")],
) -> None:
    """Write the journal as Parquet, only what is new since the last time, with a dictionary of the columns.

    Customers have keys that stand for ever and lead to nobody; merges.parquet says who turned out to be whom.
    """
    from services.export.writing import export as write  # loaded when needed: Parquet takes a second

    held = workspace()
    try:
        with bar("exporting") as told:
            done = write(held, folder, told)
    except Refused as error:
        fail(error.detail)
    finally:
        held.close()
    console.print(
        f"{done.rows:,} events up to position {done.position:,}, in {len(done.parts)} files under {folder}"
    )
    if done.unread:
        console.print(f"{done.unread:,} events are not in it: no reader here can take them", style="yellow")


def train(
    issuer: Issuer = "",
    horizon: Annotated[int, typer.Option("--horizon", help="Days ahead that the model looks.")] = 180,
    until: Annotated[str, typer.Option("--as-of", help="Use what was known before this moment.")] = "",
    label: Label = "no_activity",
    promote: Annotated[
        bool,
        typer.Option("--promote/--no-promote", help="Let it score if it ranks no worse than the champion."),
    ] = True,
) -> None:
    """Train the churn model on earlier cut dates and judge it on a later one, beside recency alone.

    A folder of your own features, labels and candidates is named by TOUCHSTONE_OWN (see docs/training.md).
    """
    from ml.reports import caveats, metrics_table
    from services import prediction

    held = workspace()
    try:
        done = prediction.train(
            held, issuer or None, until=moment(until) if until else None, horizon_days=horizon, label=label,
            promote=promote, progress=bars,
        )  # fmt: skip
    except _errors() as error:
        fail(_told(error))
    finally:
        held.close()
    artifact = done.artifact
    told = metrics_table(artifact.card.judgement)
    table = Table(*(name.replace("_", " ") for name in told[0]), box=None, header_style="bold")
    for row in told:
        table.add_row(*(f"{value:.4f}" if isinstance(value, float) else str(value) for value in row.values()))
    console.print(table)
    for sentence in caveats(artifact.card.spec, artifact.card.judgement):
        console.print(f"· {sentence}")
    console.print(f"artifact [b]{artifact.card.id}[/b] in {artifact.path}")
    console.print(f"{'champion' if done.champion else 'challenger'}: {done.why}", markup=False)
    console.print(f"report: {prediction.report_of(artifact)}", soft_wrap=True)


def score(
    issuer: Issuer = "",
    as_of: AsOf = "",
    artifact: Annotated[
        Path | None, typer.Option("--artifact", help="Its folder; by default the champion's.")
    ] = None,
) -> None:
    """Score every customer with the champion, and record a prediction with its reasons for each."""
    from services import prediction

    held = workspace()
    try:
        model = prediction.trusted(held, artifact) if artifact else prediction.champion(held, issuer or None)
        done = prediction.score_everyone(
            held, model, moment(as_of) if as_of else None, issuer or None, progress=bars
        )
    except _errors() as error:
        fail(_told(error))
    finally:
        held.close()
    console.print(f"{len(done.scores):,} scored, {done.new:,} recorded, run {done.run}")


@app.command("list")
def list_() -> None:
    """Every artifact that was trained here, the newest first, and which of them score."""
    from services import registry

    held = workspace()
    try:
        found = registry.standings(held)
    finally:
        held.close()
    table = Table(
        Column("artifact", no_wrap=True),
        "foretells",
        "AUC",
        "registered",
        "champion of",
        box=None,
        header_style="bold",
    )
    for one in found:
        auc = "no data" if one.auc is None else f"{one.auc:.3f}"
        table.add_row(one.artifact, one.foretells, auc, _day(one.registered_at), ", ".join(one.champion_of))
    console.print(table if found else "No model was trained here yet: `touchstone train` does.")


@app.command()
def promote(
    artifact: Annotated[str, typer.Argument(help="Its id, as `touchstone models list` shows it.")],
    why: Annotated[str, typer.Option("--why", help="In a sentence; it is recorded.")],
    issuer: Issuer = "",
    by: Annotated[str, typer.Option("--by", help="Who says so.")] = "touchstone models",
) -> None:
    """Let an artifact score from now on, whatever the judge cut said; it must pass its checks."""
    from services import prediction, registry

    held = workspace()
    try:
        registry.require_registered(held, artifact)
        prediction.trusted(held, prediction.artifacts_folder(held) / artifact)
        model = registry.model_of(issuer or None)
        new = registry.promote(held, model, artifact, why, by)
    except _errors() as error:
        fail(_told(error))
    finally:
        held.close()
    console.print(f"{artifact} {'scores now' if new else 'scores already'} for {model}", markup=False)


@app.command("roll-back")
def roll_back(
    why: Annotated[str, typer.Option("--why", help="In a sentence; it is recorded.")],
    issuer: Issuer = "",
    by: Annotated[str, typer.Option("--by", help="Who says so.")] = "touchstone models",
) -> None:
    """Let the artifact score again that did before the present champion; it is said where it can't as things are."""
    from services import prediction, registry

    held = workspace()
    try:
        model = registry.model_of(issuer or None)
        now, before = registry.roll_back(held, model, why, by)
        unable = prediction.why_not(held, now)
    except _errors() as error:
        fail(_told(error))
    finally:
        held.close()
    console.print(f"{now} scores again for {model}, {before} no longer", markup=False)
    if unable:
        console.print(f"As things are it can't: {unable}", style="yellow", markup=False, soft_wrap=True)


@app.command()
def check(issuer: Issuer = "", as_of: AsOf = "") -> None:
    """Look whether the champion still holds: drift, what came true month by month, and its challengers in shadow."""
    from services import checking

    held = workspace()
    try:
        done = checking.check(held, issuer or None, moment(as_of) if as_of else None, bars)
    except _errors() as error:
        fail(_told(error))
    finally:
        held.close()
    table = Table(
        "month", "customers", "foretold", "left", "calibration error", box=None, header_style="bold"
    )
    for one in done.drift.months:
        table.add_row(
            one.month, f"{one.customers:,}", *(_share(told) for told in (one.foretold, one.left, one.ece))
        )
    if done.drift.months:
        console.print(table)
    beside = Table(
        "artifact", "AUC", "lift10", "calibration error", "customers", box=None, header_style="bold"
    )
    for artifact, told in sorted(done.shadow.items(), key=lambda pair: -pair[1].auc):
        name = f"{artifact} (champion)" if artifact == done.champion else artifact
        beside.add_row(
            name, f"{told.auc:.3f}", f"{told.lift10:.2f}", f"{told.ece:.3f}", f"{told.population:,}"
        )
    if done.shadow:
        console.print(beside)
    else:
        console.print(
            "Nobody can be judged yet: no month after the judge cut is over, or too few left or stayed."
        )
    for finding in done.drift.findings:
        console.print(f"· {finding.says}", markup=False)
    if not done.drift.findings:
        console.print("Whom it scores is as it was when it learnt.")


@contextmanager
def bars(what: str) -> Iterator[Callable[[int], None]]:
    """What goes on, how many events are done, and how long it has taken."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TextColumn("{task.fields[done]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task, seen = progress.add_task(what, total=None, done=""), 0

        def told(events: int) -> None:
            nonlocal seen
            seen += events
            progress.update(task, done=f"{seen:,} events")

        yield told


def _errors() -> tuple[type[Exception], ...]:
    """What a training or scoring says no with."""
    from ml.artifacts import ArtifactRefused  # loaded when needed: they take seconds
    from ml.kit import OwnFileRefused
    from ml.leak import LeakFound
    from ml.training import TooLittleHistory, UnknownLabel

    return (
        ArtifactRefused,
        FileNotFoundError,
        LeakFound,
        OwnFileRefused,
        Refused,
        TooLittleHistory,
        UnknownLabel,
    )


def _told(error: Exception) -> str:
    return error.detail if isinstance(error, Refused) else str(error)


def _share(value: float | None) -> str:
    return "too few" if value is None else f"{100 * value:.1f} %"


def _day(at: datetime) -> str:
    return f"{at.astimezone():%Y-%m-%d %H:%M}"

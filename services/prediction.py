"""Training and scoring over a workspace: histories out of the journal, predictions back into it."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
from msgspec import Struct

from infra import populations
from infra.database import unavailable
from infra.ids import derived_id
from infra.workspace import Workspace
from ml.artifacts import Artifact, ArtifactRefused, Card, find, load, save, training_key
from ml.dataset import Dataset
from ml.evaluation import auc_gain
from ml.histories import Histories
from ml.kit import OURS, Kit, kit
from ml.reports.page import page
from ml.scoring import Score, score
from ml.training import TooLittleHistory, Trained, fit, prepare, spec_for
from models.errors import Refused
from models.ports import By, Write
from services import registry
from services.export.writing import export, key_of
from services.revision import code_revision

CHUNK = 2_000
REPORT = "report.html"
Bars = Callable[[str], AbstractContextManager[Callable[[int], None]]]
"""Opens a progress bar with a name; what it gives is told how many events are done."""
CURE = "Delete the folder and run `touchstone train` again"
OWN_CURE = (
    "Name the folder of own files that it was trained with by TOUCHSTONE_OWN, or run `touchstone train`"
)


@contextmanager
def silent(_: str) -> Iterator[Callable[[int], None]]:
    """No progress is shown."""
    yield lambda done: None


class Scoring(Struct, frozen=True, kw_only=True):
    """One run of a model over a population. `new` predictions were recorded.

    The others were before, or are of customers who have since turned out to be another.
    """

    run: str
    artifact: str
    as_of: datetime
    horizon_days: int
    scores: list[Score]
    new: int


def artifacts_folder(workspace: Workspace) -> Path:
    """Where artifacts are kept."""
    return workspace.settings.var / "artifacts"


class Training(Struct, frozen=True, kw_only=True):
    """What a training left: an artifact, whether it scores from now on, and why or why not, in a sentence."""

    artifact: Artifact
    dataset: Dataset
    champion: bool
    why: str


def train(
    workspace: Workspace, issuer: str | None = None, *, until: datetime | None = None, horizon_days: int = 180,
    label: str = "no_activity", promote: bool = True, report: bool = True, progress: Bars = silent,
) -> Training:  # fmt: skip
    """Train on what is in the journal, judge on the latest cut, register what passed its checks.

    The same histories, rules and code give the artifact that is there already. `until` (exclusive) ends the data; by
    default the day after the last event. What ranks no worse than the present champion on the judge cut becomes the
    champion, unless `promote` is False. A `report` is left beside it. Raises `Refused`, `TooLittleHistory`,
    `LeakFound`, `OwnFileRefused`, `ArtifactRefused`; then the former champion stays.
    """
    _not_ahead(workspace, until)
    if horizon_days < 1:
        raise Refused("horizon", "the horizon is a number of days, 1 or more")
    kit = kit_of(workspace)
    told = histories(workspace, issuer, kit, progress)
    if told.span is None:
        raise TooLittleHistory("the journal has no events of these customers: import or send some first")
    first, last = told.span
    end = until or day_after(last)
    spec = spec_for(first, end, horizon_days=horizon_days, label=label)
    folder = artifacts_folder(workspace)
    with progress("asking for features") as done:
        dataset = prepare(told, spec, kit, done)
    found = find(folder, training_key(spec, dataset, code_revision(), kit), kit)
    artifact = found or save(folder, fit(dataset, spec, kit), code=code_revision(), kit=kit)
    _register(workspace, artifact, end, found=found is not None)
    former = _champion_card(workspace, issuer)
    champion, why = _promoted(workspace, artifact, dataset, issuer, promote)
    if report:
        with progress("writing the report"):
            _report(artifact, dataset, former, kit)
    return Training(artifact=artifact, dataset=dataset, champion=champion, why=why)


def report_of(artifact: Artifact) -> Path:
    """Where the report of its training lies: one HTML file that needs no network."""
    return artifact.path / REPORT


def _report(artifact: Artifact, dataset: Dataset, former: Card | None, kit: Kit) -> None:
    card = artifact.card
    trained = Trained(spec=card.spec, model=artifact.model, judgement=card.judgement, dataset=dataset)
    earlier = former if former is not None and former.id != card.id else None
    report_of(artifact).write_text(page(trained, card, earlier=earlier, kit=kit), encoding="utf-8")


def _champion_card(workspace: Workspace, issuer: str | None) -> Card | None:
    """The card of what scored until now, where it can still be read."""
    try:
        return champion(workspace, issuer).card
    except (ArtifactRefused, FileNotFoundError):
        return None


def _promoted(
    workspace: Workspace, artifact: Artifact, dataset: Dataset, issuer: str | None, may: bool
) -> tuple[bool, str]:
    """Whether the artifact scores from now on, and why: compared with the champion where both have seen neither."""
    model = registry.model_of(issuer)
    now = registry.champion(workspace, model)
    if now == artifact.card.id:
        return True, "it is the champion already"
    better, why = (True, "it is the first") if now is None else _better(workspace, now, artifact, dataset)
    if better and may:
        registry.promote(workspace, model, artifact.card.id, why, "touchstone train")
    elif better:
        why = f"{why}; it was not to be promoted: `touchstone models promote {artifact.card.id}` does it"
    return better and may, why


def _better(workspace: Workspace, now: str, artifact: Artifact, dataset: Dataset) -> tuple[bool, str]:
    try:
        champion = trusted(workspace, artifacts_folder(workspace) / now)
    except (ArtifactRefused, FileNotFoundError) as error:
        unable = (
            f"the champion {now} can no longer score here ({getattr(error, 'code', 'its files are gone')})"
        )
        same = {one.foretells for one in registry.registered(workspace, now)} == {
            artifact.registered().foretells
        }
        return same, f"{unable}, and {'this foretells the same' if same else 'foretells something else'}"
    spec = artifact.card.spec
    if champion.card.spec.label != spec.label or champion.card.spec.horizon_days != spec.horizon_days:
        return False, f"the champion {now} foretells something else ({champion.registered().foretells})"
    judge = dataset.at([spec.judge_cut])
    rows = judge.where(judge.active & ~judge.treated)
    gain = auc_gain(
        rows.labels, artifact.model.probability(rows.features, rows.names),
        champion.model.probability(rows.features, rows.names), seed=spec.seed,
    )  # fmt: skip
    told = f"AUC {gain.value:+.3f} ({gain.low:+.3f} to {gain.high:+.3f}) beside {now} at {spec.judge_cut:%Y-%m-%d}"
    return gain.value >= 0, f"it ranks no worse: {told}" if gain.value >= 0 else f"it ranks worse: {told}"


def kit_of(workspace: Workspace) -> Kit:
    """What trainings here can choose from: ours, and what lies in `TOUCHSTONE_OWN`. Raises `OwnFileRefused`."""
    return kit(workspace.settings.own)


def histories(
    workspace: Workspace, issuer: str | None = None, kit: Kit = OURS, progress: Bars = silent
) -> Histories:
    """Everybody's facts up to the head of the journal, by way of an export that is kept beside the artifacts."""
    folder = workspace.settings.var / "export"
    with progress("exporting") as told:
        export(workspace, folder, lambda done, head: told(done))
    return Histories.exported(folder, issuer, kit.columns)


def trusted(workspace: Workspace, path: Path) -> Artifact:
    """The artifact in a folder, if its card is one that was registered in this workspace.

    Raises `ml.artifacts.ArtifactRefused`, with the folder and the cure.
    """
    try:
        artifact = load(path, kit=kit_of(workspace))
    except ArtifactRefused as error:
        cure = OWN_CURE if error.code == "artifact.features_changed" else CURE
        raise ArtifactRefused(error.code, f"{path}: {error.detail}. {cure}") from None
    known = {one.sha256 for one in registry.registered(workspace, artifact.card.id)}
    if artifact.sha256 not in known:
        told = f"{path}: its card is not the one that was registered here when it was trained. {CURE}"
        raise ArtifactRefused("artifact.not_registered", told)
    return artifact


def why_not(workspace: Workspace, artifact: str) -> str:
    """Why an artifact can't score here as things are; empty where it can."""
    try:
        trusted(workspace, artifacts_folder(workspace) / artifact)
    except (ArtifactRefused, FileNotFoundError) as error:
        return str(error)
    return ""


def _register(workspace: Workspace, artifact: Artifact, at: datetime, *, found: bool) -> None:
    """Once for each file that a training left: the same training done again may differ in its bytes.

    One that was found in its folder and not made now must be registered already, if any was.
    """
    stream = f"artifact-{artifact.card.id}"
    history = workspace.log.stream(stream)
    if found and history:
        trusted(workspace, artifact.path)
        return
    by = By(
        source="train",
        source_id=f"{artifact.card.id}:{artifact.sha256}",
        actor="touchstone train",
        origin="replay",
    )
    write = Write(stream=stream, expected=len(history), events=[(artifact.registered(), at)])
    workspace.log.record_batch([(by, [write])])


def score_everyone(
    workspace: Workspace, artifact: Artifact, as_of: datetime | None = None, issuer: str | None = None,
    progress: Bars = silent,
) -> Scoring:  # fmt: skip
    """Score every customer the label concerns, and record a prediction each; a repeat records nothing.

    At a moment in the past, customers are those known then. One who has been absorbed since is scored
    and ranked as what it was, but its prediction is not recorded: it would stand in the survivor's
    history beside the survivor's own.
    """
    _not_ahead(workspace, as_of)
    live = as_of is None
    moment = as_of or workspace.clock.now()
    spec = artifact.card.spec
    run = derived_id("churn", artifact.card.id, moment.isoformat(), issuer or "")
    kit = kit_of(workspace)
    told = histories(workspace, issuer, kit, progress)
    named = _customers(workspace)
    with progress("scoring") as done:
        found = score(artifact.model, told, moment, kit.labels[spec.label], kit.questions, done)
    scores = [msgspec.structs.replace(one, customer=named[one.customer]) for one in found]
    absorbed = {named[one] for one in told.absorbed}
    recorded = [one for one in scores if one.customer not in absorbed]
    new = 0
    for start in range(0, len(recorded), CHUNK):
        new += workspace.log.record_batch([
            (
                By(source=f"churn:{run}", source_id=one.customer, actor="touchstone score",
                   origin="live" if live else "replay", customer=one.customer, cause=""),
                [Write(stream="", expected=0, events=[(
                    one.event(run=run, artifact=artifact.card.id, as_of=moment, horizon_days=spec.horizon_days),
                    moment,
                )])],
            )
            for one in recorded[start : start + CHUNK]
        ])  # fmt: skip
    return Scoring(
        run=run,
        artifact=artifact.card.id,
        as_of=moment,
        horizon_days=spec.horizon_days,
        scores=scores,
        new=new,
    )


def _customers(workspace: Workspace) -> dict[str, str]:
    """Key in an export → customer."""
    with unavailable(), workspace.engine.connect() as connection:
        return {key_of(workspace.matcher, one): one for one, _ in populations.customers(connection)}


def _not_ahead(workspace: Workspace, moment: datetime | None) -> None:
    """What is recorded as of a moment that has not come would stand in front of everything to come."""
    if moment is not None and moment > workspace.clock.now():
        raise Refused("as_of_ahead", "this moment has not come yet: give one of the past, or none for now")


def champion(workspace: Workspace, issuer: str | None = None) -> Artifact:
    """The artifact that scores for these customers. Raises FileNotFoundError with the cure, `ArtifactRefused`."""
    model, only = registry.model_of(issuer), f" --issuer {issuer}" if issuer else ""
    found = registry.champion(workspace, model)
    if found is None:
        raise FileNotFoundError(
            f"no model was trained here yet for {model}: run `touchstone train{only}` first"
        )
    return trusted(workspace, artifacts_folder(workspace) / found)


def day_after(at: datetime) -> datetime:
    """The first instant of the next day, in the moment's own offset."""
    return at.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)

"""How the models do on what came since: drift of whom they score, what came true, and who would have ranked better.

Challengers are judged in shadow: on the same customers at the same months, which come after what any of them learnt.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
from msgspec import Struct

from events.prediction import ModelEvaluated
from infra.workspace import Workspace
from ml.artifacts import Artifact, ArtifactRefused
from ml.dataset import Dataset, build
from ml.drift import Drift, by_month, drift
from ml.evaluation import Figures, figures
from ml.histories import Histories
from ml.kit import Kit
from ml.scoring import asked
from ml.training import FEWEST
from models.ports import By, Write
from services import prediction, registry
from services.prediction import Bars, silent

MOST_MONTHS = 12
KEPT, LONGEST = 5, 200
"""Findings that are kept with the event, and the letters of each."""


class Checked(Struct, frozen=True, kw_only=True):
    """What a check found. `shadow` are the figures of all who foretell the same, the champion among them."""

    champion: str
    drift: Drift
    shadow: dict[str, Figures]
    months: tuple[datetime, ...]


def check(
    workspace: Workspace, issuer: str | None = None, as_of: datetime | None = None, progress: Bars = silent
) -> Checked:
    """Check the champion and its challengers on what is known now, or was at a moment; recorded for each of them.

    Raises FileNotFoundError without a champion, `ArtifactRefused` where it can't be read.
    """
    champion = prediction.champion(workspace, issuer)
    kit, spec = prediction.kit_of(workspace), champion.card.spec
    moment = as_of or workspace.clock.now()
    told = prediction.histories(workspace, issuer, kit, progress)
    names = kit.names
    with progress("asking what they learnt from"):
        learnt = _rows(told, kit, champion, (*spec.train_cuts, spec.judge_cut), spec.data_end)
    with progress("asking for today"):
        now = asked(told, moment, kit.labels[spec.label], kit.questions)
    today = np.ascontiguousarray(now.select(names).fill_null(float("nan")).to_numpy())
    contenders = _contenders(workspace, champion)
    months = _months(max(one.card.spec.judge_cut for one in contenders), moment, spec.horizon)
    with progress("asking what came true"):
        since = _rows(told, kit, champion, months, moment)
    judge = learnt.at([spec.judge_cut])
    found = drift(
        names, learnt.at(spec.train_cuts).features, today,
        score_then=champion.model.probability(judge.features, names),
        score_now=champion.model.probability(today, names),
        months=by_month(since.cuts, champion.model.probability(since.features, names), since.labels),
        base_rate=float(learnt.at(spec.train_cuts).labels.mean()),
        meanings={one.name: one.meaning for one in kit.questions},
    )  # fmt: skip
    alone = since.where(since.active & ~since.treated)
    enough = min(int(alone.labels.sum()), int((1 - alone.labels).sum())) >= FEWEST
    shadow = {
        one.card.id: figures(alone.labels, one.model.probability(alone.features, names))
        for one in contenders
        if enough
    }
    _record(workspace, champion, found, shadow, moment, as_of is not None)
    return Checked(champion=champion.card.id, drift=found, shadow=shadow, months=tuple(months))


def _rows(
    told: Histories, kit: Kit, champion: Artifact, cuts: Sequence[datetime], data_end: datetime
) -> Dataset:
    spec = champion.card.spec
    return build(
        told, cuts, label=kit.labels[spec.label], horizon_days=spec.horizon_days,
        population_days=spec.population_days, data_end=data_end, questions=kit.questions,
    )  # fmt: skip


def _months(after: datetime, until: datetime, horizon: timedelta) -> list[datetime]:
    """The firsts of months after a judge cut whose windows are over, at most the last twelve."""
    first = after.astimezone(UTC)
    found: list[datetime] = []
    while True:
        first = (first.replace(day=1) + timedelta(days=32)).replace(
            day=1, hour=0, minute=0, second=0, microsecond=0
        )
        if first + horizon > until:
            return found[-MOST_MONTHS:]
        found.append(first)


def _contenders(workspace: Workspace, champion: Artifact) -> list[Artifact]:
    """The champion, and all others that foretell the same and can be read here."""
    folder, spec = prediction.artifacts_folder(workspace), champion.card.spec
    found = [champion]
    for one in registry.standings(workspace):
        if one.artifact == champion.card.id or one.artifact in {known.card.id for known in found}:
            continue
        try:
            other = prediction.trusted(workspace, folder / one.artifact)
        except ArtifactRefused:
            continue  # of another release, or deleted: it can't score here any more
        if (other.card.spec.label, other.card.spec.horizon_days) == (spec.label, spec.horizon_days):
            found.append(other)
    return found


def _record(
    workspace: Workspace,
    champion: Artifact,
    found: Drift,
    shadow: dict[str, Figures],
    at: datetime,
    past: bool,
) -> None:
    for artifact in {champion.card.id, *shadow}:
        metrics = {}
        if artifact in shadow:
            metrics = {name: float(getattr(shadow[artifact], name)) for name in Figures.__struct_fields__}
        findings: tuple[str, ...] = ()
        if artifact == champion.card.id:
            metrics |= {} if found.score.psi is None else {"psi": found.score.psi}
            findings = tuple(one.says[:LONGEST] for one in found.findings[:KEPT])
        event = ModelEvaluated(
            artifact=artifact, scored_at=at, judged_at=at, metrics=metrics, findings=findings
        )
        stream = f"artifact-{artifact}"
        by = By(source="check", source_id=f"{artifact}:{at.isoformat()}", actor="touchstone models check",
                origin="replay" if past else "live")  # fmt: skip
        revision = len(workspace.log.stream(stream))
        workspace.log.record(by, [Write(stream=stream, expected=revision, events=[(event, at)])])

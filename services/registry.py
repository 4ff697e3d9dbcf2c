"""Which artifact scores for a model: promoted and rolled back, as events.

The stream of a model (`model-churn`, or `model-churn:shop` for the customers of one issuer) says all of it: the last of
its events names the champion. An artifact that was registered and is not the champion is a challenger.
"""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from events.envelope import Envelope
from events.prediction import ModelPromoted, ModelRegistered, ModelRolledBack
from infra.workspace import Workspace
from models.errors import Refused
from models.ports import By, Write
from models.tables.journal import journal


def model_of(issuer: str | None) -> str:
    """The name of the churn model of everybody, or of an issuer's customers."""
    return f"churn:{issuer}" if issuer else "churn"


class Standing(Struct, frozen=True, kw_only=True):
    """An artifact in the registry: when it was registered, when it last became a champion, of which models it is."""

    artifact: str
    registered_at: datetime
    foretells: str
    auc: float | None
    promoted_at: datetime | None
    champion_of: tuple[str, ...]


def champion(workspace: Workspace, model: str) -> str | None:
    """The artifact that scores for a model; None where none was promoted yet."""
    return _champion(_history(workspace, model))


def registered(workspace: Workspace, artifact: str) -> list[ModelRegistered]:
    """What was registered of an artifact, once for each file that a training left; nothing for an unknown one."""
    events = (one.event for one in workspace.log.stream(f"artifact-{artifact}"))
    return [one for one in events if isinstance(one, ModelRegistered)]


def require_registered(workspace: Workspace, artifact: str) -> None:
    """Raises `Refused` (`artifact.unknown`) for an artifact that was never registered here."""
    if not registered(workspace, artifact):
        raise Refused(
            "artifact.unknown", f"{artifact} was never registered here: `touchstone models list` shows all"
        )


def predecessor(workspace: Workspace, model: str) -> str:
    """Who scored before the champion. Raises `Refused` (`model.no_predecessor`) without one."""
    line = _line(_history(workspace, model))
    if len(line) < 2:
        raise Refused(
            "model.no_predecessor", "no other artifact scored before: promote the one that you want"
        )
    return line[-2]


def promote(workspace: Workspace, model: str, artifact: str, why: str, actor: str) -> bool:
    """Let an artifact score from now on; False where it does already. Raises `Refused` for one not registered."""
    require_registered(workspace, artifact)
    history = _history(workspace, model)
    before = _champion(history)
    if before == artifact:
        return False
    event = ModelPromoted(model=model, artifact=artifact, why=why, before=before)
    _record(workspace, event, history, actor)
    return True


def roll_back(workspace: Workspace, model: str, why: str, actor: str) -> tuple[str, str]:
    """Let the champion's predecessor score again: (who scores now, who did). Raises `Refused` without one."""
    before, history = predecessor(workspace, model), _history(workspace, model)
    now = _line(history)[-1]
    event = ModelRolledBack(model=model, artifact=before, from_artifact=now, why=why)
    _record(workspace, event, history, actor)
    return before, now


def standings(workspace: Workspace) -> list[Standing]:
    """Every artifact that was registered, the newest first."""
    moves = workspace.journal.read(journal.c.type.in_([ModelPromoted.WIRE, ModelRolledBack.WIRE]))
    scoring = {e.event.model: e.event.artifact for e in moves}
    promoted = {e.event.artifact: e.recorded_at for e in moves}
    found = workspace.journal.read(journal.c.type == ModelRegistered.WIRE)
    return [
        Standing(
            artifact=e.event.artifact, registered_at=e.recorded_at, foretells=e.event.foretells,
            auc=e.event.metrics.get("auc"), promoted_at=promoted.get(e.event.artifact),
            champion_of=tuple(model for model, one in scoring.items() if one == e.event.artifact),
        )
        for e in reversed(found)
    ]  # fmt: skip


def _history(workspace: Workspace, model: str) -> list[Envelope]:
    return workspace.log.stream(f"model-{model}")


def _champion(history: Sequence[Envelope]) -> str | None:
    return history[-1].event.artifact if history else None


def _line(history: Sequence[Envelope]) -> list[str]:
    """Those that scored one after the other; whoever was rolled back is out of it."""
    line: list[str] = []
    for e in history:
        if isinstance(e.event, ModelRolledBack):
            line.pop()
        else:
            line.append(e.event.artifact)
    return line


def _record(
    workspace: Workspace, event: ModelPromoted | ModelRolledBack, history: Sequence[Envelope], actor: str
) -> None:
    revision = len(history)
    by = By(source="registry", source_id=f"{event.model}:{revision + 1}", actor=actor)
    told = Write(stream=f"model-{event.model}", expected=revision, events=[(event, workspace.clock.now())])
    workspace.log.record(by, [told])

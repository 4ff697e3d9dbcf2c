"""What an artifact foretold, for whom, and why."""

from msgspec import Struct

from events.envelope import Event
from events.registry import event
from events.vocabulary import Count, Moment, Name, Share


class ScoreReason(Struct, frozen=True, kw_only=True):
    """One feature's part in a score: its value as words, and its push on the log odds."""

    feature: Name
    says: Name
    contribution: float


@event("prediction.churn_scored", by="touchstone score")
class ChurnScored(Event):
    """A customer's probability of no purchase or use within the horizon, as known at `as_of`.

    `rank` is 1 for the likeliest to leave of `of` scored in one run.
    """

    run: Name
    artifact: Name
    as_of: Moment
    horizon_days: Count
    probability: Share
    rank: Count
    of: Count
    reasons: tuple[ScoreReason, ...] = ()


@event("prediction.model_registered", by="touchstone train", category="artifact", key="artifact")
class ModelRegistered(Event):
    """An artifact passed its checks and may score: its hash, what it foretells, how it did."""

    artifact: Name
    foretells: Name
    sha256: Name
    trained_on: tuple[Moment, ...]
    judged_at: Moment
    metrics: dict[str, float]


@event("prediction.model_promoted", by="touchstone train, or a person", category="model", key="model")
class ModelPromoted(Event):
    """From now on this artifact scores for the model, in place of `before` where there was one, and why."""

    model: Name
    artifact: Name
    why: Name
    before: Name | None = None


@event("prediction.model_rolled_back", by="touchstone models roll-back", category="model", key="model")
class ModelRolledBack(Event):
    """The artifact that scored before scores again; `from_artifact` no longer does, and why."""

    model: Name
    artifact: Name
    from_artifact: Name
    why: Name


@event("prediction.model_evaluated", by="touchstone models check", category="artifact", key="artifact")
class ModelEvaluated(Event):
    """How an artifact did on what came later: scored at `scored_at`, judged when the horizon was over.

    `metrics` are figures by name (auc, ece, base_rate, psi …); `findings` are sentences for people.
    """

    artifact: Name
    scored_at: Moment
    judged_at: Moment
    metrics: dict[str, float]
    findings: tuple[Name, ...] = ()

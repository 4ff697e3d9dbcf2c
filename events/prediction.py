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

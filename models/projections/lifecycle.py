"""The life-cycle stage of each customer, with since when, by which rule and because of what."""

from collections.abc import Mapping
from datetime import datetime

from events.envelope import Envelope
from events.holding import (
    CancelRequested,
    HoldingEnded,
    HoldingStarted,
    PurchaseRecorded,
    SaveAccepted,
    UsageRecorded,
)
from events.identity import IdentifierLinked
from events.prediction import ChurnScored
from events.touch import TouchRecorded, TouchSignalled
from models.domain.lifecycle import Lifecycle, advance, fold, next_due
from models.domain.rules import LifecycleRules
from models.projections.projection import Projection


class LifecycleView(Projection[Lifecycle]):
    """One row a customer; the clock moves a stage with no event, so ask for a moment."""

    name, generation, row = "lifecycle", 1, Lifecycle
    matches = frozenset({
        PurchaseRecorded, UsageRecorded, HoldingStarted, HoldingEnded, CancelRequested, SaveAccepted,
        TouchRecorded, TouchSignalled, ChurnScored, IdentifierLinked,
    })  # fmt: skip

    def __init__(self, rules: LifecycleRules | None = None) -> None:
        self._rules = rules or LifecycleRules()

    def apply(self, row: Lifecycle | None, envelope: Envelope, owner: str) -> Lifecycle:
        """Follow the clock to the event, then take the event in."""
        return fold(row, envelope, self._rules)

    def present(self, row: Lifecycle, at: datetime) -> Lifecycle:
        """The stage as of a moment, entered by time alone if need be."""
        return advance(row, at, self._rules)

    def columns(self, row: Lifecycle) -> Mapping[str, object]:
        """When time alone will change the stage next."""
        return {"next_due_at": next_due(row, self._rules)}

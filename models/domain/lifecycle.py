"""The life cycle: which stage a customer is in at a moment, since when, by which rule, because of what.

A stage follows from conditions, tried in the order lost, at_risk, regained, acquired, developing,
retained. Some begin with an event, some by time passing; `advance` finds the second kind, so that a
fold never skips what the clock did between two events.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import msgspec
from msgspec import Struct

from events.envelope import Envelope
from events.holding import (
    CancelRequested,
    HoldingEnded,
    HoldingStarted,
    PurchaseRecorded,
    SaveAccepted,
    UsageRecorded,
)
from events.prediction import ChurnScored
from events.touch import TouchRecorded, TouchSignalled
from events.vocabulary import Stage
from models.domain.rules import LifecycleRules

NEVER = datetime(1, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


class StageEntry(Struct, frozen=True):
    """A stage, the moment it began, the rule that says so and the event behind it."""

    stage: Stage
    since: datetime
    rule: str
    because: str


class Lifecycle(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the rules need to know of one customer. `upto` is how far the clock has been followed.

    `first_at` is the first purchase or holding, `last_active` the last of these or use; `calmed_at` is
    when a save or low scores last took an at_risk back, and silence is counted anew from there.
    """

    upto: datetime
    first_at: datetime | None = None
    first_because: str = ""
    last_active: datetime | None = None
    last_because: str = ""
    gaps: dict[int, int] = {}
    holdings: frozenset[str] = frozenset()
    ended_at: datetime | None = None
    ended_because: str = ""
    warned_by: tuple[str, str] | None = None
    scores: tuple[float, ...] = ()
    calmed_at: datetime | None = None
    regained_at: datetime | None = None
    log: tuple[StageEntry, ...] = ()

    @property
    def now(self) -> StageEntry | None:
        """The stage the customer is in; None before anything is known."""
        return self.log[-1] if self.log else None


def fold(state: Lifecycle | None, envelope: Envelope, rules: LifecycleRules) -> Lifecycle:
    """One step: follow the clock to the event, take the event in, look which stage holds now."""
    at = envelope.occurred_at.astimezone(UTC)
    state = Lifecycle(upto=at) if state is None else advance(state, at, rules)
    taken = _take(state, envelope, at, rules)
    if taken is state and state.now is not None:
        return state  # the event changes nothing, and time alone has been followed
    return _look(taken, at, envelope.event_id, rules)


def advance(state: Lifecycle, at: datetime, rules: LifecycleRules) -> Lifecycle:
    """The state at a moment no event lies before: stages that time alone has changed are entered."""
    if at <= state.upto:
        return state
    upto = state.upto
    for moment in sorted(one for one in _boundaries(state, rules, until=at) if upto < one <= at):
        state = _look(state, moment, "", rules)
    return msgspec.structs.replace(state, upto=at)


def next_due(state: Lifecycle, rules: LifecycleRules) -> datetime | None:
    """When time alone will next change the stage, if nothing happens; None if never."""
    for moment in sorted(_boundaries(state, rules)):
        if (
            moment > state.upto
            and state.now is not None
            and _stage(state, moment, rules)[0] != state.now.stage
        ):
            return moment
    return None


def silence_after(state: Lifecycle, rules: LifecycleRules) -> timedelta:
    """How long a silence of this customer is normal: twice the median gap between their active days."""
    counted = sum(state.gaps.values())
    gap = _median(state.gaps, counted) if counted >= 2 else rules.workspace_gap_days
    return timedelta(days=max(rules.silence_factor * gap, rules.least_silence_days))


def _take(state: Lifecycle, envelope: Envelope, at: datetime, rules: LifecycleRules) -> Lifecycle:
    replace = msgspec.structs.replace
    match envelope.event:
        case UsageRecorded():
            return _active(state, envelope, at)
        case PurchaseRecorded():
            return _bought(state, envelope, at)
        case HoldingStarted(holding_id=holding):
            return replace(_bought(state, envelope, at), holdings=state.holdings | {holding})
        case HoldingEnded(holding_id=holding):
            held = state.holdings - {holding}
            if held or not state.holdings:
                return replace(state, holdings=held)
            return replace(state, holdings=held, ended_at=at, ended_because=envelope.event_id)
        case SaveAccepted():
            return replace(_calmed(state, at), scores=())
        case CancelRequested():
            return replace(state, warned_by=("cancel_requested", envelope.event_id))
        case TouchRecorded(outside=None, signals=signals) | TouchSignalled(signals=signals) if (
            rules.leaving_signals & set(signals)
        ):
            return replace(state, warned_by=("words_of_leaving", envelope.event_id))
        case ChurnScored(probability=probability):
            return _scored(state, probability, envelope.event_id, at, rules)
    return state


def _scored(
    state: Lifecycle, probability: float, because: str, at: datetime, rules: LifecycleRules
) -> Lifecycle:
    """Two scorings at or above the entry threshold warn; two below the exit threshold take it back."""
    scores = (*state.scores, probability)[-2:]
    state = msgspec.structs.replace(state, scores=scores)
    if len(scores) == 2 and min(scores) >= rules.enter_at_risk:
        return msgspec.structs.replace(state, warned_by=("scored_twice", because))
    if len(scores) == 2 and max(scores) < rules.leave_at_risk:
        return _calmed(state, at)
    return state


def _calmed(state: Lifecycle, at: datetime) -> Lifecycle:
    """A warning is taken back; of a silence, only one that is a warning already."""
    calmed_at = at if state.now is not None and state.now.stage == "at_risk" else state.calmed_at
    return msgspec.structs.replace(state, warned_by=None, calmed_at=calmed_at)


def _bought(state: Lifecycle, envelope: Envelope, at: datetime) -> Lifecycle:
    """A purchase or a new holding: whoever makes one is not leaving, and comes back if they had left."""
    first_at, because = (state.first_at, state.first_because) if state.first_at else (at, envelope.event_id)
    lost = state.now is not None and state.now.stage == "lost"
    return msgspec.structs.replace(
        _active(state, envelope, at), first_at=first_at, first_because=because, warned_by=None, scores=(),
        ended_at=None, ended_because="", regained_at=at if lost else state.regained_at,
    )  # fmt: skip


def _active(state: Lifecycle, envelope: Envelope, at: datetime) -> Lifecycle:
    """A purchase, a new holding or a use: remembers the day, and the gap to the active day before."""
    gaps = state.gaps
    if state.last_active is not None:
        gap = (at.date() - state.last_active.date()).days
        if gap > 0:
            gaps = {**gaps, gap: gaps.get(gap, 0) + 1}
    return msgspec.structs.replace(state, last_active=at, last_because=envelope.event_id, gaps=gaps)


def _look(state: Lifecycle, at: datetime, because: str, rules: LifecycleRules) -> Lifecycle:
    """Enter the stage that holds at this moment, if it is another than before."""
    stage, rule, reason = _stage(state, at, rules)
    if state.upto < at:
        state = msgspec.structs.replace(state, upto=at)
    if state.now is not None and state.now.stage == stage:
        return state
    entry = StageEntry(stage, at, rule, because or reason)
    cleared = {"warned_by": None, "scores": ()} if stage == "lost" else {}
    return msgspec.structs.replace(state, log=(*state.log, entry), **cleared)


def _stage(state: Lifecycle, at: datetime, rules: LifecycleRules) -> tuple[Stage, str, str]:
    """The first condition that holds: stage, rule, the event behind it."""
    if state.first_at is None or state.last_active is None:
        return "identified", "identifier_seen", ""
    if state.ended_at is not None:
        return "lost", "last_holding_ended", state.ended_because
    if not state.holdings and at >= state.last_active + rules.active:
        return "lost", "not_active", state.last_because
    if state.warned_by is not None:
        return "at_risk", state.warned_by[0], state.warned_by[1]
    if not state.holdings and at >= _silent_at(state, rules, at):
        return "at_risk", "silence", state.last_because
    if state.regained_at is not None and at < state.regained_at + timedelta(days=rules.regained_days):
        return "regained", "back_after_lost", state.last_because
    acquired_until = _day_after(state.first_at)
    if at < acquired_until:
        return "acquired", "first_purchase_or_holding", state.first_because
    if at < acquired_until + timedelta(days=rules.developing_days):
        return "developing", "first_days", state.first_because
    return "retained", "older_and_active", state.last_because


def _boundaries(state: Lifecycle, rules: LifecycleRules, until: datetime | None = None) -> Iterator[datetime]:
    """Every moment at which time alone may change the stage; those after `until` may be other later ones."""
    if state.first_at is None or state.last_active is None:
        return
    acquired_until = _day_after(state.first_at)
    yield acquired_until
    yield acquired_until + timedelta(days=rules.developing_days)
    if not state.holdings:
        yield _silent_at(state, rules, until)
        yield state.last_active + rules.active
    if state.regained_at is not None:
        yield state.regained_at + timedelta(days=rules.regained_days)


def _silent_at(state: Lifecycle, rules: LifecycleRules, until: datetime | None = None) -> datetime:
    """When a silence that begins now, or began, is longer than this customer's normal ones.

    Where that is after `until` in any case, some moment after it: what is normal need not be worked out.
    """
    heard = max(state.last_active or NEVER, state.calmed_at or NEVER)
    earliest = heard + timedelta(days=rules.least_silence_days)
    return earliest if until is not None and until < earliest else heard + silence_after(state, rules)


def _day_after(at: datetime) -> datetime:
    return datetime(at.year, at.month, at.day, tzinfo=at.tzinfo) + DAY


def _median(counts: dict[int, int], total: int) -> float:
    """The median of a multiset given as value → how often."""
    lower, upper, seen = None, None, 0
    for value in sorted(counts):
        seen += counts[value]
        if lower is None and seen >= (total + 1) // 2:
            lower = value
        if upper is None and seen >= total // 2 + 1:
            upper = value
            break
    return ((lower or 0) + (upper or 0)) / 2

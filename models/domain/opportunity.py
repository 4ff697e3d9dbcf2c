"""The opportunity's decider: captured, routed, accepted, followed up, staged, valued, won or lost, reopened."""

from datetime import datetime, timedelta
from decimal import Decimal

import msgspec
from msgspec import Struct

from events.envelope import Envelope, Event
from events.opportunity import (
    FollowUpMissed,
    OpportunityAccepted,
    OpportunityCaptured,
    OpportunityFollowedUp,
    OpportunityImported,
    OpportunityLost,
    OpportunityReopened,
    OpportunityRouted,
    OpportunityStaged,
    OpportunityValued,
    OpportunityWon,
)
from events.personal import Clear
from models.domain.rules import OpportunityRules
from models.errors import Refused
from models.handling import Decider


class Interval(Struct, frozen=True):
    """A stage and from when until when it held; `until` is None while it lasts."""

    stage: str
    since: datetime
    until: datetime | None = None


class Opportunity(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An opportunity's state. `stage` is empty before capture, `won` or `lost` once closed.

    `due_at` is the follow-up clock; None where none runs, and always for imported history. `clock` is the
    event that set it, kept after it ran out until somebody follows up or the opportunity is closed.
    """

    opportunity_id: str = ""
    subject: str = ""
    stage: str = ""
    department: str = ""
    owner: str = ""
    value: Decimal | None = None
    currency: str = ""
    probability: float | None = None
    due_at: datetime | None = None
    clock: str = ""
    missed: int = 0
    why: str = ""
    intervals: tuple[Interval, ...] = ()

    @property
    def is_open(self) -> bool:
        """Captured and neither won nor lost."""
        return self.stage not in ("", *CLOSED)


FOLDED: frozenset[type[Event]] = frozenset({
    OpportunityCaptured, OpportunityImported, OpportunityRouted, OpportunityAccepted, OpportunityFollowedUp,
    FollowUpMissed, OpportunityStaged, OpportunityValued, OpportunityWon, OpportunityLost, OpportunityReopened,
})  # fmt: skip
"""The events that `evolve` knows; a board folds the same."""

CLOSED = ("won", "lost")
INITIAL = Opportunity()


class Command(Struct, frozen=True, kw_only=True):
    """Something asked of an opportunity at a moment."""

    opportunity_id: str
    now: datetime


class CaptureOpportunity(Command, frozen=True, kw_only=True):
    """Somebody heard that the customer may buy something."""

    subject: str
    value: Decimal | None = None
    currency: str = ""
    note: str | None = None
    captured_by: str | None = None


class RouteOpportunity(Command, frozen=True, kw_only=True):
    """Send it to the department the rules name, or to one a person names; or leave it where it is."""

    department: str | None = None
    unless_routed: bool = False


class AcceptOpportunity(Command, frozen=True, kw_only=True):
    """A person of the department takes it on."""

    owner: str


class FollowUpOpportunity(Command, frozen=True, kw_only=True):
    """The customer was called back; perhaps a next date was agreed."""

    next_due_at: datetime | None = None


class StageOpportunity(Command, frozen=True, kw_only=True):
    """Move it to another stage."""

    stage: str


class ValueOpportunity(Command, frozen=True, kw_only=True):
    """Say what it may bring."""

    value: Decimal
    currency: str = ""
    probability: float | None = None


class WinOpportunity(Command, frozen=True, kw_only=True):
    """The customer bought."""

    value: Decimal | None = None
    currency: str = ""


class LoseOpportunity(Command, frozen=True, kw_only=True):
    """The customer did not buy."""

    why: str


class ReopenOpportunity(Command, frozen=True, kw_only=True):
    """A closed one lives again."""

    stage: str | None = None


class CheckClocks(Command, frozen=True, kw_only=True):
    """Nothing but: did a clock run out before now?"""


def settle(state: Opportunity, now: datetime) -> list[tuple[Event, datetime]]:
    """The clocks that ran out by `now`, as events; they occurred when they were due."""
    if state.is_open and state.due_at is not None and state.due_at <= now:
        return [(FollowUpMissed(opportunity_id=state.opportunity_id, due_at=state.due_at), state.due_at)]
    return []


def decider(rules: OpportunityRules) -> Decider[Opportunity, Command]:
    """The pure functions of this module under a company's rules."""
    return Decider(INITIAL, evolve, lambda state, command: decide(state, command, rules), settle)


def decide(state: Opportunity, command: Command, rules: OpportunityRules) -> list[Event]:
    """What follows from a command; a repeat is agreement and adds nothing. Raises `Refused`."""
    match command:
        case CaptureOpportunity() if not state.stage:
            return [_captured(command)]
        case CaptureOpportunity(subject=subject) if state.subject == subject:
            return []
        case CaptureOpportunity():
            raise Refused("opportunity.exists", "another opportunity was captured under this id")
        case _ if not state.stage:
            raise Refused("opportunity.unknown", "no opportunity has this id")
        case CheckClocks():
            return []
        case ReopenOpportunity(stage=stage):
            return [] if state.is_open else [_reopened(command, stage or rules.stages[0], rules)]
        case WinOpportunity(value=value, currency=currency) if state.stage != "lost":
            won = OpportunityWon(opportunity_id=command.opportunity_id, value=value, currency=currency)
            return [] if state.stage == "won" else [won]
        case LoseOpportunity(why=why) if state.stage != "won":
            lost = OpportunityLost(opportunity_id=command.opportunity_id, why=why)
            return [] if state.stage == "lost" else [lost]
        case _ if not state.is_open:
            raise Refused("opportunity.closed", f"it is {state.stage}: reopen it first")
    return _while_open(state, command, rules)


def _while_open(state: Opportunity, command: Command, rules: OpportunityRules) -> list[Event]:
    one = command.opportunity_id
    match command:
        case RouteOpportunity(unless_routed=True) if state.department:
            return []
        case RouteOpportunity(department=wanted):
            department, rule = route(state.subject, rules) if wanted is None else (wanted, "person")
            due_at = command.now + timedelta(hours=rules.follow_up_hours)
            routed = OpportunityRouted(
                opportunity_id=one, department=department, rule=rule, follow_up_due_at=due_at
            )
            return [] if state.department == department else [routed]
        case AcceptOpportunity(owner=owner):
            return [] if state.owner == owner else [OpportunityAccepted(opportunity_id=one, owner=owner)]
        case FollowUpOpportunity(next_due_at=due_at):
            if due_at is not None and due_at <= command.now:
                raise Refused("opportunity.due_in_the_past", "the next follow-up must lie ahead")
            return [OpportunityFollowedUp(opportunity_id=one, next_due_at=due_at)]
        case StageOpportunity(stage=stage):
            if stage not in rules.stages:
                raise Refused("opportunity.no_such_stage", f"the stages are {', '.join(rules.stages)}")
            return [] if state.stage == stage else [OpportunityStaged(opportunity_id=one, stage=stage)]
        case ValueOpportunity(value=value, currency=currency, probability=probability):
            valued = OpportunityValued(
                opportunity_id=one, value=value, currency=currency, probability=probability
            )
            same = (state.value, state.currency, state.probability) == (value, currency, probability)
            return [] if same else [valued]
    raise Refused("opportunity.no_such_command", f"{type(command).__name__} is not known here")


def evolve(state: Opportunity, envelope: Envelope) -> Opportunity:
    """The state after an event. Total: what does not fit leaves it as it was."""
    replace, at, event = msgspec.structs.replace, envelope.occurred_at, envelope.event
    match event:
        case OpportunityCaptured():
            state = Opportunity(
                opportunity_id=event.opportunity_id, subject=event.subject, value=event.value,
                currency=event.currency,
            )  # fmt: skip
            return _enter(state, "captured", at)
        case OpportunityImported():
            state = Opportunity(
                opportunity_id=event.opportunity_id, subject=event.subject, value=event.value,
                currency=event.currency, department=event.department or "", why=event.why or "",
            )  # fmt: skip
            return _enter(state, event.closed or event.stage or "captured", at)
        case OpportunityRouted():
            return _clock(replace(state, department=event.department), envelope, event.follow_up_due_at)
        case OpportunityAccepted(owner=owner):
            return replace(state, owner=owner)
        case OpportunityFollowedUp(next_due_at=due_at):
            return _clock(state, envelope, due_at)
        case FollowUpMissed():
            return replace(state, due_at=None, missed=state.missed + 1)
        case OpportunityStaged(stage=stage):
            return _enter(state, stage, at)
        case OpportunityValued():
            return replace(state, value=event.value, currency=event.currency, probability=event.probability)
        case OpportunityWon():
            value, currency = (
                (state.value, state.currency) if event.value is None else (event.value, event.currency)
            )
            return _enter(replace(state, value=value, currency=currency, due_at=None, clock=""), "won", at)
        case OpportunityLost(why=why):
            return _enter(replace(state, why=why, due_at=None, clock=""), "lost", at)
        case OpportunityReopened(stage=stage):
            return _enter(replace(state, why=""), stage, at)
    return state


def route(subject: str, rules: OpportunityRules) -> tuple[str, str]:
    """The department for a subject, and the rule that says so."""
    fitting = [one for one in rules.routes if subject.startswith(one.subject)]
    if not fitting:
        return rules.default_department, "default"
    best = max(fitting, key=lambda one: len(one.subject))
    return best.department, f"subject.{best.subject}"


def _captured(command: CaptureOpportunity) -> OpportunityCaptured:
    return OpportunityCaptured(
        opportunity_id=command.opportunity_id, subject=command.subject, value=command.value,
        currency=command.currency, note=Clear(command.note) if command.note else None,
        captured_by=command.captured_by,
    )  # fmt: skip


def _reopened(command: ReopenOpportunity, stage: str, rules: OpportunityRules) -> OpportunityReopened:
    if stage not in rules.stages:
        raise Refused("opportunity.no_such_stage", f"the stages are {', '.join(rules.stages)}")
    return OpportunityReopened(opportunity_id=command.opportunity_id, stage=stage)


def _enter(state: Opportunity, stage: str, at: datetime) -> Opportunity:
    """Close the interval that lasts and open the next."""
    past = state.intervals
    if past and past[-1].until is None:
        past = (*past[:-1], msgspec.structs.replace(past[-1], until=at))
    return msgspec.structs.replace(state, stage=stage, intervals=(*past, Interval(stage, at)))


def _clock(state: Opportunity, envelope: Envelope, due_at: datetime | None) -> Opportunity:
    """Set the follow-up clock; only a live event starts one, so history never runs out."""
    live = due_at if envelope.origin == "live" else None
    return msgspec.structs.replace(state, due_at=live, clock=envelope.event_id if live else "")

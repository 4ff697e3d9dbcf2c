"""The opportunity: what may be asked of it, what follows, and its follow-up clock."""

from datetime import timedelta
from decimal import Decimal

import pytest

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
from events.touch import TouchRecorded
from models.domain import opportunity
from models.domain.opportunity import (
    AcceptOpportunity,
    CaptureOpportunity,
    CheckClocks,
    FollowUpOpportunity,
    Interval,
    LoseOpportunity,
    ReopenOpportunity,
    RouteOpportunity,
    StageOpportunity,
    ValueOpportunity,
    WinOpportunity,
    route,
)
from models.domain.rules import OpportunityRules, Route
from models.policies.opportunity import RouteCaptured
from tests.support.clock import MONDAY
from tests.support.spec import Spec, happened

RULES = OpportunityRules(
    routes=(
        Route(subject="leased_line", department="corporate"),
        Route(subject="leased_line.fibre", department="fibre"),
    ),
)
IN_4_HOURS = MONDAY + timedelta(hours=4)
CAPTURED = OpportunityCaptured(opportunity_id="o", subject="leased_line")
ROUTED = OpportunityRouted(
    opportunity_id="o", department="corporate", rule="subject.leased_line", follow_up_due_at=IN_4_HOURS
)
WON = OpportunityWon(opportunity_id="o")
LOST = OpportunityLost(opportunity_id="o", why="price")
IMPORTED = OpportunityImported(opportunity_id="o", subject="loan", stage="proposal")
MISSED = FollowUpMissed(opportunity_id="o", due_at=IN_4_HOURS)


@pytest.fixture
def spec():
    return Spec(opportunity.decider(RULES))


def ask(command, at=MONDAY, **fields):
    return command(opportunity_id="o", now=at, **fields)


def at(hours):
    return MONDAY + timedelta(hours=hours)


def test_what_somebody_heard_is_captured(spec):
    spec.when(ask(CaptureOpportunity, subject="leased_line", note="wants fibre", captured_by="a-17")).then(
        OpportunityCaptured(
            opportunity_id="o", subject="leased_line", note=Clear("wants fibre"), captured_by="a-17"
        )
    )


def test_capturing_it_again_is_agreement_and_another_under_its_id_is_refused(spec):
    spec.given(CAPTURED)
    spec.when(ask(CaptureOpportunity, subject="leased_line")).then_nothing()
    spec.when(ask(CaptureOpportunity, subject="loan")).then_refused("opportunity.exists")


@pytest.mark.parametrize(
    "command",
    [ask(RouteOpportunity), ask(AcceptOpportunity, owner="bo"), ask(FollowUpOpportunity), ask(CheckClocks),
     ask(StageOpportunity, stage="proposal"), ask(ValueOpportunity, value=Decimal(1)), ask(WinOpportunity),
     ask(LoseOpportunity, why="price"), ask(ReopenOpportunity)],
    ids=lambda command: type(command).__name__,
)  # fmt: skip
def test_nothing_can_be_done_with_one_that_nobody_captured(spec, command):
    spec.when(command).then_refused("opportunity.unknown")


def test_it_is_routed_by_its_subject_and_its_follow_up_clock_begins(spec):
    spec.given(CAPTURED).when(ask(RouteOpportunity)).then(ROUTED)
    assert spec.state.due_at == IN_4_HOURS


@pytest.mark.parametrize(
    ("subject", "department"),
    [
        ("leased_line", ("corporate", "subject.leased_line")),
        ("leased_line.fibre.10g", ("fibre", "subject.leased_line.fibre")),
        ("loan", ("sales", "default")),
    ],
)
def test_the_longest_beginning_of_a_subject_names_the_department(subject, department):
    assert route(subject, RULES) == department


def test_a_person_may_send_it_elsewhere_and_the_clock_begins_anew(spec):
    spec.given(CAPTURED, ROUTED).when(ask(RouteOpportunity, at(1), department="fibre")).then(
        OpportunityRouted(opportunity_id="o", department="fibre", rule="person", follow_up_due_at=at(5))
    )
    assert spec.state.due_at == at(5)


def test_what_a_person_routed_is_left_where_it_is_by_one_who_only_routes_what_is_not(spec):
    by_hand = OpportunityRouted(opportunity_id="o", department="fibre", rule="person", follow_up_due_at=at(5))
    spec.given(CAPTURED, by_hand).when(ask(RouteOpportunity, at(1), unless_routed=True)).then_nothing()
    unrouted = Spec(opportunity.decider(RULES)).given(CAPTURED)
    unrouted.when(ask(RouteOpportunity, unless_routed=True)).then(ROUTED)


def test_repeats_agree(spec):
    spec.given(
        CAPTURED, ROUTED, OpportunityAccepted(opportunity_id="o", owner="bo"),
        OpportunityStaged(opportunity_id="o", stage="proposal"),
        OpportunityValued(opportunity_id="o", value=Decimal(9), currency="EUR", probability=0.5),
    )  # fmt: skip
    spec.when(ask(RouteOpportunity)).then_nothing()
    spec.when(ask(AcceptOpportunity, owner="bo")).then_nothing()
    spec.when(ask(StageOpportunity, stage="proposal")).then_nothing()
    spec.when(ask(ValueOpportunity, value=Decimal(9), currency="EUR", probability=0.5)).then_nothing()
    spec.when(ask(ReopenOpportunity)).then_nothing()
    spec.given(WON).when(ask(WinOpportunity, value=Decimal(10))).then_nothing()


def test_losing_it_twice_is_recorded_once(spec):
    spec.given(CAPTURED).when(ask(LoseOpportunity, why="price")).then(LOST)
    spec.when(ask(LoseOpportunity, why="timing")).then_nothing()


def test_the_same_request_twice_is_recorded_once_though_it_would_be_new_again(spec):
    spec.given(CAPTURED, ROUTED)
    followed = OpportunityFollowedUp(opportunity_id="o")
    spec.when(ask(FollowUpOpportunity), source_id="key-1").then(followed)
    spec.when(ask(FollowUpOpportunity), source_id="key-1").then_nothing()
    spec.when(ask(FollowUpOpportunity), source_id="key-2").then(followed)


def test_a_stage_that_the_company_does_not_have_is_refused(spec):
    spec.given(CAPTURED)
    spec.when(ask(StageOpportunity, stage="daydream")).then_refused("opportunity.no_such_stage")
    spec.when(ask(StageOpportunity, stage="won")).then_refused("opportunity.no_such_stage")
    spec.given(LOST).when(ask(ReopenOpportunity, stage="daydream")).then_refused("opportunity.no_such_stage")


def test_the_next_follow_up_must_lie_ahead(spec):
    spec.given(CAPTURED, ROUTED)
    spec.when(ask(FollowUpOpportunity, next_due_at=MONDAY)).then_refused("opportunity.due_in_the_past")


@pytest.mark.parametrize(
    "command",
    [ask(RouteOpportunity), ask(AcceptOpportunity, owner="bo"), ask(FollowUpOpportunity),
     ask(StageOpportunity, stage="proposal"), ask(ValueOpportunity, value=Decimal(1))],
    ids=lambda command: type(command).__name__,
)  # fmt: skip
def test_a_closed_one_must_be_reopened_first(spec, command):
    spec.given(CAPTURED, WON).when(command).then_refused("opportunity.closed")


def test_won_is_not_lost_and_lost_is_not_won(spec):
    spec.given(CAPTURED, WON).when(ask(LoseOpportunity, why="price")).then_refused("opportunity.closed")
    other = Spec(opportunity.decider(RULES)).given(CAPTURED, LOST)
    other.when(ask(WinOpportunity)).then_refused("opportunity.closed")


def test_a_reopened_one_lives_again_in_a_stage(spec):
    spec.given(CAPTURED, LOST).when(ask(ReopenOpportunity)).then(
        OpportunityReopened(opportunity_id="o", stage="captured")
    )
    spec.when(ask(WinOpportunity, value=Decimal(5), currency="EUR")).then(
        OpportunityWon(opportunity_id="o", value=Decimal(5), currency="EUR")
    )
    assert (spec.state.stage, spec.state.value, spec.state.why) == ("won", Decimal(5), "")


def test_a_missed_follow_up_is_recorded_at_the_moment_it_was_due(spec):
    spec.given(CAPTURED, ROUTED).when(ask(CheckClocks, at(6))).then(MISSED)
    assert spec.envelopes[-1].occurred_at == IN_4_HOURS


def test_a_clock_runs_out_at_its_instant_not_before(spec):
    spec.given(CAPTURED, ROUTED)
    spec.when(ask(CheckClocks, IN_4_HOURS - timedelta(microseconds=1))).then_nothing()
    spec.when(ask(CheckClocks, IN_4_HOURS)).then(MISSED)


def test_it_is_missed_once_whoever_comes_first(spec):
    """A command settles the clock itself; the sweep that comes later finds nothing to do."""
    spec.given(CAPTURED, ROUTED)
    spec.when(ask(AcceptOpportunity, at(5), owner="bo")).then(
        MISSED, OpportunityAccepted(opportunity_id="o", owner="bo")
    )
    spec.when(ask(CheckClocks, at(6))).then_nothing()
    assert [one.occurred_at for one in spec.envelopes[-2:]] == [IN_4_HOURS, at(5)]
    assert (spec.state.missed, spec.state.due_at) == (1, None)


def test_following_up_too_late_is_a_miss_and_a_follow_up(spec):
    spec.given(CAPTURED, ROUTED).when(ask(FollowUpOpportunity, at(5), next_due_at=at(9))).then(
        MISSED, OpportunityFollowedUp(opportunity_id="o", next_due_at=at(9))
    )
    assert (spec.state.missed, spec.state.due_at) == (1, at(9))


def test_following_up_in_time_stops_the_clock_and_a_later_one_may_be_agreed(spec):
    spec.given(CAPTURED, ROUTED).when(ask(FollowUpOpportunity, at(3))).then(
        OpportunityFollowedUp(opportunity_id="o")
    )
    spec.when(ask(CheckClocks, at(100))).then_nothing()
    spec.when(ask(FollowUpOpportunity, at(101), next_due_at=at(102))).then(
        OpportunityFollowedUp(opportunity_id="o", next_due_at=at(102))
    )
    spec.when(ask(CheckClocks, at(103))).then(FollowUpMissed(opportunity_id="o", due_at=at(102)))


@pytest.mark.parametrize("closing", [WON, LOST])
def test_the_clock_of_a_closed_one_never_runs_out(spec, closing):
    spec.given(CAPTURED, ROUTED, closing).when(ask(CheckClocks, at(100))).then_nothing()


def test_imported_history_never_runs_out(spec):
    spec.given(CAPTURED, ROUTED, origin="import").when(ask(CheckClocks, at(10_000))).then_nothing()
    replayed = Spec(opportunity.decider(RULES)).given(CAPTURED, ROUTED, origin="replay")
    replayed.when(ask(CheckClocks, at(10_000))).then_nothing()


def test_a_live_command_on_imported_history_starts_a_clock(spec):
    spec.given(IMPORTED, origin="import", at=at(-9_000)).when(ask(RouteOpportunity)).then(
        OpportunityRouted(opportunity_id="o", department="sales", rule="default", follow_up_due_at=IN_4_HOURS)
    )
    spec.when(ask(CheckClocks, IN_4_HOURS)).then(MISSED)


def test_an_import_opens_in_its_stage_or_closed(spec):
    spec.given(IMPORTED, origin="import")
    assert spec.state.stage == "proposal"
    closed = OpportunityImported(opportunity_id="o", subject="loan", closed="lost", why="declined")
    other = Spec(opportunity.decider(RULES)).given(closed, origin="import", at=at(-1))
    assert (other.state.stage, other.state.why, other.state.is_open) == ("lost", "declined", False)
    other.when(ask(ReopenOpportunity, stage="proposal")).then(
        OpportunityReopened(opportunity_id="o", stage="proposal")
    )


def test_its_stages_are_told_as_intervals_without_gaps(spec):
    spec.given(CAPTURED)
    spec.when(ask(StageOpportunity, at(1), stage="proposal")).when(ask(WinOpportunity, at(2)))
    assert spec.state.intervals == (
        Interval("captured", MONDAY, at(1)), Interval("proposal", at(1), at(2)), Interval("won", at(2)),
    )  # fmt: skip


def test_nothing_happens_to_it_before_what_happened_last(spec):
    """The clock of one machine may lag behind that of another."""
    spec.given(CAPTURED, at=at(2)).when(ask(AcceptOpportunity, at(1), owner="bo"))
    assert spec.envelopes[-1].occurred_at == at(2)


def test_a_decision_belongs_to_the_customer_of_its_opening_event_whoever_decides(spec):
    spec.given(CAPTURED, customer="customer-1").when(ask(WinOpportunity))
    assert spec.envelopes[-1].customer == "customer-1"
    nobodys = Spec(opportunity.decider(RULES)).given(CAPTURED)
    nobodys.when(ask(WinOpportunity))
    assert nobodys.envelopes[-1].customer == ""


def test_an_event_of_another_kind_leaves_it_as_it_is(spec):
    state = spec.given(CAPTURED, ROUTED).state
    assert opportunity.evolve(state, happened(TouchRecorded(channel="voice"))) == state


def test_the_policy_routes_what_is_captured_as_of_when_it_was_recorded():
    (reaction,) = RouteCaptured().react(happened(CAPTURED, recorded_at=at(1)))
    assert (reaction.stream, reaction.command) == (
        "opportunity-o", ask(RouteOpportunity, at(1), unless_routed=True),
    )  # fmt: skip

"""Policies and the sweep: live events cause something, once; history causes nothing, ever."""

import asyncio
import threading
from datetime import timedelta

import pytest
from sqlalchemy import select, text

from events.topics import PARTITIONS
from infra.feeds import JOURNAL, Batch
from infra.policy_runner import PolicyRunner, begin
from infra.process.heart import Heart
from infra.projector import Fenced
from infra.workspace import open_workspace
from models.domain import opportunity
from models.domain.opportunity import (
    CaptureOpportunity,
    FollowUpOpportunity,
    LoseOpportunity,
    RouteOpportunity,
)
from models.errors import Conflict, Refused, Unavailable
from models.handling import handle
from models.policies.catalogue import POLICIES
from models.ports import By
from models.tables.readers import reader_position
from services.workers import loops
from tests.support.clock import MONDAY
from tests.support.folding import fold, react, rows, sweeper
from tests.support.sending import item, phone, purchase, send
from tests.support.viewing import recorded

WIRES = (
    "opportunity.captured",
    "opportunity.routed",
    "opportunity.follow_up_missed",
    "opportunity.followed_up",
)
CAPTURED, ROUTED, MISSED, FOLLOWED_UP = WIRES


def ask(workspace, command, source_id, customer=""):
    by = By(source="desk", source_id=source_id, actor="ann", customer=customer)
    decider = opportunity.decider(workspace.rules.opportunity)
    return handle(workspace.log, decider, f"opportunity-{command.opportunity_id}", command, by)


def capture(workspace, one="o", customer=""):
    ask(workspace, CaptureOpportunity(opportunity_id=one, subject="leased_line", now=workspace.clock.now()),
        f"capture {one}", customer)  # fmt: skip


def told(workspace, one="o"):
    return [envelope.type for envelope in workspace.journal.stream(f"opportunity-{one}")]


def runner(workspace):
    made = PolicyRunner(workspace.engine, workspace.log, [one() for one in POLICIES], workspace.rules)
    made.begin()
    return made


@pytest.fixture
def deployed(workspace):
    """The policies are at work already when something happens."""
    react(workspace)
    return workspace


@pytest.fixture
def sweep(deployed):
    """What the views know by now is looked through for clocks that ran out."""

    def run():
        fold(deployed)
        return sweeper(deployed).sweep(deployed.clock.now())

    return run


def test_what_is_captured_is_routed_by_rule_for_its_customer(deployed):
    (caller,) = send(deployed, item("1", phone()))
    capture(deployed, customer=caller.customer)
    react(deployed)
    captured, routed = deployed.journal.stream("opportunity-o")
    assert (routed.event.department, routed.event.rule) == ("corporate", "subject.leased_line")
    assert routed.event.follow_up_due_at == MONDAY + timedelta(hours=4)
    assert (routed.actor, routed.cause, routed.customer) == (
        "policy:opportunity", captured.event_id, caller.customer,
    )  # fmt: skip


def test_what_is_captured_before_the_first_worker_comes_is_routed_when_it_does(workspace):
    """Policies begin when the doors open, not when somebody first has time for them."""
    begin(workspace.engine)
    capture(workspace)
    react(workspace)
    assert told(workspace)[-1] == "opportunity.routed"


def test_the_same_event_delivered_again_routes_nothing_twice(deployed):
    capture(deployed)
    everything = recorded(deployed)
    for topic in ("one topic", "the same made anew", "and anew"):
        one = runner(deployed)
        for partition in (0, 1):
            one.claim(partition, topic)
            one.react([Batch(partition, topic, everything, 1)])
    assert told(deployed) == [CAPTURED, ROUTED]


def test_a_policy_that_stopped_before_it_noted_its_position_routes_nothing_twice(deployed):
    """It acted, and died: its successor meets the event again, and the journal knows its cause."""
    capture(deployed)
    (captured,) = recorded(deployed)
    one = runner(deployed)
    one.claim(0, JOURNAL)
    for policy in POLICIES:
        one._act(policy(), captured)
    react(deployed)
    assert told(deployed) == [CAPTURED, ROUTED]


class Moving:
    """The journal as one sees it whom others are always quicker than, on one opportunity."""

    def __init__(self, log, one):
        self._log, self._one = log, one

    def stream(self, name):
        return self._log.stream(name)

    def record(self, by, writes):
        if any(write.stream == f"opportunity-{self._one}" for write in writes):
            raise Conflict("the stream has moved on")
        return self._log.record(by, writes)


def test_a_reaction_to_what_keeps_moving_is_waited_with_and_not_lost(deployed):
    capture(deployed, "moving")
    capture(deployed, "at rest")
    everything, policies = recorded(deployed), [one() for one in POLICIES]
    batch = Batch(0, JOURNAL, everything, everything[-1].position)
    hurried = PolicyRunner(deployed.engine, Moving(deployed.log, "moving"), policies, deployed.rules)
    hurried.claim(0, JOURNAL)
    with pytest.raises(Unavailable, match="opportunity-moving"):
        hurried.react([batch])
    assert (told(deployed, "moving"), told(deployed, "at rest")) == ([CAPTURED], [CAPTURED])
    runner(deployed).react([batch])
    assert told(deployed, "moving") == told(deployed, "at rest") == [CAPTURED, ROUTED]


def all_partitions(one, topic):
    """Claims as one worker makes them that has the topic to itself."""
    return {partition: one.claim(partition, topic) for partition in range(PARTITIONS)}


def positions(workspace):
    where = (reader_position.c.reader == "policies", reader_position.c.partition >= 0)
    with workspace.engine.connect() as connection:
        found = connection.execute(select(reader_position).where(*where)).all()
    return {row.partition: row.position for row in found}


def test_what_a_lagging_partition_had_not_done_is_done_when_the_journal_is_read_instead(deployed):
    capture(deployed, "lagging")
    capture(deployed, "ahead")
    one, (_, ahead) = runner(deployed), recorded(deployed)
    all_partitions(one, "topic")
    one.react([Batch(0, "topic", [ahead], 1)])
    assert (told(deployed, "lagging"), told(deployed, "ahead")) == ([CAPTURED], [CAPTURED, ROUTED])
    react(deployed)
    assert told(deployed, "lagging") == [CAPTURED, ROUTED]
    assert told(deployed, "ahead") == [CAPTURED, ROUTED]


def test_what_the_journal_had_not_told_yet_is_done_when_kafka_is_read_instead_and_back(deployed):
    react(deployed)
    for number, topic in enumerate(("topic", "topic made anew", "topic")):
        capture(deployed, f"before {number}")
        react(deployed)
        capture(deployed, f"after {number}")
        one, last = runner(deployed), recorded(deployed)[-1]
        all_partitions(one, topic)
        one.react([Batch(5, topic, [last], 1)])
        assert told(deployed, f"before {number}") == told(deployed, f"after {number}") == [CAPTURED, ROUTED]


def test_a_partition_not_read_before_begins_where_all_of_the_former_feed_was_done(deployed):
    for number in range(2 * PARTITIONS):
        capture(deployed, f"o{number}")
    one, everything = runner(deployed), recorded(deployed)
    all_partitions(one, "topic")
    for number in range(PARTITIONS):
        one.react([Batch(number, "topic", [everything[PARTITIONS + number]], 1)])
    one.claim(0, "made anew")
    lowest = everything[PARTITIONS].position
    assert positions(deployed)[0] == lowest
    one.claim(
        0, JOURNAL
    )  # of the new topic one partition alone was claimed: nothing says how far the rest is
    assert one.claim(0, JOURNAL) == positions(deployed)[0] == lowest


def test_kafka_read_again_goes_on_at_its_offsets_and_beyond_what_the_journal_did(deployed):
    one = runner(deployed)
    all_partitions(one, "topic")
    one.react([Batch(7, "topic", [], 42)])
    capture(deployed)
    react(deployed)
    captured = recorded(deployed)[0]
    assert all_partitions(runner(deployed), "topic")[7] == 42
    assert min(positions(deployed).values()) >= captured.position


def test_a_person_who_routed_is_not_overruled_when_another_feed_repeats_what_was_captured(deployed):
    capture(deployed)
    for number, department in enumerate(("corporate", "fibre")):  # the first is what the rules say too
        command = RouteOpportunity(opportunity_id="o", now=deployed.clock.now(), department=department)
        ask(deployed, command, f"by hand {number}")
        react(deployed)
    before, one = told(deployed), runner(deployed)
    all_partitions(one, "topic")
    with deployed.engine.begin() as connection:  # as if all had to come again
        connection.execute(text("UPDATE reader_position SET position = 0"))
    one.react([Batch(0, "topic", recorded(deployed), 1)])
    assert told(deployed) == before == [CAPTURED, ROUTED, ROUTED]


def test_a_worker_still_reading_the_former_feed_moves_nothing(deployed):
    capture(deployed)
    former, everything = runner(deployed), recorded(deployed)
    former.claim(0, JOURNAL)
    all_partitions(runner(deployed), "topic")
    before = positions(deployed)
    with pytest.raises(Fenced):
        former.react([Batch(0, JOURNAL, everything, everything[-1].position)])
    assert (positions(deployed), told(deployed)) == (before, [CAPTURED])


def test_a_policy_deployed_for_the_first_time_begins_at_the_head(workspace):
    capture(workspace, "before")
    react(workspace)
    capture(workspace, "after")
    react(workspace)
    assert (told(workspace, "before"), told(workspace, "after")) == ([CAPTURED], [CAPTURED, ROUTED])


def test_the_live_loop_routes_what_is_captured_while_it_runs(deployed):
    async def until_routed() -> None:
        loop = asyncio.create_task(loops.react(deployed, Heart()))
        capture(deployed)
        while told(deployed) != [CAPTURED, ROUTED]:
            await asyncio.sleep(0.01)
        loop.cancel()

    asyncio.run(asyncio.wait_for(until_routed(), 30))


def test_imported_history_fires_no_policy_clock_or_message_ever(deployed, sweep, clock):
    long_ago = MONDAY - timedelta(days=900)
    send(
        deployed, purchase("1", phone(), at=long_ago),
        item("2", phone(), type="opportunity.imported", origin="import", at=long_ago, opportunity_id="open",
             subject="leased_line"),
        item("3", phone(), type="opportunity.imported", origin="import", at=long_ago, opportunity_id="won",
             subject="loan", closed="won"),
        item("4", phone(), type="holding.cancel_requested", origin="import", at=long_ago),
        item("5", phone(), origin="import", at=long_ago, channel="voice", signals=["leaving"]),
    )  # fmt: skip
    before = deployed.journal.head()
    for _ in range(3):
        react(deployed)
        assert sweep() == 0
        clock.pass_time(days=400)
    assert deployed.journal.head() == before


def test_a_decision_replayed_as_of_a_past_moment_causes_nothing(deployed, sweep):
    by = By(source="run", source_id="1", actor="ann", origin="replay")
    then = MONDAY - timedelta(days=30)
    command = CaptureOpportunity(opportunity_id="o", subject="leased_line", now=then)
    handle(deployed.log, opportunity.decider(deployed.rules.opportunity), "opportunity-o", command, by)
    react(deployed)
    assert (told(deployed), sweep()) == ([CAPTURED], 0)


@pytest.fixture
def two_due(deployed, clock):
    """Two opportunities whose follow-ups are overdue; the first one's row is swept first."""
    capture(deployed, "first")
    react(deployed)
    clock.pass_time(minutes=1)
    capture(deployed, "second")
    react(deployed)
    fold(deployed)
    clock.pass_time(hours=5)
    return deployed


def test_a_row_of_something_that_never_was_does_not_keep_the_others_waiting(two_due, clock):
    with two_due.engine.begin() as connection:
        connection.execute(text("UPDATE pipeline SET key = 'a ghost' WHERE key = 'first'"))
    sweeper(two_due).sweep(clock.now())
    assert (told(two_due, "first"), told(two_due, "second")) == (
        [CAPTURED, ROUTED],
        [CAPTURED, ROUTED, MISSED],
    )


def test_one_that_keeps_moving_does_not_keep_the_others_waiting(two_due, clock):
    sweeper(two_due, Moving(two_due.log, "first")).sweep(clock.now())
    assert (told(two_due, "first"), told(two_due, "second")) == (
        [CAPTURED, ROUTED],
        [CAPTURED, ROUTED, MISSED],
    )
    sweeper(two_due).sweep(clock.now())
    assert told(two_due, "first") == [CAPTURED, ROUTED, MISSED]


def test_a_follow_up_that_nobody_made_is_missed_once(deployed, sweep, clock):
    (caller,) = send(deployed, item("1", phone()))
    capture(deployed, customer=caller.customer)
    react(deployed)
    clock.pass_time(hours=4, microseconds=-1)
    assert sweep() == 0
    clock.pass_time(microseconds=1)
    assert sweep() == 1
    for _ in range(3):
        assert sweep() == 0
        clock.pass_time(days=1)
    *_, routed, missed = deployed.journal.stream("opportunity-o")
    assert told(deployed) == [CAPTURED, ROUTED, MISSED]
    assert missed.occurred_at == missed.event.due_at == MONDAY + timedelta(hours=4)
    assert (missed.source, missed.source_id) == ("sweep:opportunity", f"{routed.event_id}:missed")
    assert (missed.cause, missed.customer) == (routed.event_id, caller.customer)
    assert rows(deployed, "pipeline")["o"].missed == 1


def test_a_sweep_that_looks_at_views_from_before_the_miss_records_nothing_twice(deployed, sweep, clock):
    capture(deployed)
    react(deployed)
    fold(deployed)
    clock.pass_time(hours=5)
    sweeping = sweeper(deployed)
    assert [sweeping.sweep(clock.now()) for _ in range(3)] == [1, 1, 1]  # found, as the views still say so
    assert told(deployed) == [CAPTURED, ROUTED, MISSED]


def test_a_command_that_comes_first_records_the_miss_itself(deployed, sweep, clock):
    capture(deployed)
    react(deployed)
    fold(deployed)
    clock.pass_time(hours=5)
    ask(deployed, FollowUpOpportunity(opportunity_id="o", now=clock.now()), "called back")
    sweeper(deployed).sweep(clock.now())
    assert told(deployed) == [CAPTURED, ROUTED, MISSED, FOLLOWED_UP]


def test_a_clock_survives_that_everything_is_started_anew(deployed, clock):
    capture(deployed)
    react(deployed)
    fold(deployed)
    clock.pass_time(hours=5)
    anew = open_workspace(deployed.settings, clock)
    assert sweeper(anew).sweep(clock.now()) == 1
    anew.close()
    assert told(deployed) == [CAPTURED, ROUTED, MISSED]


def test_two_sweepers_and_two_commands_at_once_record_each_miss_once(deployed, clock):
    many = [f"o{number}" for number in range(8)]
    for one in many:
        capture(deployed, one)
    react(deployed)
    fold(deployed)
    clock.pass_time(hours=5)
    now, others = clock.now(), [open_workspace(deployed.settings, clock) for _ in range(2)]
    start, failed = threading.Barrier(4), []

    def at_once(act) -> None:
        start.wait()
        try:
            act()
        except Exception as error:
            failed.append(error)

    def sweep_with(workspace):
        return lambda: sweeper(workspace).sweep(now)

    def lose_with(workspace, name):
        return lambda: [
            ask(workspace, LoseOpportunity(opportunity_id=one, now=now, why="price"), f"{name} {one}")
            for one in many
        ]

    acts = [*(sweep_with(one) for one in others), *(lose_with(one, n) for n, one in enumerate(others))]
    threads = [threading.Thread(target=at_once, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for one in others:
        one.close()
    assert failed == []
    for one in many:
        assert told(deployed, one) == [CAPTURED, ROUTED, MISSED, "opportunity.lost"]


def test_a_closed_opportunity_is_swept_no_more(deployed, sweep, clock):
    capture(deployed)
    react(deployed)
    ask(deployed, LoseOpportunity(opportunity_id="o", now=clock.now(), why="price"), "lost")
    clock.pass_time(days=1)
    assert sweep() == 0


def test_a_live_command_on_imported_history_starts_a_clock_that_is_swept(deployed, sweep, clock):
    told_then = {"type": "opportunity.imported", "origin": "import", "subject": "loan", "opportunity_id": "o"}
    send(deployed, item("1", phone(), at=MONDAY - timedelta(days=90), **told_then))
    due = clock.now() + timedelta(hours=1)
    ask(deployed, FollowUpOpportunity(opportunity_id="o", now=clock.now(), next_due_at=due), "promised")
    clock.pass_time(hours=2)
    assert sweep() == 1
    assert told(deployed) == ["opportunity.imported", FOLLOWED_UP, MISSED]


def test_an_id_that_was_used_for_another_request_is_refused_not_swallowed(deployed):
    capture(deployed, "one")
    capture(deployed, "two")
    ask(deployed, LoseOpportunity(opportunity_id="one", now=MONDAY, why="price"), "key")
    with pytest.raises(Refused, match="id_used_before"):
        ask(deployed, LoseOpportunity(opportunity_id="two", now=MONDAY, why="price"), "key")
    assert told(deployed, "two") == [CAPTURED]

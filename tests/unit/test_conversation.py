"""One contact out of its parts: whatever order they come in, and however often."""

from datetime import timedelta
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.contact import (
    ContactAnswered,
    ContactCallbackAsked,
    ContactEnded,
    ContactHeld,
    ContactLeftQueue,
    ContactQueued,
    ContactRang,
    ContactStarted,
    ContactTransferred,
    ContactWrappedUp,
)
from events.touch import TouchRecorded
from models.domain.conversation import counts, of
from tests.support.clock import MONDAY
from tests.support.spec import happened

_numbers = count()


def part(event, seconds):
    """Something said of the contact, so many seconds after its start."""
    return happened(event, MONDAY + timedelta(seconds=seconds), f"event {next(_numbers):04}", customer="c")


def call(**more):
    return part(ContactStarted(contact_id="c", channel="voice", **{"direction": "inbound"} | more), 0)


def queued(seconds, queue="billing"):
    return part(ContactQueued(contact_id="c", queue=queue), seconds)


def answered(seconds, agent="ann", **more):
    return part(ContactAnswered(contact_id="c", agent=agent, **more), seconds)


def ended(seconds, **more):
    return part(ContactEnded(contact_id="c", **more), seconds)


TRANSFERRED = [
    call(), queued(5), part(ContactRang(contact_id="c", agent="ann", seconds=4), 25), answered(30),
    part(ContactHeld(contact_id="c", seconds=20), 90),
    part(ContactTransferred(contact_id="c", to_queue="experts"), 100), queued(100, "experts"),
    answered(115, "bob"), ended(175, outcome="resolved"),
    part(ContactWrappedUp(contact_id="c", reason="billing.dispute", confirmed=True, seconds=12), 190),
]  # fmt: skip


def rings(seconds, agent="ann"):
    """It begins to ring; how long, its switch does not say."""
    return part(ContactRang(contact_id="c", agent=agent), seconds)


def told(*parts):
    return of(parts)["c"]


def test_a_transferred_call_is_one_contact_with_two_legs():
    contact = told(*TRANSFERRED)
    first, second = contact.legs
    assert (first.queue, first.agent, first.ended) == ("billing", "ann", "transferred")
    assert (first.wait, first.ring, first.talk, first.hold) == (25, 4, 50, 20)
    assert (second.queue, second.agent, second.ended) == ("experts", "bob", "hung_up")
    assert (second.wait, second.talk, second.wrap_up) == (15, 60, 12)
    assert (contact.seconds("wait"), contact.seconds("talk"), contact.seconds("wrap_up")) == (40, 110, 12)
    assert (contact.reason, contact.outcome, contact.confirmed) == ("billing.dispute", "resolved", True)
    assert contact.answered
    assert counts(contact)


@given(st.permutations(TRANSFERRED), st.lists(st.sampled_from(TRANSFERRED), max_size=4))
def test_the_order_and_the_repeats_of_call_backs_do_not_matter(parts, repeats):
    assert told(*parts, *repeats) == told(*TRANSFERRED)


def test_an_abandoned_call_waited_and_was_never_talked():
    contact = told(call(), queued(5), ended(47, outcome="abandoned"))
    [leg] = contact.legs
    assert (leg.wait, leg.talk, leg.ended, contact.answered) == (42, 0, "abandoned", False)


def test_what_the_switch_counted_itself_stands():
    contact = told(call(), queued(5), answered(30, wait_seconds=24.5), ended(175, talk_seconds=140.2))
    assert (contact.legs[0].wait, contact.legs[0].talk) == (24.5, 140.2)


def test_answered_straight_away_it_waited_only_while_it_rang():
    contact = told(call(), part(ContactRang(contact_id="c", seconds=6), 6), answered(6), ended(66))
    assert (contact.seconds("wait"), contact.seconds("talk")) == (6, 60)


def test_whoever_leaves_a_queue_for_another_waits_twice():
    left = part(ContactLeftQueue(contact_id="c", queue="billing", how="timeout", wait_seconds=60), 65)
    contact = told(call(), queued(5), left, queued(65, "overflow"), answered(75), ended(100))
    assert [(leg.queue, leg.wait, leg.ended) for leg in contact.legs] == [
        ("billing", 60, "timeout"), ("overflow", 10, "hung_up"),
    ]  # fmt: skip


def test_a_bot_before_the_person_is_a_leg_of_its_own():
    bot = part(ContactAnswered(contact_id="c", bot=True), 1)
    contact = told(
        call(), bot, part(ContactTransferred(contact_id="c", to_queue="billing"), 31), answered(41), ended(61)
    )
    assert [(leg.bot, leg.talk) for leg in contact.legs] == [(True, 30), (False, 20)]
    assert contact.answered


def test_started_twice_the_earliest_counts_and_wrapped_up_twice_the_last():
    again = part(ContactStarted(contact_id="c", channel="voice", direction="inbound"), 3)
    wraps = [
        part(ContactWrappedUp(contact_id="c", reason=reason, seconds=9), at)
        for at, reason in ((70, "a"), (80, "b"))
    ]
    contact = told(again, call(), answered(5), ended(65), *wraps)
    assert (contact.started_at, contact.reason, contact.seconds("wrap_up")) == (MONDAY, "b", 9)


def test_a_touch_that_tells_a_call_whole_is_one_leg():
    touch = TouchRecorded(
        channel="voice", direction="inbound", queue="billing", agent="ann", wait_seconds=12, talk_seconds=184,
        wrap_up_seconds=7, outcome="unresolved",
    )  # fmt: skip
    [contact] = of([part(touch, 0)]).values()
    [leg] = contact.legs
    assert (leg.wait, leg.talk, leg.wrap_up, leg.answered_at) == (12, 184, 7, MONDAY + timedelta(seconds=12))


def test_a_page_view_is_no_contact():
    assert of([part(TouchRecorded(channel="web"), 0)]) == {}


@pytest.mark.parametrize("outside", ["test", "phantom"])
def test_a_test_call_is_told_and_not_counted(outside):
    assert not counts(told(call(outside=outside)))


def test_a_call_back_that_was_asked_for_stands():
    asked = part(ContactCallbackAsked(contact_id="c", at=MONDAY + timedelta(hours=2)), 20)
    contact = told(call(), queued(5), asked)
    assert (contact.callback_asked, contact.callback_at) == (True, MONDAY + timedelta(hours=2))


def test_a_phone_that_begins_to_ring_rings_until_it_is_answered():
    [leg] = told(call(), queued(0), rings(20), answered(32), ended(92)).legs
    assert (leg.wait, leg.ring, leg.talk) == (32, 12, 60)


def test_one_phone_after_the_other_rings_and_each_counts():
    [leg] = told(call(), queued(0), rings(20), rings(35, "bob"), answered(40, "bob"), ended(50)).legs
    assert (leg.agent, leg.wait, leg.ring) == ("bob", 40, 20)


def test_who_hangs_up_while_it_rings_has_heard_it_ring():
    [leg] = told(call(), queued(0), rings(20), ended(26)).legs
    assert (leg.ended, leg.wait, leg.ring) == ("abandoned", 26, 6)


def test_from_a_bot_to_an_agent_the_ring_belongs_to_the_agents_leg():
    bot, agent = told(call(), answered(2, agent=None, bot=True), rings(40), answered(52), ended(243)).legs
    assert (bot.bot, bot.talk, bot.ring, bot.ended) == (True, 38, 0, "transferred")
    assert (agent.agent, agent.ring, agent.wait, agent.talk) == ("ann", 12, 12, 191)


def test_a_second_phone_that_rings_in_vain_ends_nobodys_talk():
    [leg] = told(call(), queued(0), answered(10), rings(30, "bob"), ended(70)).legs
    assert (leg.agent, leg.talk, leg.ring, leg.ended) == ("ann", 60, 0, "hung_up")


def stops(seconds, agent="ann"):
    """It rang, and nobody picked it up."""
    return part(ContactRang(contact_id="c", agent=agent, given_up=True), seconds)


def wrapped_up(at, **more):
    return part(ContactWrappedUp(contact_id="c", **more), at)


def message(seconds, direction, **more):
    touch = TouchRecorded(
        contact_id="c", channel="chat", direction=direction, text=more.pop("text", None), **more
    )
    return part(touch, seconds)


def test_who_began_it_gives_a_contact_its_direction_whoever_speaks_last():
    said = [message(1, "inbound"), message(9, "outbound", agent="ann"), message(20, "inbound")]
    assert told(*said).direction == "inbound"
    assert told(message(0, "outbound", agent="ann"), *said[:1]).direction == "outbound"
    begun = part(ContactStarted(contact_id="c", channel="chat", direction="inbound"), 5)
    assert told(message(1, "outbound"), begun, message(9, "outbound")).direction == "inbound"


def test_after_a_transfer_each_agent_keeps_their_own_wrap_up():
    """The first agent is still writing when the second one has the customer."""
    parts = [
        call(), answered(5), part(ContactTransferred(contact_id="c", to_agent="bob"), 15), answered(20, "bob"),
        wrapped_up(30, agent="ann", seconds=15, talk_seconds=9.5), ended(40),
        wrapped_up(60, agent="bob", seconds=20, talk_seconds=19),
    ]  # fmt: skip
    ann, bob = told(*parts).legs
    assert (ann.agent, ann.talk, ann.wrap_up) == ("ann", 9.5, 15)
    assert (bob.agent, bob.talk, bob.wrap_up) == ("bob", 19, 20)
    assert told(*reversed(parts)) == told(*parts)


def test_a_wrap_up_that_is_told_before_the_talk_ends_counts_all_the_same():
    [leg] = told(call(), answered(5), wrapped_up(40, agent="ann", seconds=3, talk_seconds=30), ended(60)).legs
    assert (leg.talk, leg.wrap_up) == (30, 3)


def test_a_customer_put_through_to_an_agent_who_was_asked_first_is_one_leg():
    through = part(ContactTransferred(contact_id="c", to_agent="bob"), 40)
    ann, bob = told(call(), answered(5), answered(30, "bob"), through, ended(90)).legs
    assert (ann.ended, bob.agent, bob.talk, bob.ended) == ("transferred", "bob", 60, "hung_up")


def test_who_hangs_up_while_an_agents_phone_rings_after_a_program_was_not_talked_to():
    contact = told(call(), answered(2, agent=None, bot=True), rings(10), stops(31), ended(31))
    bot, agent = contact.legs
    assert (bot.bot, bot.talk, bot.ended) == (True, 8, "transferred")
    assert (agent.ring, agent.wait, agent.talk, agent.ended) == (21, 21, 0, "abandoned")
    assert not contact.answered


def test_a_call_that_ends_before_a_person_answered_was_abandoned_whoever_says_nothing_of_it():
    bot = answered(2, agent=None, bot=True)
    assert told(call(), bot, rings(10), stops(31), ended(31)).outcome == "abandoned"
    assert told(call(), queued(5), ended(40)).outcome == "abandoned"
    assert told(call(), queued(5), ended(40, outcome="callback")).outcome == "callback"
    assert told(call(), queued(5)).outcome == "unknown"  # it waits still
    assert told(call(), bot, ended(31)).outcome == "unknown"  # the program may have been all that was wanted
    assert told(call(), answered(5), queued(20), ended(40)).outcome == "unknown"
    assert told(call(direction="outbound"), rings(2), ended(31)).outcome == "unknown"


def test_a_phone_that_stopped_ringing_rings_no_more():
    [leg] = told(
        call(), queued(0), rings(20), stops(35), rings(50, "bob"), answered(54, "bob"), ended(60)
    ).legs
    assert (leg.agent, leg.wait, leg.ring) == ("bob", 54, 19)
    [leg] = told(call(), queued(0), rings(20), rings(35, "bob"), stops(35), ended(40)).legs
    assert leg.ring == 20


def test_what_is_put_through_to_where_nobody_tells_of_it_is_over_and_leaves_no_leg():
    on = part(ContactTransferred(contact_id="c", to_agent="2040"), 60)
    contact = told(call(), queued(0), answered(10), on, ended(60))
    [leg] = contact.legs
    assert (leg.agent, leg.talk, leg.ended) == ("ann", 50, "transferred")
    assert contact.ended_at == MONDAY + timedelta(seconds=60)
    again = told(call(), queued(0), answered(10), on, ended(60), queued(61, "experts"))
    assert (again.ended_at, again.legs[-1].queue, again.legs[-1].ended) == (None, "experts", "")


def test_a_record_of_a_call_that_was_told_step_by_step_adds_no_leg():
    record = TouchRecorded(contact_id="c", channel="voice", direction="inbound", agent="ann")
    contact = told(part(record, 0), call(), queued(5), answered(30), ended(90))
    assert [(leg.queue, leg.wait, leg.talk) for leg in contact.legs] == [("billing", 25, 60)]


def test_an_agent_who_calls_out_has_the_contact_before_the_customer_answers():
    begun = [
        part(ContactStarted(contact_id="c", channel="voice", direction="outbound"), 0),
        part(ContactTransferred(contact_id="c", to_agent="ann"), 0),
        part(ContactTransferred(contact_id="c", to_agent="ann"), 1), rings(2, None),
    ]  # fmt: skip
    [leg] = told(*begun, answered(12, None), ended(72)).legs
    assert (leg.agent, leg.ring, leg.talk, leg.ended) == ("ann", 10, 60, "hung_up")
    [leg] = told(*begun, ended(30)).legs
    assert (leg.agent, leg.ring, leg.answered_at) == ("ann", 28, None)

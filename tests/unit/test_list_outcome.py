"""What came of contacting a member, out of their own events."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from events.campaign import AttemptAnswered, AttemptMade, EnrolmentStarted
from events.offer import PresentationAnswered, PresentationMade
from models.domain.list_outcome import Came, came_of
from models.domain.rules import ListRules
from tests.support.spec import happened

DAY = datetime(2026, 3, 2, tzinfo=UTC)
UNTIL = DAY + timedelta(days=90)
COSTS = ListRules(offer="gesture", contact_cost={"sms": Decimal("0.05")}).cost_of


def came(*events, on=1):
    history = [
        happened(event, DAY + timedelta(days=on, minutes=n), customer="c") for n, event in enumerate(events)
    ]
    return came_of(history, "list-1", UNTIL, "gesture", Decimal(4), COSTS)


def attempt(name="a", campaign="list-1", channel="sms"):
    return AttemptMade(attempt_id=name, channel=channel, campaign=campaign)


def shown(name="p", campaign="list-1", channel="voice"):
    return PresentationMade(
        presentation_id=name, offer="gesture", channel=channel, purpose="retention", campaign=campaign
    )


def answered(name="p", answer="accepted"):
    return PresentationAnswered(presentation_id=name, offer="gesture", answer=answer)


def test_two_tries_cost_two_contacts_and_an_accepted_offer_costs_the_offer():
    found = came(
        attempt("a"), attempt("b"), AttemptAnswered(attempt_id="b", outcome="reached"), shown(), answered()
    )
    assert found == Came(contacted=True, reached=True, accepted=True, spent=Decimal("4.10"))


def test_a_presentation_without_a_try_is_a_contact_of_its_own():
    assert came(shown(), answered(answer="declined")) == Came(
        contacted=True, reached=True, refused=True, spent=Decimal(3)
    )


def test_whom_a_try_did_not_reach_was_contacted_and_not_reached():
    assert came(attempt(), AttemptAnswered(attempt_id="a", outcome="no_answer")) == Came(
        contacted=True, spent=Decimal("0.05")
    )


def test_a_campaign_they_were_enrolled_in_for_the_list_counts_and_another_does_not():
    enrolled = EnrolmentStarted(enrolment_id="e", campaign="spring", list_id="list-1")
    assert came(enrolled, attempt(campaign="spring")).contacted
    assert came(attempt(campaign="spring")) == Came()
    other = EnrolmentStarted(enrolment_id="e", campaign="spring", list_id="list-2")
    assert (
        came(other, attempt(campaign="spring"), AttemptAnswered(attempt_id="a", outcome="refused")) == Came()
    )


def test_an_answer_to_the_offer_counts_where_nobody_told_of_the_presentation():
    assert came(attempt(), answered("unknown")) == Came(
        contacted=True, reached=True, accepted=True, spent=Decimal("4.05")
    )
    assert came(shown("p", campaign="spring"), answered("p")) == Came(), "that was another campaign's"


def test_what_comes_after_the_time_of_the_list_does_not_count():
    assert came(attempt(), on=90) == Came()


def test_who_accepted_once_has_accepted():
    found = came(shown("p"), answered("p", "declined"), shown("q"), answered("q", "accepted"))
    assert (found.accepted, found.refused) == (True, False)

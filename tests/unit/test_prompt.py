"""Which desks an event brings its contact to."""

from events.contact import ContactQueued, ContactRang, ContactTransferred
from events.touch import TouchRecorded
from models.domain.prompt import desks


def test_a_contact_comes_to_the_queue_it_waits_in_and_to_the_agent_whose_phone_rings():
    assert desks(ContactQueued(contact_id="c", queue="billing")) == ("billing",)
    assert desks(ContactRang(contact_id="c", agent="ann")) == ("ann",)
    assert desks(ContactTransferred(contact_id="c", to_queue="mobile", to_agent="bob")) == ("mobile", "bob")


def test_a_phone_that_stopped_ringing_and_a_page_view_come_to_nobody():
    assert desks(ContactRang(contact_id="c", agent="ann", given_up=True)) == ()
    assert desks(TouchRecorded(channel="web", agent="ann")) == ()

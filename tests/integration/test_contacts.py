"""Contacts from a real journal over HTTP: whose they are, how they went, and what people say of them."""

from datetime import timedelta

import pytest

from models.domain.conversation import Conversation
from tests.support.calling import caller, read
from tests.support.clock import MONDAY
from tests.support.folding import fold, rows
from tests.support.sending import account, item, phone, send
from tests.support.viewing import actual, expected, recorded


@pytest.fixture
def api(workspace):
    return caller(workspace)


def part(source_id, kind, seconds, *identifiers, contact="sw:1", **data):
    return item(
        source_id, *identifiers, type=f"contact.{kind}", at=MONDAY + timedelta(seconds=seconds - 600), source="sw",
        contact_id=contact, **data,
    )  # fmt: skip


QUEUE_LOG = [
    part("1", "started", 0, phone(), channel="voice", direction="inbound"),
    part("2", "queued", 0, queue="billing"),
    part("3", "answered", 30, agent="ann", wait_seconds=30),
    part("4", "ended", 90, talk_seconds=60),
]
"""Only the first line of a call says who calls."""


def right(workspace):
    envelopes = recorded(workspace)
    assert actual(workspace, envelopes) == expected(workspace, envelopes)


def post(api, url, **body):
    answer = api.post(url, json=body)
    assert answer.status_code in (200, 202), answer.text
    return answer.json()["recorded"]


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 2, 1, 0], [1, 2, 0, 3]], ids=str)
@pytest.mark.parametrize("together", [True, False], ids=["one batch", "one by one"])
def test_the_parts_that_name_nobody_are_of_whom_the_others_say(workspace, api, order, together):
    items = [QUEUE_LOG[at] for at in order]
    for some in [items] if together else [[one] for one in items]:
        send(workspace, *some)
        fold(workspace)
    [row] = rows(workspace, "contact").values()
    assert (row.seconds("wait"), row.seconds("talk"), row.legs[0].agent) == (30, 60, "ann")
    [customer] = rows(workspace, "customer_360")
    told = read(api, "/v1/contacts/sw:1")
    assert (told["customer"], told["seconds"]["talk"], len(told["thread"])) == (customer, 60, 4)
    right(workspace)


def test_a_caller_who_hides_has_a_contact_that_is_nobodys(workspace, api):
    send(workspace, part("1", "started", 0, channel="voice", direction="inbound"), *QUEUE_LOG[1:])
    fold(workspace)
    told = read(api, "/v1/contacts/sw:1")
    assert (told["customer"], told["seconds"]["wait"]) == ("", 30)


def test_the_agents_wrap_up_is_a_part_of_the_customers_contact(workspace, api):
    [started, *_] = send(workspace, *QUEUE_LOG)
    said = {"reason": "billing.dispute", "outcome": "resolved", "confirmed": True, "seconds": 25, "by": "ann"}
    assert post(api, "/v1/contacts/sw:1/wrap-up", **said) == ["contact.wrapped_up"]
    fold(workspace)
    [row] = rows(workspace, "contact").values()
    assert (row.reason, row.outcome, row.confirmed, row.seconds("wrap_up")) == (
        "billing.dispute",
        "resolved",
        True,
        25,
    )
    assert rows(workspace, "customer_360")[started.customer].contacts[0].reason == "billing.dispute"


def test_a_wrong_reason_is_put_right_everywhere(workspace, api):
    [started, *_] = send(workspace, *QUEUE_LOG)
    post(api, "/v1/contacts/sw:1/wrap-up", reason="billing.dispute", outcome="resolved")
    fold(workspace)
    workspace.clock.pass_time(minutes=1)
    assert post(api, "/v1/contacts/sw:1/correct", reason="roaming.price", by="sam") == ["touch.corrected"]
    fold(workspace)
    assert [row.reason for row in rows(workspace, "contact").values()] == ["roaming.price"]
    assert rows(workspace, "customer_360")[started.customer].contacts[0].reason == "roaming.price"
    assert read(api, "/v1/contacts/sw:1")["reason"] == "roaming.price"
    before = read(api, "/v1/contacts/sw:1", known_at=MONDAY.isoformat())
    assert before["reason"] == "billing.dispute"
    right(workspace)


def test_a_contact_that_was_anothers_moves_whole(workspace, api):
    [started, *_] = send(workspace, *QUEUE_LOG)
    [other] = send(workspace, item("o", account("7"), channel="chat"))
    fold(workspace)
    assert post(api, "/v1/contacts/sw:1/correct", customer=other.customer) == ["identity.assigned"]
    fold(workspace)
    view = rows(workspace, "customer_360")
    assert (view[other.customer].contacts_ever, view[started.customer].contacts_ever) == (2, 0)
    assert read(api, "/v1/contacts/sw:1")["customer"] == other.customer
    right(workspace)


def test_nobodys_contact_can_be_given_to_a_customer(workspace, api):
    send(workspace, part("1", "started", 0, channel="voice", direction="inbound"), *QUEUE_LOG[1:])
    [ann] = send(workspace, item("o", account("7"), channel="chat"))
    fold(workspace)
    post(api, "/v1/contacts/sw:1/correct", customer=ann.customer)
    fold(workspace)
    assert rows(workspace, "customer_360")[ann.customer].contacts_ever == 2
    assert read(api, "/v1/contacts/sw:1")["customer"] == ann.customer


def test_a_call_back_and_a_hand_over_carry_the_thread(workspace, api):
    send(
        workspace,
        item("m", phone(), channel="chat", direction="inbound", contact_id="chat-9", text="My bill is wrong"),
    )
    assert post(api, "/v1/contacts/chat-9/callback", at="2026-03-02T12:00:00Z") == ["contact.callback_asked"]
    post(
        api,
        "/v1/contacts/chat-9/handover",
        to_channel="voice",
        to_queue="billing",
        note="wants a person",
        by="bot",
    )
    told = read(api, "/v1/contacts/chat-9")
    assert (told["callback_asked"], told["handed_to"]) == (True, "voice")
    texts = [one["data"].get("text") or one["data"].get("note") for one in told["thread"]]
    assert texts == ["My bill is wrong", None, "wants a person"]


def test_said_twice_under_one_key_it_is_recorded_once(workspace, api):
    send(workspace, *QUEUE_LOG)
    head = {"Idempotency-Key": "w-1"}
    answers = [api.post("/v1/contacts/sw:1/wrap-up", json={"reason": "a"}, headers=head) for _ in range(2)]
    assert [one.status_code for one in answers] == [202, 200]


def test_what_nobody_knows_of_is_refused(api):
    assert api.get("/v1/contacts/none").json()["code"] == "contact.unknown"
    assert api.post("/v1/contacts/none/wrap-up", json={}).status_code == 404


def test_a_touch_that_names_no_contact_is_one_by_itself(workspace, api):
    [touch] = send(workspace, item("1", phone(), channel="store", outcome="resolved"))
    fold(workspace)
    told = read(api, f"/v1/contacts/{touch.event_id}")
    assert (told["channel"], told["outcome"], told["customer"]) == ("store", "resolved", touch.customer)
    assert all(isinstance(row, Conversation) for row in rows(workspace, "contact").values())

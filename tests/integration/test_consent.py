"""Consent with proof at any moment: who may be contacted on which channel for what, and on what basis."""

import re
from datetime import timedelta

import pytest
from fastapi.testclient import TestClient

from infra.consent.do_not_call import take_register
from services.gateway.app import create_app
from tests.support.calling import caller, read
from tests.support.clock import MONDAY
from tests.support.folding import fold
from tests.support.sending import account, email, item, phone, send

YES = {"channel": "voice", "purpose": "retention", "basis": "consent", "proof": "rec/0912.opus"}
NO = {"channel": "voice", "basis": "consent"}


@pytest.fixture
def api(workspace):
    return caller(workspace)


@pytest.fixture
def ann(workspace):
    [answer] = send(workspace, item("1", account("1"), phone(), email(), channel="chat"))
    return answer.customer


def permission(api, customer, channel="voice", at=None):
    more = {"at": at.isoformat()} if at else {}
    return read(api, f"/v1/customers/{customer}/permission", channel=channel, purpose="retention", **more)


def test_on_what_basis_a_call_was_made_is_answered_from_what_was_known_then(workspace, api, ann):
    [granted] = send(workspace, item("yes", account("1"), type="consent.granted", **YES))
    called = workspace.clock.now() + timedelta(hours=1)
    workspace.clock.pass_time(days=2)
    [_] = send(workspace, item("no", account("1"), type="consent.withdrawn", at=MONDAY, **NO))
    fold(workspace)
    then, now = permission(api, ann, at=called), permission(api, ann)
    assert (then["allowed"], then["because"], then["basis"]) == (True, "consent", granted.event_id)
    assert [word["proof"] for word in then["words"]] == ["rec/0912.opus"]
    assert (now["allowed"], now["because"]) == (False, "consent_withdrawn")
    assert len(now["words"]) == 2, (
        "a withdrawal that became known later changes nothing about the day of the call"
    )


def test_nothing_said_is_no_consent(workspace, api, ann):
    fold(workspace)
    assert permission(api, ann)["because"] == "no_legal_basis"


def test_a_register_forbids_calls_to_whoever_has_the_number(workspace, api, ann):
    send(workspace, item("yes", account("1"), type="consent.granted", **YES))
    workspace.clock.pass_time(hours=1)
    [found] = take_register(workspace, ["+1 (415) 555-2671", "+14155550100", "no number"], "national")
    assert found == {"accepted": 2, "quarantined": 1}
    fold(workspace)
    told = permission(api, ann)
    assert (told["allowed"], told["because"]) == (False, "consent_withdrawn")
    assert {(word["basis"], word["proof"]) for word in told["words"]} >= {
        ("do_not_call_register", "national")
    }
    [later] = send(workspace, item("2", account("2"), phone("+1 415 555 0100"), channel="web"))
    fold(workspace)
    assert permission(api, later.customer)["because"] == "consent_withdrawn"


def test_the_same_register_again_changes_nothing(workspace):
    for expected in ({"accepted": 1}, {"duplicate": 1}):
        [found] = take_register(workspace, ["+14155552671"], "national")
        assert found == expected


def test_a_mail_address_that_bounced_is_left_out_until_its_owner_writes_from_it(workspace, api, ann):
    yes = {"channel": "email", "purpose": "retention", "basis": "consent", "proof": "form-7"}
    lost = {"channel": "email", "why": "bounced", "permanent": True}
    send(
        workspace, item("yes", account("1"), type="consent.granted", **yes),
        item("b", email(), type="identity.unreachable", **lost),
    )  # fmt: skip
    fold(workspace)
    told = permission(api, ann, "email")
    assert (told["allowed"], told["because"]) == (False, "not_reachable")
    [shown] = read(api, f"/v1/customers/{ann}")["identity"]["unreachable"]
    assert (shown["value"], shown["channel"], shown["why"], shown["permanent"]) == (
        "ann@example.com", "email", "bounced", True,
    )  # fmt: skip
    refused = api.post(f"/v1/customers/{ann}/unsubscribe-token", json={"channel": "email"})
    assert (refused.status_code, refused.json()["code"]) == (422, "customer.not_reachable")
    workspace.clock.pass_time(hours=1)
    send(workspace, item("m", email(), channel="email", direction="inbound", text="my address works"))
    fold(workspace)
    assert permission(api, ann, "email")["because"] == "consent"
    assert read(api, f"/v1/customers/{ann}")["identity"]["unreachable"] == []


def test_while_a_complaint_is_open_nothing_is_offered(workspace, api, ann):
    complaint = {"case_id": "c-1", "kind": "complaint", "status": "open", "reason": "billing.dispute"}
    send(
        workspace, item("yes", account("1"), type="consent.granted", **YES),
        item("c", account("1"), type="case.imported", origin="import", at=MONDAY, **complaint),
    )  # fmt: skip
    fold(workspace)
    told = permission(api, ann)
    assert (told["allowed"], told["because"]) == (False, "open_complaint")


def token(api, customer, **body):
    answer = api.post(f"/v1/customers/{customer}/unsubscribe-token", json={"channel": "email", **body})
    assert answer.status_code == 201, answer.text
    return answer.json()["path"]


def test_one_click_says_no_without_a_key_and_looking_at_the_link_says_nothing(workspace, api, ann):
    send(workspace, item("yes", account("1"), type="consent.granted", **{**YES, "channel": "email"}))
    workspace.clock.pass_time(hours=1)
    fold(workspace)
    path = token(api, ann, purpose="retention")
    stranger = TestClient(create_app(workspace))
    page = stranger.get(path)
    assert page.status_code == 200
    assert re.search(r'<form method="post">', page.text)
    fold(workspace)
    assert permission(api, ann, "email")["allowed"]
    answers = [stranger.post(path, data={"List-Unsubscribe": "One-Click"}) for _ in range(2)]
    assert [one.json() for one in answers] == [
        {"unsubscribed": True, "recorded": True}, {"unsubscribed": True, "recorded": False},
    ]  # fmt: skip
    fold(workspace)
    assert permission(api, ann, "email")["because"] == "consent_withdrawn"


def test_a_token_is_of_whom_the_message_went_to_also_after_an_un_merge(workspace, api, ann):
    workspace.clock.pass_time(hours=1)
    [bob] = send(workspace, item("b", account("2"), email("bob@example.com"), channel="chat"))
    fold(workspace)
    api.post(f"/v1/customers/{ann}/merge", json={"other": bob.customer})
    fold(workspace)
    his = token(api, ann)  # of the address seen last: lists write there
    TestClient(create_app(workspace)).post(his)
    api.post(f"/v1/customers/{ann}/unmerge", json={"why": "two people"})
    fold(workspace)
    said = {one: permission(api, one, "email")["because"] for one in (ann, bob.customer)}
    assert said == {ann: "no_legal_basis", bob.customer: "consent_withdrawn"}


@pytest.fixture
def phone_and_word(workspace):
    """Ann has a phone and said nothing; Bob allowed calls and has none. Each is known by an account."""
    send(
        workspace, item("a", account("1"), phone(), channel="chat"),
        item("b", account("2", "bank"), channel="chat"),
    )  # fmt: skip
    workspace.clock.pass_time(hours=1)
    said = [item("yes", account("2", "bank"), type="consent.granted", **YES)]
    [bob] = send(workspace, *said)
    [ann] = send(workspace, item("a2", account("1"), channel="chat"))
    workspace.clock.pass_time(hours=1)
    fold(workspace)
    return ann.customer, bob.customer


@pytest.mark.parametrize("by_hand", [True, False])
def test_nobodys_number_is_called_on_the_word_of_another_after_a_merge(
    workspace, api, phone_and_word, by_hand
):
    ann, bob = phone_and_word
    before = {one: permission(api, one) for one in phone_and_word}
    assert [before[one]["because"] for one in (ann, bob)] == ["no_legal_basis", "not_reachable"]
    if by_hand:
        assert api.post(f"/v1/customers/{ann}/merge", json={"other": bob}).status_code == 202
    else:
        send(workspace, item("both", account("2", "bank"), phone(), channel="store"))
    fold(workspace)
    told = permission(api, ann)
    assert (told["allowed"], told["because"]) == (False, "not_reachable")
    assert [word["proof"] for word in told["words"]] == ["rec/0912.opus"], "the proof stays"
    refused = api.post(
        f"/v1/customers/{ann}/unsubscribe-token", json={"channel": "voice", "purpose": "retention"}
    )
    assert (refused.status_code, refused.json()["code"]) == (422, "customer.not_reachable")
    api.post(f"/v1/customers/{ann}/unmerge", json={"why": "two people"})
    fold(workspace)
    after = {one: permission(api, one) for one in phone_and_word}
    assert {one: {**said, "at": ""} for one, said in after.items()} == {
        one: {**said, "at": ""} for one, said in before.items()
    }


def test_a_consent_said_after_the_merge_reaches_every_number(workspace, api, phone_and_word):
    ann, bob = phone_and_word
    api.post(f"/v1/customers/{ann}/merge", json={"other": bob})
    workspace.clock.pass_time(hours=1)
    [new] = send(workspace, item("new", account("2", "bank"), type="consent.granted", **YES))
    fold(workspace)
    told = permission(api, ann)
    assert (told["allowed"], told["basis"]) == (True, new.event_id)
    assert [word["event_id"] for word in told["words"]] == [new.event_id]


def test_a_number_that_its_speaker_gives_after_the_merge_is_reached(workspace, api, phone_and_word):
    ann, bob = phone_and_word
    api.post(f"/v1/customers/{ann}/merge", json={"other": bob})
    workspace.clock.pass_time(hours=1)
    send(workspace, item("b2", account("2", "bank"), phone("+1 415 555 0100"), channel="chat"))
    fold(workspace)
    told = permission(api, ann)
    assert (told["allowed"], told["because"]) == (True, "consent")
    answer = api.post(f"/v1/customers/{ann}/unsubscribe-token", json={"channel": "voice"})
    no = TestClient(create_app(workspace)).post(answer.json()["path"])
    assert no.json() == {"unsubscribed": True, "recorded": True}
    api.post(f"/v1/customers/{ann}/unmerge", json={"why": "two people"})
    fold(workspace)
    said = {one: permission(api, one)["because"] for one in phone_and_word}
    assert said == {ann: "no_legal_basis", bob: "consent_withdrawn"}, "the token was of the number he gave"


def test_a_visitor_who_turns_out_to_be_a_customer_takes_no_permission_away(workspace, api):
    cookie = {"kind": "cookie", "value": "v-1", "issuer": "web"}
    [visitor] = send(workspace, item("v", cookie, channel="web"))
    workspace.clock.pass_time(hours=1)
    send(
        workspace, item("a", account("1"), phone(), channel="chat"),
        item("yes", account("1"), type="consent.granted", **YES),
    )  # fmt: skip
    workspace.clock.pass_time(hours=1)
    send(workspace, item("login", account("1"), cookie, channel="web"))
    fold(workspace)
    told = permission(api, visitor.customer)
    assert (told["allowed"], told["because"]) == (True, "consent")


@pytest.mark.parametrize(
    "change", [lambda t: t[:-4], lambda t: t + "A", lambda t: t.swapcase(), lambda t: "x"]
)
def test_a_token_that_was_changed_is_none(workspace, api, ann, change):
    fold(workspace)
    path, _, made = token(api, ann).rpartition("/")
    answer = TestClient(create_app(workspace)).post(f"{path}/{change(made)}")
    assert (answer.status_code, answer.json()["code"]) == (404, "token.unknown")


def test_two_tokens_never_read_alike_and_name_nobody(api, ann, workspace):
    fold(workspace)
    one, other = token(api, ann), token(api, ann)
    assert one != other
    assert ann not in one
    assert "example.com" not in one

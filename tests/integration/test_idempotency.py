"""One Idempotency-Key is one command: given again it changes nothing, and given to another it is heard."""

import pytest

from tests.support.calling import caller, read
from tests.support.folding import fold
from tests.support.sending import account, item, phone, send


@pytest.fixture
def api(workspace):
    return caller(workspace)


@pytest.fixture
def people(workspace):
    """Three customers, of whom the first had a chat."""
    told = send(
        workspace, item("a", account("1"), channel="chat", direction="inbound", contact_id="chat-1"),
        item("b", account("2"), channel="web"), item("c", account("3"), channel="web"),
    )  # fmt: skip
    fold(workspace)
    return [one.customer for one in told]


def post(api, url, **body):
    return api.post(url, json=body, headers={"Idempotency-Key": "k"})


def test_the_same_command_again_is_taken_and_changes_nothing(api, people):
    ann, bob, _ = people
    assert [post(api, f"/v1/customers/{ann}/merge", other=bob).status_code for _ in range(2)] == [202, 200]
    said = {"reason": "billing.dispute", "by": "ann"}
    url = "/v1/contacts/chat-1/wrap-up"
    key = {"Idempotency-Key": "w"}
    assert [api.post(url, json=said, headers=key).status_code for _ in range(2)] == [202, 200]


def test_another_command_under_a_used_key_is_refused_and_not_lost_in_silence(api, people):
    ann, bob, carl = people
    assert post(api, f"/v1/customers/{ann}/merge", other=bob).status_code == 202
    for url, body in (
        (f"/v1/customers/{ann}/merge", {"other": carl}), (f"/v1/customers/{carl}/erasure", {"asked_by": "ann"}),
        ("/v1/contacts/chat-1/wrap-up", {"reason": "x"}), ("/v1/contacts/chat-1/handover", {"to_channel": "voice"}),
        (f"/v1/customers/{carl}/decline", {"other": ann, "why": "two people"}),
    ):  # fmt: skip
        answer = post(api, url, **body)
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key.reused"), url
    assert read(api, "/v1/customers", account="3", issuer="shop")["customers"][0]["customer"] == carl


def test_where_nothing_is_left_to_decide_a_used_key_is_looked_at_all_the_same(workspace, api, people):
    ann, bob, carl = people
    send(workspace, item("d", account("3"), phone(), channel="web"))
    taken = {"why": "his brother's", "identifiers": [phone()]}
    for who, what, body, other in (
        (ann, "merge", {"other": bob}, {"other": bob, "by": "bea"}),
        (ann, "unmerge", {"why": "two people"}, {"why": "a mistake"}),
        (carl, "split", taken, {**taken, "identifiers": [account("3")]}),
        (carl, "erasure", {"asked_by": "carl"}, {"asked_by": "bea"}),
    ):  # fmt: skip
        sent = [api.post(f"/v1/customers/{who}/{what}", json=each, headers={"Idempotency-Key": what})
                for each in (body, body, other)]  # fmt: skip
        repeated = 202 if what == "erasure" else 200
        assert [one.status_code for one in sent] == [202, repeated, 422], what
        assert sent[2].json()["code"] == "idempotency_key.reused"


def test_a_correction_that_is_sent_again_is_the_same_one_whatever_was_said_since(api, people):
    said = {"Idempotency-Key": "fix"}
    api.post("/v1/contacts/chat-1/wrap-up", json={"reason": "billing.dispute"})
    fix = {"reason": "billing.copy"}
    first = api.post("/v1/contacts/chat-1/correct", json=fix, headers=said)
    api.post("/v1/contacts/chat-1/wrap-up", json={"reason": "fault.line"})
    again = api.post("/v1/contacts/chat-1/correct", json=fix, headers=said)
    assert [one.status_code for one in (first, again)] == [202, 200]

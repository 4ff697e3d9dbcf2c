"""Whoever opens a customer sees one person: at the desk, by a search, as of any day, and what they allowed."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tests.support.desktop import Desktop
from tests.support.receiving import until
from tests.support.sending import account, item, phone
from tests.support.system import PATIENCE, System

BERLIN, SECOND, LEE = "+49 30 901830", "+49 171 5550099", "+86 138 0013 8000"
SHANGHAI = ZoneInfo("Asia/Shanghai")


def now() -> datetime:
    return datetime.now(UTC)


def seen(system: System, customer: str) -> dict[str, Any]:
    """The customer at a glance, once there is something to see."""

    def view() -> Any:
        answer = system.api.get(f"/v1/customers/{customer}")
        return answer.json() if answer.status_code == 200 else None

    return until(view, PATIENCE)


def words(view: dict[str, Any]) -> list[bool]:
    """What the customer said of being contacted: yes or no."""
    return [one["granted"] for one in view["consent"]["recorded"]]


def allowed(system: System, customer: str, **asked: str) -> dict[str, Any]:
    """May they be contacted?"""
    seen(system, customer)
    return system.read(f"/v1/customers/{customer}/permission", **asked)


def test_the_third_call_names_the_last_and_shows_the_chat(system: System):
    """Scene A: a chat and a call about the same bill, unresolved; then a call from the second phone."""
    begun = now() - timedelta(seconds=1)
    [ann, *_] = system.send(
        item("a-1", phone(BERLIN), phone(SECOND), account("A-1"), channel="web"),
        item("a-2", phone(BERLIN), at=begun, channel="chat", direction="inbound", contact_id="a-chat", agent="bea",
             reason="billing.dispute", text="I was charged twice"),
        item("a-3", phone(BERLIN), at=now(), channel="voice", direction="inbound", contact_id="a-call", agent="cem",
             reason="billing.dispute", outcome="unresolved"),
    )  # fmt: skip
    until(lambda: seen(system, ann)["contacts"]["ever"] == 2, PATIENCE)
    with Desktop(system.where("api"), "billing", key=system.where("key")) as billing:
        third = {"contact_id": "a-call-2", "channel": "voice", "direction": "inbound"}
        system.send(
            item("a-4", phone(SECOND), type="contact.started", at=now(), **third),
            item("a-5", type="contact.queued", at=now(), contact_id="a-call-2", queue="billing"),
        )
        told = billing.shows(1)
    zone = ZoneInfo("Europe/Berlin")
    today = 3 if begun.astimezone(zone).date() == now().astimezone(zone).date() else 1
    assert (told["customer"], told["nth_today"], told["zone"]) == (ann, today, "Europe/Berlin")
    assert (told["last"]["reason"], told["last"]["outcome"]) == ("billing.dispute", "unresolved")
    assert "I was charged twice" in [one["text"] for one in told["said"]]
    assert told["recognised"]["by"] == "phone"


def test_a_word_of_a_chat_and_a_slip_in_a_name_find_the_customer(system: System):
    [wang, bo] = system.send(
        item("s-1", account("S-1"), type="customer.described", name="王小明"),
        item("s-2", account("S-2"), type="customer.described", name="Bo Quillington"),
    )
    system.send(
        item("s-3", account("S-1"), channel="chat", direction="inbound", text="我要求退款，已经三天了"),
        item("s-4", account("S-2"), channel="chat", direction="inbound", text="Where is my parcel tracker?"),
    )

    def owners(asked: str) -> list[str]:
        return [hit["customer"] for hit in system.read("/v1/search", text=asked)["hits"]]

    until(lambda: owners("退款") == [wang], PATIENCE)
    until(lambda: owners("parcel") == [bo], PATIENCE)
    for asked, who in (("wang xiaoming", wang), ("Bo Quilington", bo)):
        found = system.read("/v1/search", name=asked)["customers"]
        assert found[0]["customer"] == who, asked


def test_a_past_day_is_answered_from_what_was_known_then(system: System):
    """On what basis did you call on 3 May? And who did you think this was?"""
    may, april = datetime(2026, 5, 3, 10, tzinfo=SHANGHAI), datetime(2026, 4, 1, 9, tzinfo=SHANGHAI)
    yes = {
        "channel": "voice",
        "purpose": "retention",
        "basis": "consent",
        "proof": "rec/2026/04/01/0912.opus",
    }
    no = {"channel": "voice", "purpose": "retention", "basis": "letter"}
    [lee, *_] = system.send(
        item(
            "l-1",
            account("L-1"),
            phone("+86 138 0013 8000"),
            type="consent.granted",
            at=april,
            origin="import",
            **yes,
        ),
        item("l-2", account("L-1"), at=april, origin="import", channel="voice", direction="inbound"),
        # The letter was written in April and opened only now.
        item("l-3", account("L-1"), type="consent.withdrawn", at=april + timedelta(days=9), **no),
    )
    until(lambda: words(seen(system, lee)) == [False], PATIENCE)

    def asked(**at: str) -> dict[str, object]:
        return system.read(f"/v1/customers/{lee}/permission", channel="voice", purpose="retention", **at)

    then, today = asked(at=may.isoformat()), asked()
    assert (then["allowed"], then["because"]) == (True, "consent"), then
    assert [word["proof"] for word in then["words"]] == [yes["proof"]]
    assert (today["allowed"], today["because"]) == (False, "consent_withdrawn"), today

    known = system.read(f"/v1/customers/{lee}", as_of=may.isoformat(), known_at=may.isoformat())
    happened = system.read(f"/v1/customers/{lee}", as_of=may.isoformat())
    assert (words(known), words(happened)) == ([True], [False])
    before = system.read(f"/v1/customers/{lee}", as_of="2026-03-01T00:00:00Z")
    assert (words(before), before["contacts"]["ever"]) == ([], 0)
    late = system.read(f"/v1/customers/{lee}/timeline", as_of=may.isoformat(), known_at=may.isoformat())
    assert sorted(one["type"] for one in late["items"]) == ["consent.granted", "touch.recorded"]


def test_one_click_says_no(system: System):
    yes = {"channel": "email", "purpose": "retention", "basis": "consent", "proof": "form-3"}
    mail = {"kind": "email", "value": "kay@example.com"}
    [kay] = system.send(item("k-1", mail, type="consent.granted", **yes))
    asked = {"channel": "email", "purpose": "retention"}
    until(lambda: allowed(system, kay, **asked)["allowed"], PATIENCE)
    token = system.api.post(f"/v1/customers/{kay}/unsubscribe-token", json=asked).json()
    assert system.gateway.post(token["path"], headers={"Authorization": ""}).status_code == 200
    until(lambda: allowed(system, kay, **asked)["because"] == "consent_withdrawn", PATIENCE)

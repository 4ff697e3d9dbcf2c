"""Whoever answers is told who is there, the moment a contact starts: once, in order, and after a cut too."""

import json
from contextlib import contextmanager
from datetime import timedelta
from urllib.parse import quote

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from infra.desk import desks
from infra.desk.calls import DeskCalls
from infra.identity.desk import IdentityDesk
from infra.ids import new_id
from infra.intake import InboundIdentifier
from infra.workspace import open_workspace
from models.domain.identity_decision import Split
from models.ports import By
from tests.support.calling import caller
from tests.support.clock import MONDAY
from tests.support.desktop import Desktop
from tests.support.folding import fold
from tests.support.receiving import serving, stays, until
from tests.support.sending import account, email, item, phone, send

BERLIN, SECOND = "+49 30 901820", "+49 171 5550001"
IDENTITY = "identity.verified"


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """A stream without prompts tells soon how far it is, so that a test may stop to listen."""
    monkeypatch.setattr(desks, "BEAT_SECONDS", 0.1)


def part(workspace, contact, kind, *identifiers, after=0, origin="live", **data):
    at = workspace.clock.now() + timedelta(seconds=after)
    data = {"contact_id": contact, **data}
    return item(
        f"{contact} {kind} {sorted(data.items())}", *identifiers, type=f"contact.{kind}", at=at, source="sw",
        origin=origin, **data,
    )  # fmt: skip


def calls(workspace, contact, *identifiers, queue="billing"):
    """Somebody's call reaches a queue."""
    send(
        workspace, part(workspace, contact, "started", *identifiers, channel="voice", direction="inbound"),
        part(workspace, contact, "queued", queue=queue),
    )  # fmt: skip
    fold(workspace)
    workspace.clock.pass_time(seconds=1)


@contextmanager
def day(workspace):
    """The API, and a customer who chatted at 10:00 and called at 14:02, of whom two phones are known."""
    with serving(workspace) as url:
        send(
            workspace, item("card", phone(BERLIN), phone(SECOND), account(), channel="web"),
            part(workspace, "chat-1", "started", phone(BERLIN), channel="chat", direction="inbound"),
            item("c1", phone(BERLIN), channel="chat", direction="inbound", contact_id="chat-1", agent="bea",
                 reason="billing.dispute", text="I was charged twice"),
        )  # fmt: skip
        workspace.clock.pass_time(hours=4, minutes=2)
        send(
            workspace, part(workspace, "call-1", "started", phone(BERLIN), channel="voice", direction="inbound"),
            part(workspace, "call-1", "answered", agent="cem"),
            part(workspace, "call-1", "ended", after=1, outcome="unresolved"),
            part(workspace, "call-1", "wrapped_up", after=2, reason="billing.dispute", outcome="unresolved"),
            item("v", phone(BERLIN), type=IDENTITY, at=workspace.clock.now(), method="voiceprint", level=2,
                 passed=True, channel="voice", expires_at=(workspace.clock.now() + timedelta(hours=4)).isoformat()),
            item("case", account(), type="case.imported", origin="import", at=MONDAY, case_id="c-7", kind="complaint",
                 status="open", reason="billing.dispute"),
            item("o", account(), type="opportunity.imported", origin="import", at=MONDAY, opportunity_id="o-1",
                 subject="fibre"),
        )  # fmt: skip
        fold(workspace)
        workspace.clock.pass_time(hours=2, minutes=28)
        yield url


def test_the_third_call_today_is_told_with_the_second_phone_too(workspace):
    with day(workspace) as url, Desktop(url, "billing") as billing, Desktop(url, "dan") as dan:
        calls(workspace, "call-2", phone(SECOND))
        told = billing.shows(1)
        assert (
            told["says"]
            == "3rd contact today; the last was at 14:02 by voice about billing.dispute, unresolved"
        )
        assert (told["nth_today"], told["zone"]) == (3, "Europe/Berlin")
        assert told["last"]["contact_id"] == "call-1"
        assert [(one["channel"], one["text"]) for one in told["said"]] == [("chat", "I was charged twice")]
        assert [one["case_id"] for one in told["cases"]] == ["c-7"]
        assert [one["opportunity_id"] for one in told["opportunities"]] == ["o-1"]
        assert told["stage"]["stage"] == "identified"
        assert told["consent"]["note"]
        assert (told["value"], told["next_best"]) == (None, None)
        assert told["recognised"]["by"] == "phone"
        verified = told["recognised"]["verified"]
        assert (verified["method"], verified["level"], verified["channel"]) == ("voiceprint", 2, "voice")
        assert (told["contact"]["contact_id"], told["contact"]["channel"]) == ("call-2", "voice")
        assert (told["desk"], told["because"]) == ("billing", "contact.queued")
        send(workspace, part(workspace, "call-2", "answered", agent="dan"))
        fold(workspace)
        assert dan.shows(1)["says"] == told["says"]
        stays(lambda: len(billing.prompts) == 1)


def test_each_of_the_three_contacts_counts_one_more(workspace):
    with serving(workspace) as url, Desktop(url, "billing") as billing:
        send(workspace, item("card", phone(BERLIN), phone(SECOND), channel="web"))
        for number, (who, says) in enumerate(
            [(BERLIN, "1st contact today"), (BERLIN, "2nd contact today; the last was at 10:00 by voice, unknown"),
             (SECOND, "3rd contact today; the last was at 14:02 by voice, unknown")], 1
        ):  # fmt: skip
            calls(workspace, f"call-{number}", phone(who))
            assert billing.shows(number)["says"] == says
            workspace.clock.pass_time(hours=4, minutes=2)


def test_a_last_contact_of_weeks_ago_is_told_too(workspace):
    calls(workspace, "old", phone(BERLIN))
    workspace.clock.pass_time(days=21)
    with serving(workspace) as url, Desktop(url, "billing") as billing:
        calls(workspace, "new", phone(BERLIN))
        told = billing.shows(1)
        assert told["says"] == "1st contact today; the last was at 2026-03-02 10:00 by voice, unknown"


def test_a_contact_comes_to_a_desk_once_and_a_transfer_brings_it_to_another(workspace):
    with (
        serving(workspace) as url, Desktop(url, "billing") as billing, Desktop(url, "mobile") as mobile,
        Desktop(url, "ann") as ann,
    ):  # fmt: skip
        calls(workspace, "call-1", phone())
        send(
            workspace, part(workspace, "call-1", "started", phone(), after=1, channel="voice"),
            part(workspace, "call-1", "queued", after=2, queue="billing"),
            part(workspace, "call-1", "rang", after=3, agent="ann"),
            part(workspace, "call-1", "answered", after=4, agent="ann"),
            part(workspace, "call-1", "transferred", after=5, to_queue="mobile"),
            part(workspace, "call-1", "queued", after=6, queue="mobile"),
        )  # fmt: skip
        fold(workspace)
        assert billing.shows(1)["because"] == "contact.queued"
        assert ann.shows(1)["because"] == "contact.rang"
        assert mobile.shows(1)["because"] == "contact.transferred"
        send(workspace, part(workspace, "call-1", "queued", after=9, queue="billing"))
        fold(workspace)
        stays(lambda: [len(one.prompts) for one in (billing, ann, mobile)] == [1, 1, 1])


def test_a_desk_is_told_too_of_what_was_recorded_while_another_desk_was_being_told(workspace, monkeypatch):
    monkeypatch.setattr(desks, "AT_ONCE", 1)
    with serving(workspace) as url, Desktop(url, "billing") as billing, Desktop(url, "ann") as ann:
        send(
            workspace, part(workspace, "call-1", "started", phone(), channel="voice", direction="inbound"),
            part(workspace, "call-1", "queued", after=1, queue="billing"),
            part(workspace, "call-1", "rang", after=2, agent="ann"),
        )  # fmt: skip
        fold(workspace)
        assert billing.shows(1)["because"] == "contact.queued"
        assert ann.shows(1)["because"] == "contact.rang"


def test_a_touch_with_queue_and_agent_is_told_to_both_and_outbound_too(workspace):
    with serving(workspace) as url, Desktop(url, "sales") as sales, Desktop(url, "eve") as eve:
        send(
            workspace,
            item(
                "t", phone(), channel="voice", direction="outbound", queue="sales", agent="eve", text="hello"
            ),
            item("no contact", phone(), channel="sms", direction="outbound", agent="eve"),
            item("a test", phone(), channel="voice", agent="eve", outside="test"),
        )
        fold(workspace)
        assert sales.shows(1)["contact"]["direction"] == "outbound"
        assert eve.shows(1)["last"] is None
        stays(lambda: len(eve.prompts) == 1)


def test_a_caller_who_hides_is_told_as_nobody_and_by_another_part_as_who_it_is(workspace):
    with serving(workspace) as url, Desktop(url, "billing") as billing:
        calls(workspace, "hidden")
        told = billing.shows(1)
        assert (told["customer"], told["recognised"], told["nth_today"]) == (None, None, None)
        assert told["says"] == "nobody knows yet who this is"
        assert told["contact"]["contact_id"] == "hidden"
        # The queue comes before who calls; the prompt waits for the views, and tells what is known then.
        send(
            workspace, part(workspace, "late", "queued", queue="billing"),
            part(workspace, "late", "started", phone(), channel="voice", direction="inbound"),
        )  # fmt: skip
        fold(workspace)
        assert billing.shows(2)["says"] == "1st contact today"


def test_what_was_imported_or_is_told_late_prompts_nobody(workspace):
    with serving(workspace) as url, Desktop(url, "billing") as billing:
        send(
            workspace, part(workspace, "old", "queued", phone(), queue="billing", origin="import"),
            part(workspace, "late", "queued", phone(), queue="billing", after=-16 * 60),
            part(workspace, "now", "queued", phone(), queue="billing", after=-14 * 60),
        )  # fmt: skip
        fold(workspace)
        assert billing.shows(1)["contact"]["contact_id"] == "now"
        stays(lambda: len(billing.prompts) == 1)


def test_a_cut_stream_goes_on_where_it_was_at_another_process_too(workspace, settings):
    with serving(workspace) as url:
        with Desktop(url, "billing") as first:
            calls(workspace, "call-0", phone())
            first.shows(1)
        for number in range(1, 4):  # nobody listens
            calls(workspace, f"call-{number}", phone())
        calls(workspace, "elsewhere", phone(), queue="mobile")
        with Desktop(url, "billing", first.last) as second:
            second.shows(3)
            calls(workspace, "call-4", phone())
            second.shows(4)
    for number in range(5, 8):  # nothing runs
        calls(workspace, f"call-{number}", phone())
    other = open_workspace(settings, workspace.clock)
    with serving(other) as url, Desktop(url, "billing", second.last) as third:
        third.shows(3)
        calls(workspace, "call-8", phone())
        third.shows(4)
        stays(lambda: len(third.prompts) == 4)
    other.close()
    told = [*first.prompts, *second.prompts, *third.prompts]
    assert [one["contact"]["contact_id"] for _, one in told] == [f"call-{n}" for n in range(9)]
    assert [at for at, _ in told] == sorted({at for at, _ in told})
    assert [one["nth_today"] for _, one in told] == [1, 2, 3, 4, 6, 7, 8, 9, 10], "one went elsewhere"


def test_wherever_a_stream_is_cut_the_rest_is_the_same(workspace):
    with serving(workspace) as url:
        with Desktop(url, "billing") as whole:
            for number in range(5):
                calls(workspace, f"call-{number}", phone())
            whole.shows(5)
        for at, (position, _) in enumerate(whole.prompts, 1):
            with Desktop(url, "billing", position) as rest:
                until(lambda rest=rest: rest.last >= whole.last)
                assert [one for one, _ in rest.prompts] == [one for one, _ in whole.prompts[at:]]


@pytest.mark.parametrize("name", ["SIP/101", "售后服务", 'the "A" team', "a\\b", "prompts/prompts"])
def test_a_desk_may_have_any_name(workspace, name):
    before = send(workspace, item("before", channel="web")) and workspace.journal.head()
    with serving(workspace) as url, Desktop(url, quote(name, safe="")) as live:
        calls(workspace, "call-1", phone(), queue=name)
        told = live.shows(1)
        assert told["desk"] == name
        with Desktop(url, quote(name, safe=""), before) as again:
            assert again.shows(1) | {"at": ""} == told | {"at": ""}


def test_two_processes_tell_the_same(workspace, settings):
    other = open_workspace(settings, workspace.clock)
    with (
        serving(workspace) as url, serving(other) as another, Desktop(url, "billing") as one,
        Desktop(another, "billing") as two,
    ):  # fmt: skip
        for number in range(5):
            calls(workspace, f"call-{number}", phone())
        one.shows(5)
        two.shows(5)
        told, again = ([(at, found | {"at": ""}) for at, found in desk.prompts] for desk in (one, two))
        assert told == again
    other.close()


def test_who_was_away_too_long_is_told_so_and_goes_on_from_there(workspace):
    calls(workspace, "long ago", phone())
    workspace.clock.pass_time(hours=13)
    calls(workspace, "today", phone())
    with serving(workspace) as url, Desktop(url, "billing", 1) as late:
        assert late.shows(1)["contact"]["contact_id"] == "today"
        [(at, said)] = [(at, data) for at, event, data in late.messages if event == "resync"]
        assert json.loads(said) == {"from": at}
        assert 1 < at < late.prompts[0][0]


def test_a_projector_that_stands_does_not_stop_prompts(workspace, monkeypatch):
    monkeypatch.setattr(desks, "PATIENCE", 0.2)
    with day(workspace) as url, Desktop(url, "billing") as billing:
        send(
            workspace,
            part(workspace, "call-2", "started", phone(SECOND), channel="voice", direction="inbound"),
            item(
                "note",
                phone(SECOND),
                at=workspace.clock.now(),
                channel="chat",
                text="still wrong",
                contact_id="w",
            ),
            part(workspace, "call-2", "queued", queue="billing"),
        )
        told = billing.shows(1)
        assert told["says"].startswith("4th contact today; the last was at 16:30 by chat")
        assert [one["text"] for one in told["said"]] == ["still wrong", "I was charged twice"]


def test_a_prompt_waits_for_the_views(workspace):
    with serving(workspace) as url, Desktop(url, "billing") as billing:
        send(workspace, part(workspace, "call-1", "queued", phone(), queue="billing"))
        stays(lambda: not billing.prompts)
        assert billing.last < workspace.journal.head(), "or a cut would pass it over"
        fold(workspace)
        billing.shows(1)


def test_a_key_without_personal_data_sees_no_text(settings, clock):
    workspace = open_workspace(
        settings.model_copy(update={"api_keys": SecretStr("test-key,other:plain")}), clock
    )
    with (
        day(workspace) as url, Desktop(url, "billing", key="other") as plain,
        Desktop(url, "billing") as personal,
    ):  # fmt: skip
        before = plain.last
        send(
            workspace, part(workspace, "call-2", "started", phone(SECOND), channel="voice", direction="inbound"),
            part(workspace, "call-2", "queued", queue="billing"),
        )  # fmt: skip
        fold(workspace)
        assert [one["text"] for one in plain.shows(1)["said"]] == [None]
        assert [one["text"] for one in personal.shows(1)["said"]] == ["I was charged twice"]
        assert "charged" not in str(plain.messages)
        with Desktop(url, "billing", before, key="other") as again, Desktop(url, "billing", before) as also:
            assert again.shows(1) == plain.prompts[0][1]
            assert also.shows(1) == personal.prompts[0][1]
    workspace.close()


def test_two_who_became_one_are_told_as_one_with_what_either_failed_to_prove(workspace):
    send(
        workspace, item("1", phone(BERLIN), at=MONDAY, channel="chat", direction="inbound", text="first"),
        item("2", email(), at=MONDAY, channel="chat", direction="inbound", text="second"),
        item("no", email(), type=IDENTITY, at=MONDAY, method="code", level=1, passed=False, channel="chat"),
        item("merge", phone(BERLIN), email(), channel="web"),
    )  # fmt: skip
    fold(workspace)
    with serving(workspace) as url, Desktop(url, "billing") as billing:
        calls(workspace, "call-1", email())
        told = billing.shows(1)
        assert told["nth_today"] == 3
        assert {one["text"] for one in told["said"]} == {"first", "second"}
        assert [one["method"] for one in told["recognised"]["failed"]] == ["code"]
        assert told["recognised"]["by"] == "email"


def test_one_that_cannot_be_told_keeps_none_of_the_others_from_being_told(workspace):
    calls(workspace, "call-0", phone(SECOND))
    with workspace.engine.begin() as connection:
        connection.execute(text("UPDATE customer_360 SET state = '[]'"))
    with serving(workspace) as url, Desktop(url, "billing") as billing:
        send(
            workspace, part(workspace, "bad", "queued", phone(SECOND), queue="billing"),
            part(workspace, "good", "queued", queue="billing"),
        )  # fmt: skip
        until(lambda: len(billing.prompts) == 2)
    assert {told["contact"]["contact_id"]: told["says"] for _, told in billing.prompts} == {
        "bad": "who this is could not be told: look it up by the contact",
        "good": "nobody knows yet who this is",
    }


def test_a_merge_hands_nobody_the_proof_of_another(workspace):
    """Ann's call is told without what Bob proved, and Bob's own with it, though both are one customer by now."""

    def proves(name, who, level):
        until_ = (workspace.clock.now() + timedelta(hours=4)).isoformat()
        send(workspace, item(name, who, type=IDENTITY, at=workspace.clock.now(), method="voiceprint", level=level,
                             passed=True, channel="voice", expires_at=until_))  # fmt: skip
        workspace.clock.pass_time(minutes=1)

    [ann, bob] = send(
        workspace, item("a", phone(BERLIN), account(), channel="web"),
        item("b", phone(SECOND), account("2", "bank"), channel="web"),
    )  # fmt: skip
    proves("his", phone(SECOND), 3)
    assert ann.customer != bob.customer
    send(workspace, item("both", account(), account("2", "bank"), at=workspace.clock.now(), channel="store"))
    fold(workspace)
    workspace.clock.pass_time(minutes=1)
    with serving(workspace) as url, Desktop(url, "billing") as billing:
        calls(workspace, "call-1", phone(BERLIN))
        told = billing.shows(1)
        assert (told["customer"], told["recognised"]["verified"]) == (ann.customer, None)
        calls(workspace, "call-2", phone(SECOND))
        told = billing.shows(2)
        assert (told["customer"], told["recognised"]["verified"]["level"]) == (ann.customer, 3)
        proves("since", phone(SECOND), 1)
        calls(workspace, "call-3", phone(BERLIN))
        assert billing.shows(3)["recognised"]["verified"]["level"] == 1


def test_a_proof_goes_with_the_phone_that_was_split_off(workspace):
    [ann] = send(workspace, item("a", phone(BERLIN), account(), channel="web"))
    send(
        workspace, item("v", phone(BERLIN), type=IDENTITY, method="code", level=2, passed=True, channel="ivr")
    )
    ref = workspace.intake.identify([InboundIdentifier("phone", BERLIN, "")])[0].ref
    split = Split(customer=ann.customer, restored=new_id(), identifiers=(ref,), why="his wife's")
    assert IdentityDesk(workspace).give(split, By(source="desk", source_id="s", actor="sam"))
    fold(workspace)
    with serving(workspace) as url, Desktop(url, "billing") as billing:
        calls(workspace, "call-1", account())
        told = billing.shows(1)
        assert (told["customer"], told["recognised"]["verified"]) == (ann.customer, None)
        calls(workspace, "call-2", phone(BERLIN))
        told = billing.shows(2)
        assert (told["customer"], told["recognised"]["verified"]["level"]) == (split.restored, 2)


def test_what_makes_no_sense_is_refused_before_a_stream_begins(workspace):
    api = caller(workspace)
    for last, code in (("x", "invalid"), ("9" * 19, "invalid"), ("999", "cursor.ahead")):
        answer = api.get("/v1/desk/billing/prompts", headers={"Last-Event-ID": last})
        assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert caller(workspace, key=None).get("/v1/desk/billing/prompts").status_code == 401
    assert api.get(f"/v1/desk/{'x' * 201}/prompts").status_code == 422


def test_the_place_of_a_moment_is_found_among_the_positions(workspace):
    places = DeskCalls(workspace.engine)
    assert places.reach(0, MONDAY) == 0
    for _ in range(5):
        workspace.clock.pass_time(minutes=1)
        send(workspace, item(str(workspace.clock.now()), channel="web"))
    assert [places.reach(0, MONDAY + timedelta(minutes=n)) for n in range(8)] == [0, 0, 1, 2, 3, 4, 5, 5]
    assert [places.reach(n, MONDAY + timedelta(minutes=3)) for n in range(6)] == [2, 2, 2, 3, 4, 5]

"""A person decides who is who: merged, un-merged, split, assigned, blocked; and everything finds its owner again."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from events.identity import CustomersUnmerged
from infra.identity.parting import Parting
from infra.rebuilding.verify import verify
from models.projections.catalogue import projections
from tests.support.calling import caller, read
from tests.support.clock import MONDAY
from tests.support.folding import fold, rows
from tests.support.sending import account, email, item, phone, purchase, send
from tests.support.viewing import actual, expected, recorded

VIEWS = ("timeline", "customer_360", "lifecycle", "pipeline")


@pytest.fixture
def api(workspace):
    return caller(workspace)


@pytest.fixture
def brothers(workspace):
    """Two brothers, each known by his account; the older gave the phone they share."""
    older, younger = send(
        workspace,
        purchase("o1", account("1"), phone(), at=MONDAY - timedelta(days=90), amount="30"),
        purchase("y1", account("2"), email(), at=MONDAY - timedelta(days=60), amount="50"),
    )
    send(
        workspace,
        consent("o2", account("1"), days=50, granted=True),
        consent("y2", account("2"), days=70, granted=False),
        item("y3", account("2"), type="touch.recorded", at=MONDAY - timedelta(hours=2), channel="voice",
             reason="billing.dispute", outcome="unresolved"),
        item("o3", phone(), type="touch.recorded", at=MONDAY - timedelta(hours=1), channel="chat"),
    )  # fmt: skip
    fold(workspace)
    return older.customer, younger.customer


def consent(source_id, who, *, days, granted, channel="email"):
    more = {"channel": channel, "purpose": "retention", "basis": "consent", "proof": f"form-{source_id}"}
    kind = "consent.granted" if granted else "consent.withdrawn"
    return item(source_id, who, type=kind, at=MONDAY - timedelta(days=days), **more)


def stored(workspace):
    """Every row of every view, to the byte."""
    found = {}
    with workspace.engine.connect() as connection:
        for view in VIEWS:
            for row in connection.execute(text(f"SELECT * FROM {view} ORDER BY key")).mappings():
                found[view, row["key"]] = dict(row)
    return found


def post(api, url, **body):
    answer = api.post(url, json=body)
    assert answer.status_code in (200, 202), answer.text
    return answer.json()


def says(workspace, customer):
    """What a customer's consents say on mail for retention."""
    held = rows(workspace, "customer_360")[customer].consents.values()
    return sorted(one.granted for one in held if (one.channel, one.purpose) == ("email", "retention"))


def right(workspace):
    """Do the views say what a plain fold of the journal says, by either reckoning?"""
    envelopes = recorded(workspace)
    assert actual(workspace, envelopes) == expected(workspace, envelopes)
    assert verify(workspace.engine, projections(workspace.rules), 100, 1).wrong == []


def test_merged_and_parted_again_everything_is_as_it_was_to_the_byte(workspace, api, brothers):
    older, younger = brothers
    before = stored(workspace)
    merged = post(api, f"/v1/customers/{younger}/merge", other=older, by="ann")
    assert merged == {"recorded": ["identity.merged"], "customers": {older: older, younger: older}}
    fold(workspace)
    assert {row["owner"] for row in stored(workspace).values()} == {older}
    post(api, f"/v1/customers/{older}/unmerge", why="two brothers", by="ann")
    fold(workspace)
    assert stored(workspace) == before
    right(workspace)


def test_a_consent_never_widens_by_a_merge_and_both_proofs_stay(workspace, api, brothers):
    older, younger = brothers
    assert (says(workspace, older), says(workspace, younger)) == ([True], [False])
    post(api, f"/v1/customers/{older}/merge", other=younger)
    fold(workspace)
    assert says(workspace, older) == [False, True]
    view = read(api, f"/v1/customers/{older}")
    assert {one["basis"] for one in view["consent"]["recorded"]} == {"consent"}
    assert {one["proof"] for one in view["consent"]["recorded"] if one["granted"]} == {"form-o2"}


def test_what_the_one_customer_says_after_the_merge_is_the_word_that_counts(workspace, api, brothers):
    older, younger = brothers
    post(api, f"/v1/customers/{older}/merge", other=younger)
    send(workspace, consent("yes", account("2"), days=-0.01, granted=True))
    fold(workspace)
    assert says(workspace, older) == [True]
    right(workspace)


def test_what_came_while_they_were_one_goes_to_whom_it_showed(workspace, api, brothers):
    older, younger = brothers
    post(api, f"/v1/customers/{older}/merge", other=younger)
    fold(workspace)
    workspace.clock.pass_time(minutes=5)
    send(
        workspace,
        purchase("y4", account("2"), at=MONDAY - timedelta(days=1), amount="70"),
        item("y5", account("2"), {"kind": "email", "value": "new@example.com"}, channel="chat"),
        item("o4", account("1"), channel="voice"),
    )
    fold(workspace)
    post(api, f"/v1/customers/{older}/unmerge", why="two brothers")
    fold(workspace)
    view = rows(workspace, "customer_360")
    assert view[younger].value["USD"].amount == 120
    assert view[older].value["USD"].amount == 30
    assert (view[older].contacts_ever, view[younger].contacts_ever) == (2, 2)
    # the mail that was new while they were one leads to the one with whose account it came
    [mail] = send(workspace, item("y6", {"kind": "email", "value": "new@example.com"}, channel="chat"))
    assert mail.customer == younger
    fold(workspace)
    right(workspace)


def test_parted_by_a_person_only_a_person_may_join_them_again(workspace, api, brothers):
    older, younger = brothers
    post(api, f"/v1/customers/{older}/merge", other=younger)
    post(api, f"/v1/customers/{older}/unmerge", why="two brothers")
    [both] = send(workspace, item("both", phone(), email(), channel="store"))
    assert both.customer == older
    assert read(api, f"/v1/customers/{younger}")["customer"] == younger
    assert read(api, "/v1/identity/work")["proposals"] == []
    post(api, f"/v1/customers/{older}/merge", other=younger)
    assert api.get(f"/v1/customers/{younger}", follow_redirects=False).status_code == 308


def test_what_was_decided_while_they_were_one_waits_for_a_person(workspace, api, brothers):
    older, younger = brothers
    post(api, f"/v1/customers/{older}/merge", other=younger)
    body = {"subject": "leased_line", "customer": older, "captured_by": "ann"}
    one = api.post("/v1/opportunities", json=body).json()["opportunity_id"]
    fold(workspace)
    assert rows(workspace, "customer_360")[older].open_opportunities == {one: "captured"}
    post(api, f"/v1/customers/{older}/unmerge", why="two brothers")
    fold(workspace)
    work = read(api, "/v1/identity/work")["unassigned"]
    assert [(w["subject"], sorted(w["between"])) for w in work] == [(f"opportunity-{one}", sorted(brothers))]
    assert not any(row.open_opportunities for row in rows(workspace, "customer_360").values())
    post(api, f"/v1/customers/{younger}/assign", event_or_stream=f"opportunity-{one}", by="ann")
    fold(workspace)
    assert read(api, "/v1/identity/work")["unassigned"] == []
    assert rows(workspace, "customer_360")[younger].open_opportunities == {one: "captured"}
    right(workspace)


def test_an_opportunity_out_of_a_touch_goes_where_the_touch_goes(workspace, api, brothers):
    older, younger = brothers
    post(api, f"/v1/customers/{older}/merge", other=younger)
    [call] = send(workspace, item("y4", account("2"), channel="voice"))
    body = {"subject": "leased_line", "touch_id": call.event_id}
    one = api.post("/v1/opportunities", json=body).json()["opportunity_id"]
    post(api, f"/v1/customers/{older}/unmerge", why="two brothers")
    fold(workspace)
    assert rows(workspace, "customer_360")[younger].open_opportunities == {one: "captured"}
    right(workspace)


def test_identifiers_split_off_take_their_history_with_them(workspace, api, brothers):
    older, _ = brothers
    told = post(
        api, f"/v1/customers/{older}/split", identifiers=[phone()], why="the phone is his wife's", by="ann"
    )
    assert told["recorded"] == ["identity.split"]
    (wife,) = told["customers"].keys() - {older}
    fold(workspace)
    view = rows(workspace, "customer_360")
    assert (view[older].contacts_ever, view[wife].contacts_ever) == (0, 1)
    assert [one.kind for one in view[wife].identifiers] == ["phone"]
    [later] = send(workspace, item("later", phone(), channel="voice"))
    assert later.customer == wife
    fold(workspace)
    right(workspace)


def test_a_blocked_identifier_undoes_the_merges_that_rest_on_it_alone(workspace, api):
    first, second = send(
        workspace, item("1", account("1"), phone(), channel="voice"), item("2", email(), channel="chat")
    )
    send(workspace, item("3", phone(), email(), channel="store"))
    fold(workspace)
    assert set(rows(workspace, "customer_360")) == {first.customer}
    told = post(api, f"/v1/customers/{first.customer}/block", identifier=phone(), why="switchboard")
    assert told["recorded"] == ["identity.blocked", "identity.unmerged"]
    fold(workspace)
    assert set(rows(workspace, "customer_360")) == {first.customer, second.customer}
    [unmerged] = [e.event for e in recorded(workspace) if isinstance(e.event, CustomersUnmerged)]
    assert not unmerged.veto
    right(workspace)


def test_whom_a_blocked_identifier_alone_held_together_are_parted(workspace, api):
    """A switchboard's number came with Ann's mail, later with Bob's, and Ann once gave a second address of hers."""
    ann, *_ = send(
        workspace, item("1", phone(), email("ann@a.example"), channel="voice"),
        item("2", phone(), email("bob@b.example"), channel="voice", direction="inbound"),
        item("3", email("ann@a.example"), email("ann@home.example"), channel="email", direction="inbound"),
    )  # fmt: skip
    fold(workspace)
    assert set(rows(workspace, "customer_360")) == {ann.customer}
    seen = api.post(
        f"/v1/customers/{ann.customer}/block/preview", json={"identifier": phone(), "why": "switchboard"}
    ).json()
    assert len(seen["touches"]) == 1, "Bob's call"
    told = post(api, f"/v1/customers/{ann.customer}/block", identifier=phone(), why="switchboard")
    assert told["recorded"] == ["identity.blocked", "identity.split"]
    fold(workspace)
    view = rows(workspace, "customer_360")
    (bob,) = view.keys() - {ann.customer}
    assert len([one for one in view[ann.customer].identifiers if one.kind == "email"]) == 2
    assert (len(view[bob].identifiers), view[bob].contacts_ever) == (1, 1)
    [later] = send(workspace, item("4", email("bob@b.example"), channel="chat"))
    assert later.customer == bob
    [both] = send(workspace, item("5", email("bob@b.example"), email("ann@a.example"), channel="chat"))
    assert both.customer == ann.customer, "other evidence may join them"
    fold(workspace)
    right(workspace)


def test_strangers_behind_a_shared_phone_are_parted_when_its_limit_shows_it(workspace, api):
    many = [item(str(n), phone(), email(f"guest{n}@x.example"), channel="voice") for n in range(7)]
    for one in many:
        send(workspace, one)
    fold(workspace)
    assert len(rows(workspace, "customer_360")) < 7, "until the limit they were one"
    parting = Parting(workspace)
    assert (parting.turn(), parting.turn()) == (1, 0)
    fold(workspace)
    view = rows(workspace, "customer_360")
    mails = [[one.hash for one in row.identifiers if one.kind == "email"] for row in view.values()]
    assert sorted(map(len, mails)) == [1] * 7
    assert sum(row.contacts_ever for row in view.values()) == 7
    right(workspace)


def told_for(what, younger):
    """What a person sends for a decision about the older brother."""
    return {
        "merge": {"other": younger},
        "unmerge": {"why": "two brothers"},
        "split": {"identifiers": [phone()], "why": "the wife's"},
    }[what]


@pytest.mark.parametrize("what", ["merge", "unmerge", "split"])
def test_a_preview_says_what_really_changes(workspace, api, brothers, what):
    older, younger = brothers
    if what == "unmerge":
        post(api, f"/v1/customers/{older}/merge", other=younger)
        fold(workspace)
    body = told_for(what, younger)
    before = {key: row["owner"] for key, row in stored(workspace).items()}
    contacts = {one: row.contacts_ever for one, row in rows(workspace, "customer_360").items()}
    told = post(api, f"/v1/customers/{older}/{what}/preview", **body)
    assert {key: row["owner"] for key, row in stored(workspace).items()} == before, (
        "a preview changes nothing"
    )
    done = post(api, f"/v1/customers/{older}/{what}", **body)
    assert done["recorded"] == told["events"]
    fold(workspace)
    after = {key: row["owner"] for key, row in stored(workspace).items()}
    new = {one for view, one in after if view == "customer_360"}
    assert len(told["would_be"]) - len(told["customers"]) == len(new) - len(contacts)
    moved = {
        key: owner
        for (view, key), owner in after.items()
        if view == "timeline" and before[view, key] != owner
    }
    assert {one["id"] for one in told["touches"]} == set(moved)
    counted = {one: row.contacts_ever for one, row in rows(workspace, "customer_360").items()}
    assert sorted(one["would_be_ever"] for one in told["contacts"] if one["would_be_ever"]) == sorted(
        count for one, count in counted.items() if count and contacts.get(one) != count
    )
    right(workspace)


@pytest.mark.parametrize("what", ["merge", "unmerge", "split"])
def test_a_preview_names_what_tells_of_a_person_too(workspace, api, brothers, what):
    """By a name somebody is found; a proof says who called; a dead address is somebody's."""
    older, younger = brothers
    lost = {"channel": "voice", "why": "landline", "permanent": True}
    told = send(
        workspace, item("d", phone(), type="customer.described", name="Sam"),
        item("v", phone(), type="identity.verified", method="code", level=2, passed=True, channel="ivr"),
        item("u", phone(), type="identity.unreachable", **lost),
        item("d2", email(), type="customer.described", name="Sue"),
    )  # fmt: skip
    if what == "unmerge":
        post(api, f"/v1/customers/{older}/merge", other=younger)
    fold(workspace)
    body = told_for(what, younger)
    about = post(api, f"/v1/customers/{older}/{what}/preview", **body)["about"]
    moved = told[:3] if what == "split" else told[3:]
    assert {one["id"] for one in about} == {one.event_id for one in moved}
    assert {one["what"] for one in about} == (
        {"customer.described", "identity.verified", "identity.unreachable"}
        if what == "split" else {"customer.described"}
    )  # fmt: skip
    was, becomes = {"merge": (younger, older), "unmerge": (older, younger)}.get(what, (older, None))
    assert all(one["owner"] == was and one["becomes"] == (becomes or one["becomes"]) for one in about)


def test_a_proof_is_not_handed_to_whom_a_merge_brings_in(workspace, api, brothers):
    older, younger = brothers
    proof = {"method": "voiceprint", "level": 3, "passed": True, "channel": "voice"}
    [passed] = send(workspace, item("v", account("2"), type="identity.verified", **proof))
    fold(workspace)
    alone = read(api, f"/v1/customers/{younger}")["identity"]
    assert (alone["verified"]["level"], alone["verified"]["event_id"]) == (3, passed.event_id)
    assert read(api, f"/v1/customers/{older}")["identity"]["verified"] is None
    workspace.clock.pass_time(minutes=1)
    before = workspace.clock.now()
    workspace.clock.pass_time(minutes=1)
    post(api, f"/v1/customers/{older}/merge", other=younger)
    fold(workspace)
    right(workspace)
    assert read(api, f"/v1/customers/{older}")["identity"]["verified"] is None
    then = read(api, f"/v1/customers/{younger}", known_at=before.isoformat())["identity"]["verified"]
    assert then["event_id"] == passed.event_id
    workspace.clock.pass_time(minutes=1)
    [anew] = send(workspace, item("v2", account("2"), type="identity.verified", **{**proof, "level": 1}))
    fold(workspace)
    assert read(api, f"/v1/customers/{older}")["identity"]["verified"]["event_id"] == anew.event_id
    post(api, f"/v1/customers/{older}/unmerge", why="two brothers")
    fold(workspace)
    right(workspace)
    assert read(api, f"/v1/customers/{younger}")["identity"]["verified"]["event_id"] == passed.event_id
    assert read(api, f"/v1/customers/{older}")["identity"]["verified"] is None
    workspace.clock.pass_time(minutes=31)
    assert read(api, f"/v1/customers/{younger}")["identity"]["verified"] is None, "it has run out"


def test_the_same_key_decides_once(workspace, api, brothers):
    older, younger = brothers
    head = {"Idempotency-Key": "k-1"}
    first = api.post(f"/v1/customers/{older}/merge", json={"other": younger}, headers=head)
    again = api.post(f"/v1/customers/{older}/merge", json={"other": younger}, headers=head)
    assert (first.status_code, again.status_code) == (202, 200)
    assert again.json()["recorded"] == []


@pytest.mark.parametrize(
    ("url", "body", "status", "code"),
    [
        ("merge", {"other": "01997a3e-0000-7000-8000-00000000dead"}, 404, "customer.unknown"),
        ("unmerge", {"why": "x"}, 409, "identity.not_merged"),
        ("split", {"identifiers": [account("77")], "why": "x"}, 409, "identity.not_theirs"),
        ("assign", {"event_or_stream": "case-none"}, 404, "event.unknown"),
        ("merge", {"other": "ann"}, 404, "customer.unknown"),
    ],
)
def test_what_cannot_be_decided_is_refused(api, brothers, url, body, status, code):
    answer = api.post(f"/v1/customers/{brothers[0]}/{url}", json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_whom_they_were_known_to_be_then(workspace, api, brothers):
    older, younger = brothers
    apart = workspace.clock.now()
    workspace.clock.pass_time(hours=1)
    post(api, f"/v1/customers/{older}/merge", other=younger)
    workspace.clock.pass_time(hours=1)
    together = workspace.clock.now()
    workspace.clock.pass_time(hours=1)
    post(api, f"/v1/customers/{older}/unmerge", why="two brothers")
    fold(workspace)

    def contacts(known_at):
        return read(api, f"/v1/customers/{older}", known_at=known_at.isoformat())["contacts"]["ever"]

    assert [contacts(apart), contacts(together), contacts(workspace.clock.now())] == [1, 2, 1]

"""Scene G. Somebody asks to be forgotten: nothing of them can be read any more, and the totals stay."""

import base64
import json
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, text

from events.customer import ErasureCertified
from infra.messages import from_row
from infra.personal.erasure import Eraser
from infra.raw_body import NewBody, RawBodies
from infra.rebuilding.rebuild import Rebuild
from models.projections.catalogue import projections
from models.tables.journal import WRITTEN, journal
from tests.support.calling import caller, read
from tests.support.clock import MONDAY
from tests.support.folding import fold, rows
from tests.support.sending import account, email, item, phone, purchase, send
from tests.support.viewing import actual, expected, recorded

PLANTED = {
    "name": "Annabel Quimby-Farrow", "phone": "+14155550137", "mail": "annabel.quimby@example.com",
    "openid": "oWx-annabel-7731", "address": "17 Larkspur Mews, Petaluma", "birthday": "1987-04-23",
    "note": "prefers to be called after vespers", "chat line": "my cat knocked over the router again",
    "voice transcript": "yes this is about the purple invoice", "survey comment": "hold music made me weep",
    "attachment": "annabel-passport-scan.png", "raw webhook body": "x-raw-annabel-marker-90210",
}  # fmt: skip


@pytest.fixture
def api(workspace):
    return caller(workspace)


@pytest.fixture
def annabel(workspace):
    """Annabel on every channel, and Bob beside her, of whom nothing may be lost."""
    her = [account("A-1"), phone(PLANTED["phone"]), email(PLANTED["mail"]),
           {"kind": "openid", "issuer": "wechat:shop", "value": PLANTED["openid"]}]  # fmt: skip
    [first, *_, bob] = send(
        workspace,
        item("d", *her, type="customer.described", name=PLANTED["name"], birthday=PLANTED["birthday"],
             address=PLANTED["address"], note=PLANTED["note"], details=PLANTED["attachment"]),
        item("c", account("A-1"), channel="chat", direction="inbound", contact_id="chat-1", text=PLANTED["chat line"]),
        item("v", phone(PLANTED["phone"]), channel="voice", direction="inbound", text=PLANTED["voice transcript"]),
        item("s", account("A-1"), type="survey.answered", question="q", method="key_press", phase="after", score=2,
             text=PLANTED["survey comment"]),
        purchase("p", account("A-1"), at=MONDAY - timedelta(days=30), amount="120"),
        item("bad", phone("+1 415 555 0137"), type="no.such", note=PLANTED["note"]),
        item("b", account("B-2"), channel="chat", direction="inbound", text="Bob is still here", contact_id="chat-2"),
    )  # fmt: skip
    RawBodies(workspace.engine, workspace.vault).keep(
        [
            NewBody("test", "c", PLANTED["raw webhook body"].encode(), MONDAY),
            NewBody("test", "b", b"bob-raw", MONDAY),
        ]
    )
    fold(workspace)
    return first.customer, bob.customer


def erased(workspace, api, customer):
    answer = api.post(f"/v1/customers/{customer}/erasure", json={"asked_by": "ann"})
    assert answer.status_code == 202, answer.text
    Eraser(workspace).turn()
    fold(workspace)
    return read(api, f"/v1/customers/{customer}/erasure")


def everything(workspace, api):
    """All that can be read: every row of both databases, what topics hold, every answer of the API, opened."""
    found = []
    for engine in (workspace.engine, workspace.vault_engine):
        with engine.connect() as connection:
            tables = text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
            for table in connection.execute(tables).scalars().all():
                for row in connection.execute(text(f'SELECT * FROM "{table}"')):
                    found += [bytes(v) if isinstance(v, bytes | memoryview) else str(v).encode() for v in row]
    with workspace.engine.connect() as connection:
        for row in connection.execute(select(*(journal.c[name] for name in WRITTEN))):
            message = from_row(row)
            found += [*message.keys, message.value, *(value for _, value in message.headers)]
    for one in {e.customer for e in recorded(workspace) if e.customer}:
        found += [api.get(f"/v1/customers/{one}{part}").content for part in ("", "/timeline", "/export")]
    found += [held.raw for held in workspace.quarantine.open_entries()]
    found += [api.get(f"/v1/events/{e.event_id}").content for e in recorded(workspace)]
    return b"\n".join(found)


def rebuild(workspace):
    work = Rebuild(workspace.engine, projections(workspace.rules))
    work.start()
    work.fill()
    work.index()
    work.follow()
    work.swap()


def places(workspace, api, value):
    """In how many of its forms a value is found."""
    all_, plain = everything(workspace, api), value.encode()
    forms = {plain, json.dumps(value)[1:-1].encode(), base64.b64encode(plain), plain.hex().encode()}
    return sum(form in all_ for form in forms)


def in_files(workspace, postgres, values):
    """Which of these values lie in the clear in a file of these databases, or in the server's log of changes."""
    names = [url.rpartition("/")[2].partition("?")[0] for url in
             (workspace.settings.database_url, workspace.settings.vault_url)]  # fmt: skip
    with workspace.engine.connect() as connection:
        directory = Path(connection.execute(text("SHOW data_directory")).scalar_one())
        oids = (
            connection.execute(
                text("SELECT oid::text FROM pg_database WHERE datname = ANY(:names)"), {"names": names}
            )
            .scalars()
            .all()
        )
    folders = [*(directory / "base" / oid for oid in oids), directory / "pg_wal"]
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    assert len(oids) == 2
    assert len(files) > 100
    return {
        value for path in files for raw in [path.read_bytes()] for value in values if value.encode() in raw
    }


def test_twelve_planted_values_are_found_nowhere_afterwards(workspace, api, annabel, postgres, capsys):
    her, _ = annabel
    findable = {what for what, value in PLANTED.items() if places(workspace, api, value)}
    assert findable == set(PLANTED), "a test that looks in the wrong places finds nothing either"
    told = erased(workspace, api, her)
    assert told["state"] == "erased"
    assert {what for what, value in PLANTED.items() if places(workspace, api, value)} == set()
    certificate = told["certificate"]
    assert (certificate["identifiers"], certificate["quarantined"], certificate["raw_bodies"]) == (4, 1, 1)
    assert certificate["archives_until"] > certificate["finished_at"]
    assert places(workspace, api, "Bob is still here")
    assert in_files(workspace, postgres, PLANTED.values()) == set()
    said = capsys.readouterr()
    assert [value for value in PLANTED.values() if value in said.out + said.err] == []


def test_the_totals_stay_and_a_rebuild_brings_nobody_back(workspace, api, annabel):
    her, _ = annabel
    before = rows(workspace, "customer_360")[her]
    rebuild(workspace)
    erased(workspace, api, her)
    with workspace.engine.connect() as connection:
        kept = connection.execute(text("SELECT kept FROM view_generation")).scalars().all()
        owners = [connection.execute(text(f"SELECT owner FROM {one}")).scalars().all() for one in kept]
    assert len(kept) == len(projections(workspace.rules))
    assert all(her not in some for some in owners), "nor is she in what was live before"
    rebuild(workspace)
    after = rows(workspace, "customer_360")[her]
    assert (after.value, after.contacts_ever) == (before.value, before.contacts_ever)
    assert (after.identifiers, after.erased_at is not None) == ((), True)
    envelopes = recorded(workspace)
    assert actual(workspace, envelopes) == expected(workspace, envelopes)
    found = api.get("/v1/customers", params={"phone": PLANTED["phone"]}).json()
    assert found == {"customers": []}


def test_whoever_comes_again_is_somebody_new_whom_no_list_contacts_unasked(workspace, api, annabel):
    her, _ = annabel
    erased(workspace, api, her)
    [again] = send(workspace, item("again", email(PLANTED["mail"]), channel="web"))
    assert again.customer != her
    with workspace.engine.connect() as connection:
        suppressed = connection.execute(text("SELECT kind FROM suppression ORDER BY kind")).scalars().all()
    assert suppressed == ["account", "email", "openid", "phone"]


def test_what_comes_late_is_forgotten_too(workspace, api, annabel):
    her, _ = annabel
    erased(workspace, api, her)
    late = "late words of the same chat"
    [message] = send(
        workspace, item("late", channel="chat", direction="inbound", contact_id="chat-1", text=late)
    )
    assert message.customer == her
    assert places(workspace, api, late)
    Eraser(workspace).turn()
    assert not places(workspace, api, late)
    assert read(api, f"/v1/customers/{her}/erasure")["certificate"]["runs"] == 2


def test_a_late_part_that_names_the_caller_again_leads_to_nobody(workspace, api, annabel):
    """Asterisk sends the number with every line; what was done before the erasure may come days after it."""
    her, bob = annabel
    erased(workspace, api, her)
    workspace.clock.pass_time(hours=2)
    late, before = "late words with her number", "words of before, from a slow system"
    answers = send(
        workspace,
        item("late", phone(PLANTED["phone"]), channel="chat", direction="inbound", contact_id="chat-1", text=late),
        item("slow", phone(PLANTED["phone"]), at=MONDAY - timedelta(days=3), channel="voice", text=before),
    )  # fmt: skip
    assert {one.customer for one in answers} == {her}
    Eraser(workspace).turn()
    fold(workspace)
    assert not places(workspace, api, late)
    assert not places(workspace, api, before)
    assert not places(workspace, api, PLANTED["phone"])
    [anew] = send(workspace, item("anew", phone(PLANTED["phone"]), channel="web"))
    assert anew.customer != her
    slower, with_bob = send(
        workspace, item("slower", phone(PLANTED["phone"]), at=MONDAY - timedelta(days=3), channel="voice", text=before),
        item("bobs", account("B-2"), phone(PLANTED["phone"]), at=MONDAY - timedelta(days=3), channel="voice"),
    )  # fmt: skip
    assert (slower.customer, with_bob.customer) == (her, bob), "whoever has the number now was not it then"
    fold(workspace)
    found = read(api, "/v1/customers", phone=PLANTED["phone"])["customers"]
    assert [one["customer"] for one in found] == [anew.customer]


def test_nobody_living_is_joined_with_or_given_to_whoever_was_forgotten(workspace, api, annabel):
    her, bob = annabel
    erased(workspace, api, her)
    [again] = send(workspace, item("again", phone(PLANTED["phone"]), channel="web"))
    fold(workspace)
    taken = {"identifiers": [{"kind": "phone", "value": PLANTED["phone"]}], "why": "x"}
    [entry, *_] = read(api, f"/v1/customers/{bob}/timeline")["items"]
    for who, what, body in (
        (bob, "merge", {"other": her}), (her, "merge", {"other": bob}), (her, "split", taken),
        (her, "assign", {"event_or_stream": entry["event_id"]}), (bob, "assign", {"event_or_stream": "contact-chat-1"}),
        (her, "decline", {"other": bob, "why": "x"}), (bob, "decline", {"other": her, "why": "x"}),
        (her, "block", {"identifier": taken["identifiers"][0], "why": "x"}),
    ):  # fmt: skip
        refused = api.post(f"/v1/customers/{who}/{what}", json=body)
        assert (refused.status_code, refused.json()["code"]) == (409, "customer.erased"), what
    Eraser(workspace).turn()
    fold(workspace)
    assert places(workspace, api, "Bob is still here")
    found = read(api, "/v1/customers", phone=PLANTED["phone"])["customers"]
    assert [one["customer"] for one in found] == [again.customer]


def test_who_shows_two_known_people_while_one_is_being_forgotten_joins_nobody(workspace, api, annabel):
    her, bob = annabel
    assert api.post(f"/v1/customers/{her}/erasure", json={"asked_by": "ann"}).status_code == 202
    known = [phone(PLANTED["phone"]), {"kind": "openid", "issuer": "im", "value": "bob-openid"}]
    send(workspace, item("o", account("B-2"), known[1], channel="im"))
    send(workspace, item("both", *known, channel="chat"))
    Eraser(workspace).turn()
    fold(workspace)
    assert places(workspace, api, "Bob is still here")
    assert read(api, "/v1/customers", account="B-2", issuer="shop")["customers"][0]["customer"] == bob


def test_who_was_one_with_them_is_told_so_after_an_un_merge(workspace, api, annabel):
    her, bob = annabel
    api.post(f"/v1/customers/{her}/merge", json={"other": bob})
    fold(workspace)
    both = {"erased"} & {erased(workspace, api, her)["state"]}
    api.post(f"/v1/customers/{her}/unmerge", json={"why": "two people"})
    fold(workspace)
    assert both == {read(api, f"/v1/customers/{bob}/erasure")["state"]}
    for one in (her, bob):
        view = read(api, f"/v1/customers/{one}")["identity"]
        assert (view["erased_at"] is None, view["identifiers"]) == (False, [])
    told = [e.event.customer for e in recorded(workspace) if e.type == "customer.erased"]
    assert sorted(told) == sorted(annabel)
    [carl] = send(workspace, item("c", account("C-3"), channel="chat", text="Carl"))
    refused = api.post(f"/v1/customers/{carl.customer}/merge", json={"other": bob})
    assert refused.json()["code"] == "customer.erased"


def test_what_others_left_in_quarantine_stays_whatever_short_words_they_share(workspace, api):
    [zoe, *_] = send(
        workspace, item("z", account("Z"), channel="chat", text="source"),
        item("z2", account("Z"), type="customer.described", birthday="1987-04-23"),
        item("bob 1", account("B-2"), type="no.such", note="an order of Bob's"),
        item("bob 2", account("B-2"), type="no.such", birthday="1987-04-23"),
    )  # fmt: skip
    fold(workspace)
    assert erased(workspace, api, zoe.customer)["certificate"]["quarantined"] == 0
    assert len(workspace.quarantine.open_entries()) == 2


@pytest.mark.parametrize(
    ("name", "written"),
    [("Éléonore Zürcher-x", "ÉLÉONORE ZÜRCHER-X"), ("欧阳锋", "客户欧阳锋要求退款"), ("王伟", "王伟")],
)
@pytest.mark.parametrize("ascii_", [True, False], ids=["escaped", "utf-8"])
def test_a_name_in_any_script_is_found_in_what_could_not_be_taken(workspace, api, name, written, ascii_):
    [who] = send(workspace, item("d", account("Q-1"), type="customer.described", name=name))
    raw = json.dumps(item("junk", type="no.such", x=written), ensure_ascii=ascii_).encode()
    [held] = workspace.door("test").receive([raw])
    assert held.verdict == "quarantined"
    fold(workspace)
    assert erased(workspace, api, who.customer)["certificate"]["quarantined"] == 1
    assert workspace.quarantine.open_entries() == []


def test_after_an_un_merge_exactly_the_right_brother_is_forgotten(workspace, api, annabel):
    her, bob = annabel
    api.post(f"/v1/customers/{her}/merge", json={"other": bob})
    send(workspace, item("m", account("B-2"), channel="voice", text="Bob while they were one"))
    api.post(f"/v1/customers/{her}/unmerge", json={"why": "two people"})
    fold(workspace)
    erased(workspace, api, her)
    assert not places(workspace, api, PLANTED["chat line"])
    assert places(workspace, api, "Bob is still here")
    assert places(workspace, api, "Bob while they were one")


def test_what_is_not_settled_must_be_settled_first(workspace, api, annabel):
    her, bob = annabel
    api.post(f"/v1/customers/{her}/merge", json={"other": bob})
    one = api.post("/v1/opportunities", json={"subject": "line", "customer": her}).json()["opportunity_id"]
    api.post(f"/v1/customers/{her}/unmerge", json={"why": "two people"})
    fold(workspace)
    told = erased(workspace, api, her)
    assert (told["state"], told["certificate"]) == ("waiting", None)
    assert told["waiting"]
    api.post(f"/v1/customers/{bob}/assign", json={"event_or_stream": f"opportunity-{one}"})
    Eraser(workspace).turn()
    assert read(api, f"/v1/customers/{her}/erasure")["state"] == "erased"


def test_subscribers_are_told(workspace, api, annabel):
    her, _ = annabel
    erased(workspace, api, her)
    told = [e for e in recorded(workspace) if e.type.startswith("customer.era")]
    assert [e.type for e in told] == ["customer.erased", "customer.erasure_certified"]
    assert isinstance(told[1].event, ErasureCertified)
    assert {e.customer for e in told} == {her}


def test_asked_twice_it_is_recorded_once(workspace, api, annabel):
    her, _ = annabel
    for _ in range(2):
        erased(workspace, api, her)
    assert sum(e.type == "customer.erased" for e in recorded(workspace)) == 1


def test_nobody_unknown_can_be_forgotten(api):
    unknown = "01997a3e-0000-7000-8000-00000000dead"
    assert (
        api.post(f"/v1/customers/{unknown}/erasure", json={"asked_by": "a"}).json()["code"]
        == "customer.unknown"
    )
    assert api.get(f"/v1/customers/{unknown}/erasure").json()["code"] == "erasure.unknown"


def test_everything_about_one_person_is_one_file(workspace, api, annabel):
    her, _ = annabel
    told = api.get(f"/v1/customers/{her}/export").json()
    text_ = json.dumps(told, ensure_ascii=False)
    assert {what for what, value in PLANTED.items() if value not in text_} == set()
    assert "Bob" not in text_
    assert len(told["events"]) > 5

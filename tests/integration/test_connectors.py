"""Systems that call us in their own words: checked, told, recorded once, and kept as they came."""

import asyncio
import base64
import hashlib
import hmac
import json
from datetime import timedelta
from urllib.parse import urlencode

import httpx
import msgspec
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from fastapi.testclient import TestClient
from sqlalchemy import select
from twilio.request_validator import RequestValidator

from infra.contact.days import contacts_between
from infra.database import engine_for
from infra.door import RECEIVED, VERDICTS
from infra.raw_body import NewBody, RawBodies
from infra.workspace import open_workspace
from models.tables.base import data_key
from models.tables.journal import journal, journal_head
from models.tables.raw_body import raw_body
from services.gateway.app import create_app
from services.gateway.body import BATCH
from services.gateway.connectors.again import ToldAgain, tell_again
from services.gateway.connectors.catalogue import CONNECTORS
from services.gateway.connectors.connector import Instance, Unmapped
from tests.support.calling import caller
from tests.support.clock import MONDAY
from tests.support.folding import fold

URL = "https://hooks.example.com/v1/connectors/twilio-1"
CALLER, OURS = "+14155552671", "+14155550100"
CALL, LEG = "CA" + "1" * 32, "CA" + "2" * 32
MAIL_KEY = ec.generate_private_key(ec.SECP256R1())
PUBLIC = MAIL_KEY.public_key().public_bytes(
    serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
)
FILE = f"""
[[connector]]
name = "twilio-1"
kind = "twilio"
public_url = "{URL}"
own_numbers = ["{OURS}"]
secrets = {{ auth_token = "env:TWILIO_TOKEN" }}
[[connector]]
name = "mail"
kind = "sendgrid"
secrets = {{ public_key = "{base64.b64encode(PUBLIC).decode()}" }}
[[connector]]
name = "site"
kind = "chatwoot"
secrets = {{ secret = "shh" }}
[[connector]]
name = "weixin"
kind = "wechat"
secrets = {{ token = "tok" }}
[[connector]]
name = "pbx"
kind = "asterisk_queue_log"
secrets = {{ key = "pbx-key" }}
[[connector]]
name = "cloud"
kind = "connect"
secrets = {{ key = "cloud-key" }}
"""


@pytest.fixture
def workspace(settings, clock, tmp_path, monkeypatch):
    """A workspace whose gateway knows six systems."""
    monkeypatch.setenv("TWILIO_TOKEN", "twilio-token")
    path = tmp_path / "connectors.toml"
    path.write_text(FILE)
    opened = open_workspace(settings.model_copy(update={"connectors": path}), clock)
    yield opened
    opened.close()


@pytest.fixture
def gateway(workspace):
    with TestClient(create_app(workspace), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def counted():
    """What the door counted since the test began; the four verdicts must add up to what was received."""

    def read():
        verdicts = ("accepted", "duplicate", "refused", "quarantined")
        received = RECEIVED.labels("connectors")._value.get()
        return {"received": received} | {
            one: VERDICTS.labels("connectors", one)._value.get() for one in verdicts
        }

    before = read()

    def since():
        now = {name: int(count - before[name]) for name, count in read().items()}
        assert now["received"] == sum(now[name] for name in now if name != "received")
        return now

    return since


def rows(workspace, source):
    with workspace.engine.connect() as connection:
        query = select(journal).where(journal.c.source == source).order_by(journal.c.position)
        return connection.execute(query).all()


def folded(workspace, source):
    return contacts_between(workspace.engine, source, MONDAY - timedelta(days=1), MONDAY + timedelta(days=1))


def held(workspace):
    return workspace.quarantine.open_entries()


def call(gateway, fields, **more):
    """As Twilio posts a form."""
    signature = RequestValidator("twilio-token").compute_signature(URL, fields)
    headers = {"X-Twilio-Signature": signature, "Content-Type": "application/x-www-form-urlencoded"}
    content = more.get("content", urlencode(fields).encode())
    return gateway.post("/v1/connectors/twilio-1", content=content, headers=headers)


def status(sid, status, second, **more):
    return {
        "CallSid": sid, "CallStatus": status, "From": CALLER, "To": OURS, "Direction": "inbound",
        "Timestamp": f"Mon, 02 Mar 2026 08:59:{second:02d} +0000", **more,
    }  # fmt: skip


LEG_OF = {"ParentCallSid": CALL, "Direction": "outbound-dial", "To": "client:ann"}
CALL_BACKS = [
    status(CALL, "ringing", 1),
    status(CALL, "in-progress", 2),
    status(LEG, "ringing", 10, **LEG_OF),
    status(LEG, "in-progress", 14, **LEG_OF),
    status(LEG, "completed", 40, CallDuration="26", **LEG_OF),
    status(CALL, "completed", 41, CallDuration="39"),
]


def chatwoot(gateway, body, at=None):
    stamp = str(int((at or MONDAY).timestamp()))
    signed = hmac.new(b"shh", stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    headers = {"X-Chatwoot-Timestamp": stamp, "X-Chatwoot-Signature": f"sha256={signed}"}
    return gateway.post("/v1/connectors/site", content=body, headers=headers)


def sendgrid(gateway, body, at=None):
    stamp = str(int((at or MONDAY).timestamp()))
    signed = base64.b64encode(MAIL_KEY.sign(stamp.encode() + body, ec.ECDSA(hashes.SHA256()))).decode()
    headers = {
        "X-Twilio-Email-Event-Webhook-Signature": signed, "X-Twilio-Email-Event-Webhook-Timestamp": stamp,
    }  # fmt: skip
    return gateway.post("/v1/connectors/mail", content=body, headers=headers)


def wechat(gateway, body, at=None):
    stamp = str(int((at or MONDAY).timestamp()))
    signed = hashlib.sha1("".join(sorted(["tok", stamp, "n"])).encode(), usedforsecurity=False).hexdigest()
    query = {"signature": signed, "timestamp": stamp, "nonce": "n"}
    return gateway.post("/v1/connectors/weixin", params=query, content=body)


@pytest.mark.parametrize("turned", [False, True], ids=["in order", "the last first"])
def test_call_backs_of_one_call_become_one_contact_in_any_order_and_repeats_change_nothing(
    gateway, workspace, counted, turned
):
    told = CALL_BACKS[::-1] if turned else CALL_BACKS
    for fields in [*told, *told]:
        answer = call(gateway, fields)
        assert (answer.status_code, answer.content) == (204, b"")
    found = rows(workspace, "twilio-1")
    contacts = {json.loads(row.data)["contact_id"] for row in found}
    assert contacts == {f"twilio-1:{CALL}"}
    assert sorted(row.type for row in found) == sorted(
        [
            "contact.started",
            "contact.answered",
            "contact.rang",
            "contact.answered",
            "contact.ended",
            "contact.answered",
            "contact.ended",
            "contact.started",
        ]
    )
    assert counted() == {"received": 16, "accepted": 8, "duplicate": 8, "refused": 0, "quarantined": 0}
    bot, agent = folded(workspace, "twilio-1")[f"twilio-1:{CALL}"].legs
    assert (bot.bot, bot.talk) == (True, 8)
    assert (agent.agent, agent.ring, agent.talk, agent.ended) == ("ann", 4, 26, "hung_up")
    with_caller = [row for row in found if row.customer is not None and row.identifiers != b"[]"]
    assert {row.source_id.split("/")[0] for row in with_caller} == {CALL}


def test_nothing_that_is_forged_old_cut_or_written_anew_is_taken(gateway, workspace, counted, subtests):

    old = MONDAY - timedelta(seconds=301)
    fields = CALL_BACKS[0]
    message = b'{"event": "message_created"}'
    events = b'[{"event": "open"}]'
    xml = b"<xml><MsgType>text</MsgType></xml>"
    attempts = {
        "a form with another status": lambda: call(
            gateway, fields, content=urlencode(CALL_BACKS[1]).encode()
        ),
        "a form cut off": lambda: call(gateway, fields, content=urlencode(fields).encode()[:-5]),
        "a form written as JSON": lambda: call(gateway, fields, content=json.dumps(fields).encode()),
        "no signature": lambda: gateway.post("/v1/connectors/twilio-1", content=urlencode(fields)),
        "an old chat": lambda: chatwoot(gateway, message, old),
        "an old mail": lambda: sendgrid(gateway, events, old),
        "an old word": lambda: wechat(gateway, xml, old),
        "a mail to come": lambda: sendgrid(gateway, events, MONDAY + timedelta(seconds=301)),
        "a bomb": lambda: wechat(gateway, b'<!DOCTYPE x [<!ENTITY a "b">]><xml><M>&a;</M></xml>'),
        "a wrong key": lambda: gateway.post(
            "/v1/connectors/pbx", headers={"X-API-Key": "k"}, content=b"1|2|3|4|5"
        ),
    }
    for name, attempt in attempts.items():
        with subtests.test(name):
            answer = attempt()
            assert answer.status_code in (401, 403), answer.text
            assert set(answer.json()) >= {"code", "detail", "request_id"}
    assert counted() == {
        "received": len(attempts), "accepted": 0, "duplicate": 0, "refused": len(attempts), "quarantined": 0,
    }  # fmt: skip
    assert workspace.journal.head() == 0
    assert held(workspace) == []
    with workspace.engine.connect() as connection:
        assert connection.execute(select(raw_body.c.key)).all() == []


def test_a_call_that_was_written_anew_on_the_way_is_refused(gateway, counted):
    body = json.dumps([{"event": "open"}]).encode()
    stamp = str(int(MONDAY.timestamp()))
    signed = base64.b64encode(MAIL_KEY.sign(stamp.encode() + body, ec.ECDSA(hashes.SHA256()))).decode()
    headers = {
        "X-Twilio-Email-Event-Webhook-Signature": signed, "X-Twilio-Email-Event-Webhook-Timestamp": stamp,
    }  # fmt: skip
    anew = json.dumps(json.loads(body), separators=(",", ":")).encode()
    assert gateway.post("/v1/connectors/mail", content=anew, headers=headers).status_code == 403
    assert counted()["refused"] == 1


def mail(number, event, **more):
    return {
        "event": event,
        "email": "ann@example.com",
        "sg_event_id": str(number),
        "sg_message_id": "m",
        **more,
    }


MAILS = [
    mail(1, "delivered", timestamp=1772441990),
    mail(2, "bounce"),
    mail(3, "unsubscribe", timestamp=1772441995),
    mail(4, "processed", timestamp=1772441989),
]


def test_a_part_that_cannot_be_told_is_held_with_the_vendors_bytes_and_harms_nothing_beside_it(
    gateway, workspace, counted
):
    body = json.dumps(MAILS, indent=1).encode()
    answer = sendgrid(gateway, body)
    assert answer.status_code == 200
    assert answer.json() == {"received": 3, "accepted": 2, "duplicates": 0, "refused": 0, "quarantined": 1}
    assert [row.type for row in rows(workspace, "mail")] == ["touch.recorded", "consent.withdrawn"]
    (entry,) = held(workspace)
    assert (entry.source, entry.source_id, entry.code, entry.path) == (
        "mail",
        "m/2",
        "invalid",
        "$.timestamp",
    )
    assert entry.raw in body
    assert json.loads(entry.raw) == MAILS[1]
    assert counted()["received"] == 3


def test_an_event_that_the_intake_turns_away_is_held_with_the_vendors_bytes(gateway, workspace):
    """A mapping took a character that no event may have."""
    message = {
        "event": "message_created", "id": 1, "content": "a\x00b", "message_type": "incoming",
        "created_at": "2026-03-02T08:59:00Z", "sender": {"id": 7, "type": "contact"},
        "conversation": {"id": 3, "channel": "Channel::WebWidget"},
    }  # fmt: skip
    body = json.dumps(message).encode()
    answer = chatwoot(gateway, body)
    assert answer.json()["quarantined"] == 1
    (entry,) = held(workspace)
    assert (entry.source, entry.code, entry.raw) == ("site", "invalid", body)
    assert workspace.journal.head() == 0


def test_a_mended_mapping_tells_what_was_held_and_it_causes_nothing(gateway, workspace, clock, monkeypatch):
    """A field was read as a number that is none; the mistake is mended, and the parts are told after all."""

    def mistaken(part, instance):
        raise Unmapped("invalid", "$.timestamp", "Expected a number")

    healthy = CONNECTORS["sendgrid"]
    monkeypatch.setitem(CONNECTORS, "sendgrid", msgspec.structs.replace(healthy, parse=mistaken))
    with TestClient(create_app(workspace)) as mistaking:
        assert sendgrid(mistaking, json.dumps(MAILS).encode()).json()["quarantined"] == 4
    monkeypatch.undo()
    clock.pass_time(days=1)
    instances = {"mail": (healthy, Instance(name="mail"))}
    assert tell_again(workspace, instances) == ToldAgain(tried=4, told=3, held=1)
    found = rows(workspace, "mail")
    assert [(row.type, row.origin, row.known_at) for row in found] == [
        ("touch.recorded", "replay", MONDAY), ("consent.withdrawn", "replay", MONDAY),
    ]  # fmt: skip
    assert [entry.source_id for entry in held(workspace)] == ["m/2"]
    assert len(RawBodies(workspace.engine, workspace.vault).page("mail")) == 3
    assert tell_again(workspace, instances) == ToldAgain(tried=1, told=0, held=1)
    answer = sendgrid(gateway, json.dumps(MAILS).encode(), clock.now())
    assert answer.json() == {"received": 3, "accepted": 0, "duplicates": 2, "refused": 0, "quarantined": 1}


def test_what_was_told_is_kept_as_it_came_sealed_and_once(gateway, workspace):
    body = json.dumps(MAILS).encode()
    sendgrid(gateway, body)
    sendgrid(gateway, body)
    bodies = RawBodies(workspace.engine, workspace.vault)
    found = bodies.fetch("mail", ["m/1", "m/2", "m/3", "m/4"])
    assert {key: json.loads(one.raw) for key, one in found.items()} == {
        "m/1": MAILS[0], "m/3": MAILS[2], "m/4": MAILS[3],
    }  # fmt: skip
    assert {one.received_at for one in found.values()} == {MONDAY}
    with workspace.engine.connect() as connection:
        kept = connection.execute(select(raw_body)).all()
    assert not any(b"ann@" in bytes(row.sealed) for row in kept)
    with workspace.vault_engine.connect() as connection:
        keys = set(connection.execute(select(data_key.c.key_id)).scalars())
    assert {row.key_id for row in kept} <= keys

    assert [one.key for one in bodies.page("mail", limit=2)] == ["m/1", "m/3"]
    assert [one.key for one in bodies.page("mail", after="m/3")] == ["m/4"]
    assert bodies.forget("mail", ["m/3"]) == 3  # whatever is about this mail, what was told as nothing too
    assert bodies.fetch("mail", ["m/1", "m/3", "m/4"]) == {}
    with workspace.vault_engine.connect() as connection:
        left = set(connection.execute(select(data_key.c.key_id)).scalars())
    assert {row.key_id for row in kept} & left == set()


def test_bodies_of_before_a_moment_can_be_forgotten(workspace):
    bodies = RawBodies(workspace.engine, workspace.vault)
    first, other = NewBody("pbx", "1.7/a", b"x", MONDAY), NewBody("pbx", "1.7/a", b"other", MONDAY)
    assert bodies.keep([first, NewBody("pbx", "1.8/b", b"y", MONDAY), other]) == 2
    assert bodies.keep([other]) == 0
    assert bodies.fetch("pbx", ["1.7/a"])["1.7/a"].raw == b"x"
    assert bodies.forget_before(MONDAY) == 0

    assert bodies.forget_before(MONDAY + timedelta(seconds=1)) == 2
    assert bodies.page("pbx") == []


def test_each_vendor_hears_what_it_wants_to_hear(gateway):
    taskrouter = call(
        gateway, {"EventType": "workflow.entered", "Sid": "EV1", "TaskSid": "WT1", "Timestamp": "1772441990"}
    )
    assert (taskrouter.status_code, taskrouter.headers["content-type"]) == (204, "application/json")
    xml = b"<xml><FromUserName>o1</FromUserName><CreateTime>1772441990</CreateTime><MsgType>text</MsgType>"
    said = wechat(gateway, xml + b"<Content>hi</Content><MsgId>5</MsgId></xml>")
    assert (said.status_code, said.text) == (200, "success")
    hello = {"timestamp": str(int(MONDAY.timestamp())), "nonce": "n", "echostr": "2718"}
    hello["signature"] = hashlib.sha1(
        "".join(sorted(["tok", hello["timestamp"], "n"])).encode(), usedforsecurity=False
    ).hexdigest()
    assert gateway.get("/v1/connectors/weixin", params=hello).text == "2718"
    assert gateway.get("/v1/connectors/weixin", params={**hello, "nonce": "m"}).status_code == 403
    record = {
        "ContactId": "c-1", "LastUpdateTimestamp": "2026-03-02T08:00:00Z", "Channel": "VOICE",
        "InitiationMethod": "INBOUND", "InitiationTimestamp": "2026-03-02T07:00:00Z",
    }  # fmt: skip
    data = base64.b64encode(json.dumps(record).encode()).decode()
    firehose = gateway.post(
        "/v1/connectors/cloud", json={"requestId": "r-1", "timestamp": 1, "records": [{"data": data}]},
        headers={"X-Amz-Firehose-Access-Key": "cloud-key"},
    )  # fmt: skip
    assert firehose.json() == {"requestId": "r-1", "timestamp": int(MONDAY.timestamp() * 1000)}


def test_a_file_of_lines_is_taken_and_each_call_is_one_contact(gateway, workspace, counted):
    t = 1772440000
    lines = (
        f"{t}|1.7|billing|NONE|ENTERQUEUE||{CALLER}|1\n{t + 9}|1.7|billing|ann|CONNECT|9|1.8|4\n"
        f"{t + 9}|NONE|billing|ann|PAUSE|lunch\n{t + 99}|1.7|billing|ann|COMPLETECALLER|9|90|1\nbroken\n"
    )
    for _ in range(2):
        answer = gateway.post(
            "/v1/connectors/pbx", content=lines, headers={"Authorization": "Bearer pbx-key"}
        )
        assert answer.status_code == 200
    assert answer.json() == {"received": 7, "accepted": 0, "duplicates": 6, "refused": 0, "quarantined": 1}
    contacts = {json.loads(row.data).get("contact_id") for row in rows(workspace, "pbx")}
    assert contacts == {"pbx:1.7", None}
    assert len(held(workspace)) == 1
    assert counted()["received"] == 14


def test_calls_that_come_at_the_same_time_are_each_recorded_and_kept_once(workspace, counted):
    """Forty calls, each sent twice at once."""
    fields = [status(f"CA{number:032d}", "ringing", 1) for number in range(40)]

    async def send():
        transport = httpx.ASGITransport(create_app(workspace))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await asyncio.gather(*(post(client, one) for one in [*fields, *fields]))

    async def post(client, one):
        signature = RequestValidator("twilio-token").compute_signature(URL, one)
        return await client.post(
            "/v1/connectors/twilio-1", data=one, headers={"X-Twilio-Signature": signature}
        )

    assert {answer.status_code for answer in asyncio.run(send())} == {204}
    assert counted() == {"received": 80, "accepted": 40, "duplicate": 40, "refused": 0, "quarantined": 0}
    assert len(RawBodies(workspace.engine, workspace.vault).page("twilio-1")) == 40
    with workspace.engine.connect() as connection:
        kept = set(connection.execute(select(raw_body.c.key_id)).scalars())
    with workspace.vault_engine.connect() as connection:
        keys = set(connection.execute(select(data_key.c.key_id)).scalars())
    assert kept <= keys


def test_an_amended_record_adds_its_wrap_up_and_repeats_the_rest(gateway, workspace, counted):
    record = {
        "ContactId": "c-1", "LastUpdateTimestamp": "2026-03-02T08:00:00Z", "Channel": "VOICE",
        "InitiationMethod": "INBOUND", "InitiationTimestamp": "2026-03-02T07:00:00Z",
        "DisconnectTimestamp": "2026-03-02T07:05:00Z",
        "CustomerEndpoint": {"Type": "TELEPHONE_NUMBER", "Address": CALLER},
        "Agent": {"Username": "ann", "AfterContactWorkEndTimestamp": "2026-03-02T07:06:00Z"},
    }  # fmt: skip
    for updated in ("2026-03-02T08:00:00Z", "2026-03-02T08:30:00Z"):
        body = json.dumps({**record, "LastUpdateTimestamp": updated})
        answer = gateway.post("/v1/connectors/cloud", content=body, headers={"X-API-Key": "cloud-key"})
        assert answer.status_code == 200
    found = [row.type for row in rows(workspace, "cloud")]
    assert found == ["contact.started", "contact.ended", "contact.wrapped_up", "contact.wrapped_up"]
    assert counted() == {"received": 6, "accepted": 4, "duplicate": 2, "refused": 0, "quarantined": 0}
    bodies = RawBodies(workspace.engine, workspace.vault)
    assert len(bodies.page("cloud")) == 2
    assert bodies.forget("cloud", ["c-1/started"]) == 2


def test_a_vendor_that_waits_five_seconds_is_told_in_time_that_we_are_busy(workspace, monkeypatch):
    """Somebody holds the journal's lock; what was sent is recorded all the same, and its repeat is a duplicate."""
    monkeypatch.setitem(CONNECTORS, "wechat", msgspec.structs.replace(CONNECTORS["wechat"], patience=0.3))
    xml = (
        b"<xml><FromUserName>o1</FromUserName><CreateTime>1772441990</CreateTime><MsgType>text</MsgType>"
        b"<Content>hi</Content><MsgId>5</MsgId></xml>"
    )
    with TestClient(create_app(workspace)) as client:
        with workspace.engine.begin() as holding:
            holding.execute(select(journal_head).with_for_update())
            answer = wechat(client, xml)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
        assert wechat(client, xml).text == "success"
    assert len(rows(workspace, "weixin")) == 1


def test_a_system_that_is_not_configured_is_told_how_to(gateway, workspace, settings, clock):
    answer = gateway.post("/v1/connectors/unknown", content=b"{}")
    assert answer.status_code == 404
    assert "TOUCHSTONE_CONNECTORS" in answer.json()["detail"]
    assert gateway.get("/v1/connectors/pbx").status_code == 405
    bare = open_workspace(settings, clock)
    with TestClient(create_app(bare)) as client:
        assert client.post("/v1/connectors/pbx").status_code == 404
    bare.close()


def test_one_system_that_is_not_set_up_rightly_harms_no_other(workspace, monkeypatch, capsys):
    """A secret's variable is not set: its calls may come again later, and all others are taken."""
    monkeypatch.delenv("TWILIO_TOKEN")
    with TestClient(create_app(workspace), raise_server_exceptions=False) as client:
        answer = call(client, CALL_BACKS[0])
        assert (answer.status_code, answer.json()["code"]) == (503, "connector_not_set_up")
        assert "touchstone connectors list" in answer.json()["detail"]
        assert client.get("/v1/connectors/twilio-1").status_code == 503
        assert sendgrid(client, json.dumps(MAILS).encode()).json()["accepted"] == 2
        assert client.post("/v1/connectors/unknown").status_code == 404
    (line,) = [one for one in capsys.readouterr().out.splitlines() if "connector not set up" in one]
    assert "connector twilio-1: the secret auth_token is in TWILIO_TOKEN, which is not set" in line


def test_a_file_that_is_no_toml_stops_no_other_door(settings, clock, tmp_path, capsys):
    path = tmp_path / "connectors.toml"
    path.write_text("[[connector]\n")
    opened = open_workspace(settings.model_copy(update={"connectors": path}), clock)
    with TestClient(create_app(opened), raise_server_exceptions=False) as client:
        assert client.post("/v1/connectors/anything").status_code == 503
        assert client.post("/v1/batch", json={"batch": []}).status_code == 401  # as without a key at any time
    opened.close()
    (line,) = [one for one in capsys.readouterr().out.splitlines() if "connector not set up" in one]
    assert "is no TOML" in line


RECORD = (
    '"",{caller},"s","in","","PJSIP/trunk-1","PJSIP/ann-2","Queue","billing","2026-03-02 08:26:40",'
    '"2026-03-02 08:26:40","2026-03-02 08:28:19",99,99,"ANSWERED","DOCUMENTATION","{call}",""'
)


@pytest.mark.parametrize("turned", [False, True], ids=["queue_log first", "the record first"])
def test_a_call_that_two_files_of_one_switch_tell_of_is_one_contact(settings, clock, tmp_path, turned):
    path = tmp_path / "connectors.toml"
    path.write_text("".join(
        f'[[connector]]\nname = "{name}"\nkind = "{kind}"\nswitch = "hq"\nsecrets = {{ key = "k" }}\n'
        for name, kind in (("queues", "asterisk_queue_log"), ("records", "asterisk_cdr"))
    ))  # fmt: skip
    opened, t = open_workspace(settings.model_copy(update={"connectors": path}), clock), 1772440000
    told = {
        "queues": f"{t}|{t}.7|billing|NONE|ENTERQUEUE||{CALLER}|1\n"
        f"{t + 9}|{t}.7|billing|PJSIP/ann|CONNECT|9|1.8|4\n"
        f"{t + 99}|{t}.7|billing|PJSIP/ann|COMPLETECALLER|9|90|1\n",
        "records": RECORD.format(caller=CALLER, call=f"{t}.7"),
    }
    with TestClient(create_app(opened)) as client:
        for name in sorted(told, reverse=turned):
            answer = client.post(f"/v1/connectors/{name}", content=told[name], headers={"X-API-Key": "k"})
            assert answer.json()["quarantined"] == 0, answer.text
    (contact,) = folded(opened, "records").values()
    assert contact.contact_id == f"hq:{t}.7"
    assert [(leg.agent, leg.wait, leg.talk, leg.ended) for leg in contact.legs] == [("ann", 9, 90, "hung_up")]
    assert folded(opened, "queues") == {contact.contact_id: contact}
    assert {row.customer for name in told for row in rows(opened, name)} == {
        rows(opened, "queues")[0].customer
    }
    fold(opened)
    api = caller(opened)
    seen = api.get(f"/v1/customers/{rows(opened, 'queues')[0].customer}").json()
    assert (seen["contacts"]["today"], seen["contacts"]["ever"]) == (1, 1)
    opened.close()


def test_events_of_a_product_that_nobody_knows_are_held_and_counted(gateway, workspace, counted):
    other = {"EventType": "onMessageAdded", "ConversationSid": "CH1", "MessageSid": "IM1", "Body": "Hello"}
    assert call(gateway, other).status_code == 204
    assert call(gateway, other).status_code == 204
    assert {entry.code for entry in held(workspace)} == {"unknown_type"}
    assert counted()["quarantined"] == 2


def test_a_call_with_too_many_parts_is_refused_whole(gateway, counted):
    lines = "\n".join(["1|1|q|a|CONFIGRELOAD"] * (BATCH + 1))
    answer = gateway.post("/v1/connectors/pbx", content=lines, headers={"X-API-Key": "pbx-key"})
    assert (answer.status_code, answer.json()["code"]) == (413, "batch_too_large")
    assert counted() == {"received": 1, "accepted": 0, "duplicate": 0, "refused": 1, "quarantined": 0}


def test_while_the_database_is_away_the_vendor_is_asked_to_come_back(gateway, workspace, postgres):

    gone = engine_for("postgresql://nobody@127.0.0.1:1/none")
    bare = workspace.__class__(**{**workspace.__dict__, "engine": gone, "vault_engine": gone})
    with TestClient(create_app(bare)) as client:
        answer = call(client, CALL_BACKS[0])
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    gone.dispose()
    assert call(gateway, CALL_BACKS[0]).status_code == 204
    assert len(rows(workspace, "twilio-1")) == 1

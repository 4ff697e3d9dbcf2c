"""The connectors: what a vendor sends is told as the golden files say, and only what is signed is taken."""

import base64
import hashlib
import hmac
import json
import os
from collections import Counter
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from sqlalchemy import create_engine
from twilio.request_validator import RequestValidator

from events import codec
from events.envelope import Envelope, IdentifierRef
from infra.intake import Intake, Pending, Rejected
from infra.matching import Matcher
from infra.vault import Vault
from services.gateway.connectors.catalogue import CONNECTORS
from services.gateway.connectors.connector import (
    Call,
    Instance,
    Options,
    Part,
    Refusal,
    Secrets,
    parts_of,
    translate,
)
from services.gateway.connectors.remap import remap
from services.gateway.connectors.settings import ConnectorProblem, examine, find_instance, load_instances
from tests.support.goldens import instance_of, raws, told

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
STAMP = str(int(NOW.timestamp()))
AES_KEY = base64.b64encode(bytes(range(32))).decode().rstrip("=")


@pytest.fixture(scope="module")
def intake() -> Intake:
    """An intake that reads and never seals, so that it needs no database."""
    engine = create_engine("postgresql+psycopg://")
    return Intake(Matcher(bytes(32)), Vault(engine, bytes(32)), region="US")


@pytest.mark.parametrize("sample", raws(), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_sample_is_told_as_its_golden_file_says(sample):
    assert told(sample) == json.loads(sample.with_suffix(".json").read_text())


def test_every_kind_has_ten_samples_and_three_that_are_malformed():
    found = Counter(path.parent.name for path in raws())
    bad = Counter(path.parent.name for path in raws() if "-malformed-" in path.name)
    assert {name for name, count in found.items() if count < 10 or bad[name] < 3} == set()
    assert {instance_of(path)[0]["kind"] for path in raws()} == set(CONNECTORS)


def test_the_intake_takes_every_event_of_the_golden_files(intake):
    """A mapping that tells what the intake turns away would fill the quarantine."""
    turned_away = []
    for sample in raws():
        said, instance = instance_of(sample)
        connector = CONNECTORS[said["kind"]]
        try:
            parts = parts_of(sample.read_bytes(), said["content_type"], connector, instance)
        except Refusal:
            continue
        for part in parts:
            events = translate(part, connector, instance)
            for one in [] if isinstance(events, Rejected) else events:
                read = intake.read(one, datetime(2026, 11, 1, tzinfo=UTC))
                if isinstance(read, Rejected):
                    turned_away.append((sample.name, read.code, read.path))
    assert turned_away == []


def test_a_truncated_or_mangled_body_never_makes_a_connector_stumble():
    """Whatever comes, each part is told or rejected, or the whole refused; nothing raises."""
    for sample in raws():
        said, instance = instance_of(sample)
        connector, raw = CONNECTORS[said["kind"]], sample.read_bytes()
        for mangled in (
            raw[: len(raw) // 2],
            raw[::-1],
            raw.replace(b"1", b"\xff"),
            raw * 2,
            b"",
            b"[" * 9_000,
        ):
            try:
                for part in connector.split(mangled, said["content_type"]):
                    translate(part, connector, instance)
            except Refusal:
                pass


@pytest.mark.parametrize("time", ["-62135596800", "253402300799", "1e12", "NaN", "-1e400"])
def test_a_time_far_from_any_call_is_held_and_never_a_stumble(time):
    """Moved to another zone, the first and the last second of the calendar would fall out of it."""
    said = f"<FromUserName>o</FromUserName><CreateTime>{time}</CreateTime><MsgType>text</MsgType><MsgId>1</MsgId>"
    xml = f"<xml>{said}</xml>"
    instance = Instance(name="w", options=Options(zone="Asia/Shanghai"))
    (part,) = CONNECTORS["wechat"].split(xml.encode(), "")
    assert isinstance(translate(part, CONNECTORS["wechat"], instance), Rejected)


@pytest.mark.parametrize("time", ["0001-01-01 00:00:00", "9999-12-31 23:59:59"])
def test_a_file_of_another_age_is_held(time):
    columns = [
        "",
        "4155552671",
        "s",
        "c",
        "",
        "a-1",
        "b-2",
        "Dial",
        "",
        time,
        "",
        "",
        "1",
        "0",
        "BUSY",
        "3",
        "1.7",
    ]
    (part,) = CONNECTORS["asterisk_cdr"].split(",".join(columns).encode(), "")
    for zone in ("Asia/Shanghai", "America/New_York"):
        told = translate(part, CONNECTORS["asterisk_cdr"], Instance(name="p", options=Options(zone=zone)))
        assert isinstance(told, Rejected)


def twilio(**options: str) -> Instance:
    return Instance(name="t", options=Options(**options), secrets=Secrets(auth_token="twilio-token"))


URL = "https://hooks.example.com/v1/connectors/t"


def signed(fields: dict[str, str], url: str = URL, by: str = "twilio-token") -> dict[str, str]:
    return {"x-twilio-signature": RequestValidator(by).compute_signature(url, fields)}


def refused(kind: str, call: Call, raw: bytes, instance: Instance, now: datetime = NOW) -> str:
    """The code of the refusal; empty where the call is taken."""
    try:
        found = CONNECTORS[kind].verify(call, raw, instance, now)
    except Refusal as refusal:
        found = refusal
    return found.code if found else ""


def test_twilio_signs_its_form_and_the_address_that_it_called():
    fields = {"CallSid": "CA1", "CallStatus": "ringing", "From": "+14155552671", "Note": ""}
    body, instance = urlencode(fields).encode(), twilio(public_url=URL)
    call = Call(url="http://10.0.0.7:8471/v1/connectors/t", headers=signed(fields))
    assert refused("twilio", call, body, instance) == ""
    assert refused("twilio", Call(url=URL, headers=signed(fields)), body, twilio()) == ""
    assert refused("twilio", Call(url=call.url), body, instance) == "signature_missing"
    for bad in (
        (call, body[:-9]), (call, body.replace(b"ringing", b"completed")), (call, json.dumps(fields).encode()),
        (Call(url=call.url, headers=signed(fields, by="other")), body), (call, body + b"&Extra=1"),
        (Call(url=call.url, query="a=1", headers=call.headers), body), (call, b"\xff" + body),
    ):  # fmt: skip
        assert refused("twilio", bad[0], bad[1], instance) == "signature_wrong"


def test_twilio_signs_each_value_of_a_field_that_comes_twice():
    fields = {"CallSid": ["CA1"], "Note": ["b", "a", "b"]}
    text = URL + "CallSidCA1" + "NoteaNoteb"
    signature = base64.b64encode(hmac.new(b"twilio-token", text.encode(), hashlib.sha1).digest()).decode()
    call = Call(headers={"x-twilio-signature": signature})
    body, instance = urlencode(fields, doseq=True).encode(), twilio(public_url=URL)
    assert refused("twilio", call, body, instance) == ""
    assert refused("twilio", call, body.replace(b"Note=a", b"Note=c"), instance) == "signature_wrong"


def test_what_a_refusal_says_names_what_to_look_at():
    wrong = CONNECTORS["twilio"].verify(Call(headers=signed({}, by="other")), b"A=1", twilio(), NOW)
    assert "auth_token" in wrong.detail
    assert "public_url" in wrong.detail
    old = {"x-chatwoot-timestamp": "1", "x-chatwoot-signature": ""}
    old["x-chatwoot-signature"] = "sha256=" + hmac.new(b"shh", b"1.", hashlib.sha256).hexdigest()
    late = CONNECTORS["chatwoot"].verify(
        Call(headers=old), b"", Instance(name="c", secrets=Secrets(secret="shh")), NOW
    )
    assert "replay_seconds" in late.detail


def test_twilio_signs_json_by_the_hash_in_the_address_and_nothing_goes_without_it():
    body, instance = b'[{"type":"com.twilio.taskrouter.x"}]', twilio(public_url=URL)
    headers = {"content-type": "application/json"}
    query = "bodySHA256=" + hashlib.sha256(body).hexdigest()
    call = Call(query=query, headers={**headers, **signed({}, f"{URL}?{query}")})
    assert refused("twilio", call, body, instance) == ""
    assert refused("twilio", call, body + b" ", instance) == "signature_wrong"
    bare = Call(headers={**headers, **signed({}, URL)})
    assert refused("twilio", bare, body, instance) == "signature_wrong"


def test_twilio_signs_with_the_algorithm_that_the_call_names():
    fields, instance = {"CallSid": "CA1"}, twilio(public_url=URL)
    newer = RequestValidator("twilio-token").compute_signature(URL, fields, "HMAC_SHA256")
    named = {"x-twilio-webhooks-signature-settings": "key=k,algorithm=HMAC_SHA256"}
    body = urlencode(fields).encode()
    assert refused("twilio", Call(headers={"x-twilio-signature": newer, **named}), body, instance) == ""
    strange = {"x-twilio-signature": newer, "x-twilio-webhooks-signature-settings": "algorithm=NONE"}
    assert refused("twilio", Call(headers=strange), body, instance) == "signature_wrong"


@pytest.fixture(scope="module")
def sendgrid_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def test_sendgrid_signs_time_and_raw_bytes(sendgrid_key):
    public = sendgrid_key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    instance = Instance(name="s", secrets=Secrets(public_key=base64.b64encode(public).decode()))
    body = b'[{"event":"delivered"}]\r\n'

    def call(stamp: str = STAMP, signed: bytes = body) -> Call:
        signature = sendgrid_key.sign(stamp.encode() + signed, ec.ECDSA(hashes.SHA256()))
        told = base64.b64encode(signature).decode()
        return Call(
            headers={
                "x-twilio-email-event-webhook-signature": told, "x-twilio-email-event-webhook-timestamp": stamp,
            }
        )  # fmt: skip

    assert refused("sendgrid", call(), body, instance) == ""
    assert refused("sendgrid", call(), body.strip(), instance) == "signature_wrong"  # encoded anew
    assert refused("sendgrid", call(), body[:-4], instance) == "signature_wrong"
    assert refused("sendgrid", Call(), body, instance) == "signature_missing"
    assert refused("sendgrid", call(), body, instance, NOW + timedelta(seconds=300)) == ""
    assert refused("sendgrid", call(), body, instance, NOW + timedelta(seconds=301)) == "replayed"
    assert refused("sendgrid", call(), body, instance, NOW - timedelta(seconds=301)) == "replayed"
    assert refused("sendgrid", call(stamp="soon"), body, instance) == "replayed"
    later = Instance(name="s", options=Options(replay_seconds=86_400), secrets=instance.secrets)
    assert refused("sendgrid", call(), body, later, NOW + timedelta(seconds=301)) == ""


def test_chatwoot_signs_time_and_raw_bytes_or_has_a_key_in_the_address():
    instance, body = Instance(name="c", secrets=Secrets(secret="shh")), b'{"event":"message_created"}'
    signature = hmac.new(b"shh", STAMP.encode() + b"." + body, hashlib.sha256).hexdigest()
    headers = {"x-chatwoot-timestamp": STAMP, "x-chatwoot-signature": f"sha256={signature}"}
    call = Call(headers=headers)
    assert refused("chatwoot", call, body, instance) == ""
    assert refused("chatwoot", call, body + b"\n", instance) == "signature_wrong"
    assert refused("chatwoot", call, body, instance, NOW + timedelta(seconds=301)) == "replayed"
    assert refused("chatwoot", Call(query="key=shh"), body, instance) == "signature_missing"
    older = Instance(name="c", secrets=Secrets(key="in the address"))
    assert refused("chatwoot", Call(query="key=in%20the%20address"), body, older) == ""
    assert refused("chatwoot", Call(query="key=wrong"), body, older) == "key_wrong"
    assert refused("chatwoot", Call(), body, older) == "key_missing"


@pytest.mark.parametrize("kind", ["connect", "asterisk_cdr", "asterisk_queue_log"])
def test_who_signs_nothing_shows_a_key(kind):
    instance = Instance(name="k", secrets=Secrets(key="k-1"))
    for headers in (
        {"authorization": "Bearer k-1"},
        {"x-api-key": "k-1"},
        {"x-amz-firehose-access-key": "k-1"},
    ):
        assert refused(kind, Call(headers=headers), b"", instance) == ""
    assert refused(kind, Call(headers={"x-api-key": "kä"}), b"", instance) == "key_wrong"
    assert refused(kind, Call(), b"", instance) == "key_missing"


def wechat_signature(*words: str) -> str:
    return hashlib.sha1("".join(sorted(words)).encode(), usedforsecurity=False).hexdigest()


def wechat_sealed(message: bytes, app_id: str = "wx1") -> str:
    """As WeChat seals: chance, length, message, app id, padded to 32."""
    plain = os.urandom(16) + len(message).to_bytes(4) + message + app_id.encode()
    padding = 32 - len(plain) % 32
    key = bytes(range(32))
    cipher = Cipher(algorithms.AES(key), modes.CBC(key[:16])).encryptor()
    return base64.b64encode(cipher.update(plain + bytes([padding]) * padding) + cipher.finalize()).decode()


def test_wechat_in_the_clear_signs_the_time():
    instance = Instance(name="w", secrets=Secrets(token="tok"))
    query = urlencode({"signature": wechat_signature("tok", STAMP, "n"), "timestamp": STAMP, "nonce": "n"})
    assert refused("wechat", Call(query=query), b"<xml/>", instance) == ""
    assert (
        refused("wechat", Call(query=query), b"<xml/>", instance, NOW + timedelta(seconds=301)) == "replayed"
    )
    assert (
        refused("wechat", Call(query=query.replace("nonce=n", "nonce=m")), b"", instance) == "signature_wrong"
    )
    assert refused("wechat", Call(), b"", instance) == "signature_missing"


def test_wechat_answers_the_handshake_with_its_own_word():
    instance, greet = (
        Instance(name="w", secrets=Secrets(token="tok", aes_key=AES_KEY)),
        CONNECTORS["wechat"].greet,
    )
    fields = {
        "signature": wechat_signature("tok", STAMP, "n"),
        "timestamp": STAMP,
        "nonce": "n",
        "echostr": "31415",
    }
    reply = greet(Call(method="GET", query=urlencode(fields)), instance, NOW)
    assert (reply.status, reply.body, reply.media_type) == (200, b"31415", "text/plain")
    with pytest.raises(Refusal):
        greet(Call(method="GET", query=urlencode({**fields, "signature": "0"})), instance, NOW)


def test_wechat_seals_its_messages_and_then_nothing_comes_in_the_clear():
    connector = CONNECTORS["wechat"]
    secrets = Secrets(token="tok", aes_key=AES_KEY)
    instance = Instance(name="w", options=Options(app_id="wx1"), secrets=secrets)
    message = "<xml><MsgType>text</MsgType><Content>账单</Content></xml>".encode()

    def call(sealed: str) -> tuple[Call, bytes]:
        fields = {
            "signature": wechat_signature("tok", STAMP, "n"), "timestamp": STAMP, "nonce": "n",
            "encrypt_type": "aes", "msg_signature": wechat_signature("tok", STAMP, "n", sealed),
        }  # fmt: skip
        return Call(query=urlencode(fields)), f"<xml><Encrypt><![CDATA[{sealed}]]></Encrypt></xml>".encode()

    told, body = call(wechat_sealed(message))
    assert refused("wechat", told, body, instance) == ""
    assert connector.open(body, instance) == message
    assert refused("wechat", told, call(wechat_sealed(message))[1], instance) == "signature_wrong"
    assert refused("wechat", told, message, instance) == "sealed_wrong"
    assert refused("wechat", told, body[:-20], instance) == "sealed_wrong"
    clear = Call(query=told.query.replace("msg_signature", "other"))
    assert refused("wechat", clear, message, instance) == "signature_missing"
    for sealed in (wechat_sealed(message, "wx2"), "AAAA", base64.b64encode(bytes(64)).decode()):
        with pytest.raises(Refusal):
            connector.open(call(sealed)[1], instance)


def test_an_xml_bomb_is_refused_sealed_or_not():
    bomb = b'<!DOCTYPE z [<!ENTITY a "aaaa">]><xml><Encrypt>&a;</Encrypt></xml>'
    sealing = Instance(name="w", secrets=Secrets(token="tok", aes_key=AES_KEY))
    assert refused("wechat", Call(query="msg_signature=1"), bomb, sealing) == "xml_forbidden"
    with pytest.raises(Refusal, match="xml_forbidden"):
        CONNECTORS["wechat"].split(bomb, "text/xml")


def configured(tmp_path, text: str, **environment: str):
    path = tmp_path / "connectors.toml"
    path.write_text(text)
    return load_instances(path, environment, region="DE")


GOOD = """
[[connector]]
name = "twilio-1"
kind = "twilio"
own_numbers = ["+14155550100"]
secrets = { auth_token = "env:TOKEN" }
"""


def test_instances_come_from_a_file_and_their_secrets_never_print(tmp_path):
    connector, instance = configured(tmp_path, GOOD, TOKEN="very secret")["twilio-1"]
    assert connector is CONNECTORS["twilio"]
    assert instance.options.region == "DE"
    assert instance.secrets["auth_token"] == "very secret"
    assert "very secret" not in f"{instance} {instance!r} {instance.secrets}"
    assert load_instances(None, {}, region="DE") == {}


BAD_FILES = {
    "no TOML": ("[[", "is no TOML"),
    "a name that is none": (GOOD.replace("twilio-1", "Twilio 1"), "name"),
    "a list for a name": (GOOD.replace('"twilio-1"', '["twilio-1"]'), "connector number 1: a name has"),
    "one table and no list": (GOOD.replace("[[connector]]", "[connector]"), "write a [[connector]]"),
    "a kind that is none": (GOOD.replace('"twilio"', '"fax"'), "the kinds are asterisk_cdr"),
    "an option that is none": (GOOD + "colour = 1\n", "no option colour"),
    "a switch of another form": (GOOD + 'switch = "Big Switch"\n', "$.switch"),
    "a table of another name": (GOOD.replace("[connector]", "[connectors]"), "[[connector]]"),
    "a name twice": (GOOD + GOOD, "two instances are called twilio-1"),
    "a name of ours": (GOOD.replace("twilio-1", "api"), "one of our own sources"),
    "a zone that is none": (GOOD + 'zone = "Mars/Base"\n', "is no time zone"),
    "a region that is none": (GOOD + 'region = "XX"\n', "is no region"),
    "another secret": (GOOD.replace("auth_token", "password"), "has the secrets auth_token"),
    "a variable that is not set": (GOOD.replace("env:TOKEN", "env:NOWHERE"), "in NOWHERE, which is not set"),
    "an empty secret": (GOOD.replace("env:TOKEN", ""), "is empty"),
    "a key of another form": (
        '[[connector]]\nname = "w"\nkind = "wechat"\nsecrets = { token = "t", aes_key = "shortsecret" }',
        "not of its form",
    ),
    "a public key that is none": (
        '[[connector]]\nname = "s"\nkind = "sendgrid"\nsecrets = { public_key = "shortsecret" }', "not of its form",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_file_that_cannot_be_used_says_what_is_wrong_and_no_secret(tmp_path, name):
    text, said = BAD_FILES[name]
    with pytest.raises(ConnectorProblem) as problem:
        configured(tmp_path, text, TOKEN="topsecret")
    assert said in str(problem.value)
    assert "topsecret" not in str(problem.value)
    assert "shortsecret" not in str(problem.value)


def test_a_mistake_in_one_instance_harms_no_other(tmp_path):
    path = tmp_path / "connectors.toml"
    second = GOOD.replace("twilio-1", "twilio-2").replace("env:TOKEN", "env:NOWHERE")
    path.write_text(GOOD + second + "colour = 1\n" + second.replace("twilio-2", "twilio-3"))
    examined = examine(path, {"TOKEN": "t"}, region="DE")
    assert set(examined.found) == {"twilio-1"}
    assert set(examined.wrong) == {"twilio-2", "twilio-3"}
    assert [one.split(": ")[1] for one in examined.problems] == ["connector twilio-2", "connector twilio-3"]
    assert find_instance("twilio-1", path, {"TOKEN": "t"}, region="DE")[1].name == "twilio-1"
    with pytest.raises(ConnectorProblem, match="in NOWHERE, which is not set"):
        find_instance("twilio-3", path, {"TOKEN": "t"}, region="DE")
    with pytest.raises(ConnectorProblem, match="there are twilio-1"):
        find_instance("twilio-9", path, {"TOKEN": "t"}, region="DE")


def test_two_instances_of_a_name_are_both_of_no_use(tmp_path):
    path = tmp_path / "connectors.toml"
    path.write_text(GOOD + GOOD)
    examined = examine(path, {"TOKEN": "t"}, region="DE")
    assert (set(examined.found), set(examined.wrong), len(examined.problems)) == (set(), {"twilio-1"}, 1)


def test_instances_of_one_switch_tell_of_the_same_calls():
    queues, records = Instance(name="queues", options=Options(switch="hq")), Instance(name="hq")
    assert queues.contact("1772442000.7") == records.contact("1772442000.7") == "hq:1772442000.7"


PERSONS = {
    "wechat": (
        b"<xml><FromUserName>oP3rs0n</FromUserName><CreateTime>1772441990</CreateTime><MsgType>text</MsgType>"
        b"<MsgId>7</MsgId></xml>", "oP3rs0n",
    ),
    "chatwoot": (b'{"event": "contact_updated", "id": 4711, "email": "ann@example.com"}', "4711"),
}  # fmt: skip


@pytest.mark.parametrize("kind", PERSONS)
def test_nobody_without_our_key_can_tell_whose_part_a_key_is_of(tmp_path, kind):
    """Keys and contact ids are kept in the clear: a person's id, tried out, must not be found in them."""
    raw, person = PERSONS[kind]
    secrets = 'token = "t"' if kind == "wechat" else 'secret = "s"'
    path = tmp_path / "connectors.toml"
    path.write_text(f'[[connector]]\nname = "x"\nkind = "{kind}"\nsecrets = {{ {secrets} }}\n')
    told = []
    for key in (bytes(32), bytes([7]) * 32):
        connector, instance = find_instance("x", path, {}, region="US", matcher=Matcher(key))
        (part,) = parts_of(raw, "", connector, instance)
        (one,) = translate(part, connector, instance)
        event = json.loads(one)
        told.append((part.key, event["source_id"], event["data"].get("contact_id")))
        for guess in (person, hashlib.sha256(person.encode()).hexdigest()[:32]):
            assert not [one for one in told[-1] if one and guess in one]
    assert told[0][0] != told[1][0]
    keyless, instance = find_instance("x", path, {}, region="US")
    (part,) = parts_of(raw, "", keyless, instance)
    assert isinstance(translate(part, keyless, instance), Rejected)


def test_a_file_that_is_not_there_says_which_setting_names_it(tmp_path):
    with pytest.raises(ConnectorProblem, match="TOUCHSTONE_CONNECTORS"):
        load_instances(tmp_path / "nowhere.toml", {}, region="US")


def recorded(intake: Intake, one: bytes) -> tuple[str, Envelope]:
    """The envelope that the journal would have of an event."""
    pending = intake.read(one, NOW)
    assert isinstance(pending, Pending)
    draft = pending.draft
    refs: tuple[IdentifierRef, ...] = draft.identifiers
    return draft.source_id, Envelope(
        event=pending.event, event_id="e", position=1, occurred_at=draft.occurred_at, known_at=NOW,
        recorded_at=NOW, source=draft.source, source_id=draft.source_id, identifiers=refs,
    )  # fmt: skip


def test_reading_stored_bodies_again_shows_what_a_mended_mapping_would_change(intake):
    """The company forgot to say that a number is its own; now it does, and the caller of that call is nobody."""
    connector = CONNECTORS["asterisk_queue_log"]
    line = b"1772442000|1.7|billing|NONE|ENTERQUEUE||+14155550100|1"
    (part,) = connector.split(line, "")
    before = Instance(name="pbx")
    journal = dict(recorded(intake, one) for one in translate(part, connector, before))
    bodies = [(part.key, part.raw)]
    assert remap(bodies, journal, connector, before, intake.identify) == []

    whole = {name: one for name, one in journal.items() if name.endswith("/started")}
    (missing,) = remap(bodies, whole, connector, before, intake.identify)
    assert (missing.source_id, missing.difference) == (part.key, "missing")

    other = {**journal, "gone": journal[part.key]}
    (gone,) = remap(bodies, other, connector, before, intake.identify)
    assert (gone.source_id, gone.difference) == ("gone", "no_longer_told")

    longer = codec.decode_inbound("contact.queued", b'{"contact_id":"pbx:1.7","queue":"sales"}')
    wrong = Envelope(
        **{**{f: getattr(journal[part.key], f) for f in Envelope.__struct_fields__}, "event": longer}
    )
    (differs,) = remap(bodies, {**journal, part.key: wrong}, connector, before, intake.identify)
    assert (differs.source_id, differs.difference) == (part.key, "differs")

    (unreadable,) = remap([("k", b"nothing")], {}, connector, before, intake.identify)
    assert (unreadable.source_id, unreadable.difference) == ("k", "unreadable")


def test_parts_and_calls_print_nothing_that_a_person_said():
    assert "secret" not in repr(Part("k", b"secret"))

"""Every door of the gateway as its senders call it, signed where they sign, with samples of what they send."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote_from_bytes

import httpx
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from twilio.request_validator import RequestValidator

from services.gateway.cloudevents import EXAMPLE
from services.gateway.examples import TOUCH
from services.gateway.segment.documented import CAPTURED, MANY, ONE
from tests.support.clock import MONDAY
from tests.support.goldens import FOLDER
from tests.support.mutating import Payload

KEY = {"Authorization": "Bearer test-key"}
TWILIO = "https://hooks.example.com/v1/connectors/twilio"
STAMP = str(int(MONDAY.timestamp()))
AES = base64.b64encode(bytes(range(32))).decode()[:-1]
MAIL_KEY = ec.derive_private_key(7, ec.SECP256R1())
_PUBLIC = MAIL_KEY.public_key().public_bytes(
    serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
)
CONNECTORS = f"""
[[connector]]
name = "twilio"
kind = "twilio"
public_url = "{TWILIO}"
own_numbers = ["+14155550100"]
secrets = {{ auth_token = "twilio-token" }}
[[connector]]
name = "mail"
kind = "sendgrid"
secrets = {{ public_key = "{base64.b64encode(_PUBLIC).decode()}" }}
[[connector]]
name = "site"
kind = "chatwoot"
region = "DE"
secrets = {{ secret = "shh" }}
[[connector]]
name = "weixin"
kind = "wechat"
zone = "Asia/Shanghai"
secrets = {{ token = "tok" }}
[[connector]]
name = "weixin-sealed"
kind = "wechat"
zone = "Asia/Shanghai"
app_id = "wx1"
secrets = {{ token = "tok", aes_key = "{AES}" }}
[[connector]]
name = "queues"
kind = "asterisk_queue_log"
own_numbers = ["+14155550100"]
secrets = {{ key = "pbx-key" }}
[[connector]]
name = "calls"
kind = "asterisk_cdr"
zone = "Europe/Berlin"
region = "DE"
secrets = {{ key = "pbx-key" }}
[[connector]]
name = "cloud"
kind = "connect"
own_numbers = ["+18005550100"]
secrets = {{ key = "cloud-key" }}
"""
"""The file of TOUCHSTONE_CONNECTORS: one system of each kind."""

Signed = tuple[Mapping[str, str], bytes]
"""Query parameters and headers together (`?name` is a parameter), and the body as it goes over the wire."""
Sign = Callable[[bytes, str], Signed]


@dataclass(frozen=True, slots=True)
class Entrance:
    """One address: the counters' name of its door, what healthy senders post, how they sign it."""

    door: str
    path: str
    samples: Sequence[Payload]
    sign: Sign = field(default=lambda body, _: ({}, body))

    def request(self, payload: Payload, signed: bytes | None = None) -> httpx.Request:
        """The call with this payload; the signature is that of `signed`, where something was changed after it."""
        media_type = payload.headers.get("Content-Type", "")
        extra, body = self.sign(payload.body if signed is None else signed, media_type)
        if signed is not None:
            body = payload.body
        params = {name[1:]: value for name, value in extra.items() if name.startswith("?")}
        headers = [(name.encode(), _line(value)) for name, value in payload.headers.items()]
        headers += [
            (name.encode(), _line(value)) for name, value in extra.items() if not name.startswith("?")
        ]
        url = httpx.URL("http://gateway" + self.path, params=params)
        return httpx.Request("POST", url, headers=headers, content=body)


@dataclass(frozen=True, slots=True)
class Unsubscribe(Entrance):
    """Here the payload is the address's end."""

    def request(self, payload: Payload, signed: bytes | None = None) -> httpx.Request:
        """The call with this token."""
        token = quote_from_bytes(payload.body[:4_000], safe="")
        return httpx.Request("POST", f"http://gateway{self.path}{token}")


def entrances(tokens: Sequence[str]) -> list[Entrance]:
    """All addresses by HTTP."""
    cloud = [
        ("application/cloudevents+json", EXAMPLE),
        ("application/cloudevents-batch+json", [EXAMPLE, EXAMPLE]),
    ]
    binary = {f"ce-{name}": value for name, value in EXAMPLE.items() if isinstance(value, str)}
    single = {**KEY, "Content-Type": "application/json"}
    said = {**_example(ONE, "one"), "messageId": "m-100001"}
    many = {**_example(MANY, "batch"), "batch": [said, {**said, "messageId": "m-100002"}]}
    captured = {**_example(CAPTURED, "one"), "uuid": "u-100001"}
    alone = ("track", "identify", "page", "screen", "group", "alias")
    return [
        Entrance("gateway", "/v1/touches", [_json(TOUCH, single), _json([TOUCH, FACTS[0]], single)]),
        Entrance("gateway", "/v1/facts", [_json(one, single) for one in FACTS]),
        *(Entrance("segment", f"/v1/{one}", [_json({**said, **TRAITS, "type": one}, single)]) for one in alone),
        *(Entrance("segment", path, [_json(many, single), _json({**many, "writeKey": "test-key"}, {})])
          for path in ("/v1/batch", "/v1/import")),
        *(Entrance("segment", path, [_json({**captured, "api_key": "test-key"}, {}), _json({"batch": [captured]}, KEY)])
          for path in ("/batch/", "/capture/")),
        Entrance("cloudevents", "/v1/cloudevents", [
            *(_json(event, {**KEY, "Content-Type": kind}) for kind, event in cloud),
            _json(EXAMPLE["data"], {**single, **binary}),
        ]),
        Entrance("connectors", "/v1/connectors/twilio", [
            one for kind in ("voice", "messaging", "taskrouter") for one in _golden(f"twilio_{kind}")
        ], _twilio),
        Entrance("connectors", "/v1/connectors/mail", _golden("sendgrid"), _mail),
        Entrance("connectors", "/v1/connectors/site", _golden("chatwoot"), _site),
        Entrance("connectors", "/v1/connectors/weixin", _golden("wechat"), _weixin),
        Entrance("connectors", "/v1/connectors/weixin-sealed", _golden("wechat"), _weixin_sealed),
        Entrance("connectors", "/v1/connectors/queues", _golden("asterisk_queue_log"), _keyed("pbx-key")),
        Entrance("connectors", "/v1/connectors/calls", _golden("asterisk_cdr"), _keyed("pbx-key")),
        Entrance("connectors", "/v1/connectors/cloud", _golden("connect"), _keyed("cloud-key")),
        Unsubscribe("unsubscribe", "/v1/unsubscribe/", [Payload(one.encode()) for one in tokens]),
    ]  # fmt: skip


def messages() -> list[tuple[Payload, Sequence[tuple[str, bytes]]]]:
    """What other systems put on the intake topic, with the headers of each message."""
    binary = [(f"ce_{name}", value.encode()) for name, value in EXAMPLE.items() if isinstance(value, str)]
    structured = [("content-type", b"application/cloudevents+json")]
    return [
        (_json(TOUCH, {}), []), *((_json(one, {}), []) for one in FACTS), (_json(EXAMPLE, {}), structured),
        (_json(EXAMPLE["data"], {}), [*binary, ("content-type", b"application/json")]),
    ]  # fmt: skip


def _fact(type: str, source_id: str, **data: object) -> dict[str, object]:
    return {**TOUCH, "type": type, "source_id": source_id, "data": data}


FACTS = (
    _fact("purchase.recorded", "order-100", amount="12.50", currency="EUR"),
    _fact("usage.recorded", "usage-100", service="data", unit="GB", quantity=1.5),
    _fact("consent.granted", "yes-100", channel="voice", purpose="retention", basis="consent", proof="rec/1"),
    _fact("touch.recorded", "chat-100", channel="chat", text="my name is Ann", attributes={"page": "/bill"}),
)
TRAITS = {
    "traits": {"name": "Ann", "email": "ann@example.com"},
    "previousId": "4710",
    "groupId": "g",
    "name": "home",
}


def _example(body: Mapping[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = body["content"]["application/json"]["examples"][name]["value"]
    return found


def _json(body: object, headers: Mapping[str, str]) -> Payload:
    return Payload(json.dumps(body, ensure_ascii=False).encode(), headers)


def _golden(folder: str) -> list[Payload]:
    usual = json.loads((FOLDER / folder / "instance.json").read_text())["content_type"]

    def one(sample: Path) -> Payload:
        meta = sample.with_suffix(".meta.json")
        kind = json.loads(meta.read_text())["content_type"] if meta.exists() else usual
        return Payload(sample.read_bytes(), {"Content-Type": kind})

    return [one(sample) for sample in sorted((FOLDER / folder).glob("*.raw"))]


def _line(value: str) -> bytes:
    """A header's value: a server lets no control character in."""
    return bytes(one for one in value.encode(errors="replace") if 32 <= one != 127)


def _keyed(key: str) -> Sign:
    return lambda body, _: ({"X-API-Key": key}, body)


def _twilio(body: bytes, media_type: str) -> Signed:
    validator = RequestValidator("twilio-token")
    if media_type.startswith("application/json"):
        digest = hashlib.sha256(body).hexdigest()
        given = validator.compute_signature(f"{TWILIO}?bodySHA256={digest}", {})
        return {"X-Twilio-Signature": given, "?bodySHA256": digest}, body
    fields = dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))
    return {"X-Twilio-Signature": validator.compute_signature(TWILIO, fields)}, body


def _mail(body: bytes, _: str) -> Signed:
    given = base64.b64encode(MAIL_KEY.sign(STAMP.encode() + body, ec.ECDSA(hashes.SHA256()))).decode()
    name = "X-Twilio-Email-Event-Webhook"
    return {f"{name}-Signature": given, f"{name}-Timestamp": STAMP}, body


def _site(body: bytes, _: str) -> Signed:
    given = hmac.new(b"shh", STAMP.encode() + b"." + body, hashlib.sha256).hexdigest()
    return {"X-Chatwoot-Timestamp": STAMP, "X-Chatwoot-Signature": f"sha256={given}"}, body


def _weixin(body: bytes, _: str) -> Signed:
    return {"?signature": _sorted_digest("tok", STAMP, "n"), "?timestamp": STAMP, "?nonce": "n"}, body


def _weixin_sealed(body: bytes, _: str) -> Signed:
    key = base64.b64decode(AES + "=")
    plain = bytes(16) + len(body).to_bytes(4) + body + b"wx1"
    padding = 32 - len(plain) % 32
    encryptor = Cipher(algorithms.AES(key), modes.CBC(key[:16])).encryptor()
    sealed = base64.b64encode(
        encryptor.update(plain + bytes([padding]) * padding) + encryptor.finalize()
    ).decode()
    given = _sorted_digest("tok", STAMP, "n", sealed)
    told = f"<xml><Encrypt><![CDATA[{sealed}]]></Encrypt></xml>".encode()
    return {"?msg_signature": given, "?timestamp": STAMP, "?nonce": "n"}, told


def _sorted_digest(*parts: str) -> str:
    return hashlib.sha1("".join(sorted(parts)).encode(), usedforsecurity=False).hexdigest()

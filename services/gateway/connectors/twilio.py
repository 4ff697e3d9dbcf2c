"""Twilio: status of calls and messages, incoming messages, TaskRouter's events; one URL may have all of them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import ModuleType
from urllib.parse import parse_qs

from twilio.request_validator import HMAC_SHA1, HMAC_SHA256, RequestValidator, get_signature_algorithm

from services.gateway.connectors import twilio_messaging, twilio_taskrouter, twilio_voice
from services.gateway.connectors.connector import (
    JSON,
    Call,
    Connector,
    Instance,
    Part,
    Refusal,
    Reply,
    Told,
    Unmapped,
    part,
    unread,
)
from services.gateway.connectors.reading import Row, fields_of, form, json, pieces, row, text

WRONG = (
    "the signature is not this body's, this URL's and this token's: look at `auth_token`, and behind a proxy set "
    "`public_url` to the address that Twilio calls"
)
SIGNATURE, SETTINGS = "x-twilio-signature", "x-twilio-webhooks-signature-settings"


def verify(call: Call, raw: bytes, instance: Instance, now: datetime) -> Refusal | None:
    """The signature covers the public URL and every field of a form, or the hash of a JSON body.

    Twilio signs no time of sending, so a repeat is told by its key and not by its age.
    """
    given = call.headers.get(SIGNATURE, "")
    if not given:
        return Refusal(401, "signature_missing", f"send the header {SIGNATURE}")
    wrong = Refusal(403, "signature_wrong", WRONG)
    algorithm = get_signature_algorithm(call.headers.get(SETTINGS, ""))
    if algorithm not in (HMAC_SHA1, HMAC_SHA256):
        return wrong
    url = (instance.options.public_url or call.url.partition("?")[0]) + (
        f"?{call.query}" if call.query else ""
    )
    try:
        if call.headers.get("content-type", "").startswith(JSON):
            if len(parse_qs(call.query).get("bodySHA256", ())) != 1:  # else nothing would cover the body
                return wrong
            signed: _Signed | str = raw.decode()
        else:
            signed = _Signed(fields_of(raw))
        holds = RequestValidator(instance.secrets["auth_token"]).validate(url, signed, given, algorithm)
    except (Unmapped, ValueError):  # no text, or no URL
        return wrong
    return None if holds else wrong


class _Signed(dict[str, list[str]]):
    """A form as its signature is made: of a field that comes twice, each value."""

    def __init__(self, pairs: Sequence[tuple[str, str]]) -> None:
        super().__init__()
        for name, value in pairs:
            self.setdefault(name, []).append(value)

    def getall(self, name: str) -> list[str]:
        """What the validator asks for."""
        return self[name]


def split(raw: bytes, content_type: str) -> Sequence[Part]:
    """A form is one part; Event Streams sends arrays of CloudEvents, one part each."""
    if not content_type.startswith(JSON):
        return [part(raw, _key)]
    try:
        return [part(one, _key) for one in pieces(raw)]
    except Unmapped:
        return [unread(raw)]


def parse(one: Part, instance: Instance) -> Sequence[Told]:
    """By its fields a part shows which of Twilio's products it is from."""
    fields = _fields(one.raw)
    return _product(fields).tell(fields, instance)


def reply(raw: bytes, counts: Mapping[str, int], now: datetime) -> Reply:
    """Empty: anything else Twilio would read as what to do next. TaskRouter asks for JSON's media type with it."""
    return Reply(204, b"", JSON if raw[:1] in (b"[", b"{") or b"EventType=" in raw else None)


def _key(raw: bytes) -> Sequence[str]:
    fields = _fields(raw)
    return _product(fields).key(fields)


def _fields(raw: bytes) -> Row:
    return twilio_taskrouter.plain(row(json(raw))) if raw[:1] == b"{" else form(raw)


def _product(fields: Row) -> ModuleType:
    event = text(fields, "EventType")
    if event.startswith(twilio_taskrouter.FAMILIES):
        return twilio_taskrouter
    known = ("MessageStatus", "SmsStatus", "CallStatus")  # WhatsApp's receipts have an EventType beside it
    if event and not any(text(fields, name) for name in known):
        raise Unmapped(
            "unknown_type", "$.EventType", "Expected an event of TaskRouter, a call's or a message's"
        )
    if text(fields, "MessageSid") or text(fields, "SmsSid"):
        return twilio_messaging
    if text(fields, "CallSid"):
        return twilio_voice
    raise Unmapped("invalid", "$", "Expected a CallSid, a MessageSid or an EventType")


CONNECTOR = Connector(
    kind="twilio", page="twilio.com/docs/voice/api/call-resource#statuscallback, /docs/usage/security",
    secrets=(frozenset({"auth_token"}),), verify=verify, split=split, parse=parse, reply=reply,
)  # fmt: skip

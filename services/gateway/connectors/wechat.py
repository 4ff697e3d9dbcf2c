"""WeChat official accounts: messages and events as XML, in the clear or under AES; the answer is `success`.

In the clear the signature covers the time alone, not the body: an instance with an `aes_key` takes only
sealed messages.
"""

import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha1
from typing import Any
from zoneinfo import ZoneInfo

from services.gateway.connectors import wechat_sealed
from services.gateway.connectors.connector import (
    Call,
    Connector,
    Instance,
    Part,
    Refusal,
    Reply,
    Told,
    digest,
    part,
)
from services.gateway.connectors.people import openid
from services.gateway.connectors.reading import Row, epoch, needed, text
from services.gateway.connectors.replay import too_old
from services.gateway.connectors.wechat_xml import body, query

KINDS = frozenset({"text", "image", "voice", "video", "shortvideo", "location", "link", "file"})
BLOCKED = "failed:user block"
PERSON = "person-"
ACTS = frozenset({"subscribe", "scan", "click", "view"})
"""What a person does in the app without saying anything: a touch, and no contact."""


def verify(call: Call, raw: bytes, instance: Instance, now: datetime) -> Refusal | None:
    """`msg_signature` where messages are sealed, else `signature`; both with the time in them."""
    fields = query(call)
    sealed = "aes_key" in instance.secrets and call.method != "GET"
    given = fields.get("msg_signature" if sealed else "signature", "")
    if not given:
        return Refusal(
            401, "signature_missing", "the call has no signature of the kind that this instance takes"
        )
    signed = [instance.secrets["token"], fields.get("timestamp", ""), fields.get("nonce", "")]
    if sealed:
        signed.append(wechat_sealed.envelope(raw))
    expected = sha1("".join(sorted(signed)).encode(), usedforsecurity=False).hexdigest()
    if not hmac.compare_digest(expected.encode(), given.encode()):
        return Refusal(403, "signature_wrong", "the signature is not this call's: look at the secret `token`")
    return too_old(fields.get("timestamp", ""), instance, now)


def greet(call: Call, instance: Instance, now: datetime) -> Reply:
    """WeChat asks once whether we know the token; its own word comes back."""
    if refusal := verify(call, b"", instance, now):
        raise refusal
    return Reply(200, query(call).get("echostr", "").encode(), "text/plain")


def unseal(raw: bytes, instance: Instance) -> bytes:
    """The message in the clear. Raises `Refusal` where it was sealed for somebody else."""
    if "aes_key" not in instance.secrets:
        return raw
    return wechat_sealed.unseal(
        wechat_sealed.envelope(raw), instance.secrets["aes_key"], instance.options.app_id
    )


def split(raw: bytes, _: str) -> Sequence[Part]:
    """A call is one message. Raises `Refusal` for XML that is an attack."""
    return [part(raw, _key)]


def parse(one: Part, instance: Instance) -> Sequence[Told]:
    """A message is a touch; leaving the account is a no; a sending that failed is told of too.

    WeChat knows no conversations: what a person writes on one day, in the instance's zone, is one contact.
    """
    found = body(one.raw)
    kind = needed(found, "MsgType").lower()
    people = openid(f"wechat:{instance.name}", needed(found, "FromUserName"))
    at = epoch(needed(found, "CreateTime"), "CreateTime")

    def say(type: str, step: str = "", **data: Any) -> list[Told]:
        return [Told(type=type, data=data, occurred_at=at, identifiers=people, step=step)]

    if kind in KINDS:
        day = at.astimezone(ZoneInfo(instance.options.zone)).date().isoformat()
        said = _said(found, kind)
        attributes = {"kind": kind, **({"media": media} if (media := text(found, "MediaId")) else {})}
        return say(
            "touch.recorded", channel="im", direction="inbound", attributes=attributes,
            contact_id=instance.contact(f"{PERSON}{instance.blind(_person(found))}", day),
            **({"text": said} if said else {}),
        )  # fmt: skip
    if kind != "event":
        return []
    event = needed(found, "Event").lower()
    if event == "unsubscribe":
        return say("consent.withdrawn", channel="im", basis="unfollowed")
    if event in ACTS:
        menu = text(found, "EventKey") if event == "click" else ""  # of a view it is an address
        attributes = {"event": event, **({"key": menu} if menu else {})}
        return say("touch.recorded", channel="app", direction="unknown", attributes=attributes)
    if event == "templatesendjobfinish" and text(found, "Status") != "success":
        attributes = {"delivery": "bounced"}
        touch = say("touch.recorded", channel="im", direction="outbound", attributes=attributes)
        if text(found, "Status") != BLOCKED:
            return touch
        return touch + say(
            "identity.unreachable", "unreachable", channel="im", why="blocked_by_them", permanent=True
        )
    return []


def _said(found: Row, kind: str) -> str:
    names = {"text": "Content", "voice": "Recognition", "location": "Label", "link": "Title"}
    return text(found, names.get(kind, ""))


def _person(found: Row) -> str:
    """Short enough for a key, in which it is blinded."""
    return digest(needed(found, "FromUserName").encode())


def _key(raw: bytes) -> Sequence[str]:
    found = body(raw)
    person = f"{PERSON}{_person(found)}"
    if message := text(found, "MsgId"):
        return (person, message)
    sending = [one] if (one := text(found, "MsgID")) else []
    return (person, needed(found, "CreateTime"), needed(found, "Event").lower(), *sending)


def _success(_: bytes, counts: Mapping[str, int], now: datetime) -> Reply:
    return Reply(200, b"success", "text/plain")


CONNECTOR = Connector(
    kind="wechat", page="developers.weixin.qq.com/doc/service/en/guide/dev/push/encryption.html",
    secrets=(frozenset({"token"}), frozenset({"token", "aes_key"})), verify=verify, open=unseal, split=split,
    parse=parse, reply=_success, patience=4.5, greet=greet, person=PERSON,
)  # fmt: skip

"""Chatwoot's webhooks: conversations, messages, contacts. One instance is one Chatwoot account."""

import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs

from infra.reachable import is_phone
from services.gateway.connectors import shared_key
from services.gateway.connectors.connector import (
    Call,
    Connector,
    Instance,
    Part,
    Refusal,
    Told,
    Unmapped,
    digest,
    part,
)
from services.gateway.connectors.people import email, openid, phone
from services.gateway.connectors.reading import Row, epoch, inner, iso, json, label, needed, row, text
from services.gateway.connectors.replay import too_old

SIGNATURE, TIMESTAMP = "x-chatwoot-signature", "x-chatwoot-timestamp"
CHANNELS = {
    "Channel::WebWidget": "chat", "Channel::Api": "chat", "Channel::Email": "email", "Channel::Sms": "sms",
    "Channel::TwilioSms": "sms", "Channel::Whatsapp": "im", "Channel::Telegram": "im", "Channel::Line": "im",
    "Channel::FacebookPage": "social", "Channel::Instagram": "social", "Channel::TwitterProfile": "social",
    "Channel::Tiktok": "social", "Channel::Voice": "voice",
}  # fmt: skip
ANSWERED, GONE_ON = "first_reply_created_at", ("assignee_id", "team_id")
MESSAGES = frozenset({"message_created", "message_updated"})
CONTACTS = frozenset({"contact_created", "contact_updated"})
PERSON = "contact-"
OUTGOING = frozenset({"outgoing", "template", "1", "3"})
INCOMING = frozenset({"incoming", "0"})


def verify(call: Call, raw: bytes, instance: Instance, now: datetime) -> Refusal | None:
    """Recent releases sign `<time>.<body>`; for older ones there is a key in the URL."""
    if "secret" not in instance.secrets:
        return shared_key.check(parse_qs(call.query).get("key", [""])[0], instance)
    given, stamp = call.headers.get(SIGNATURE, ""), call.headers.get(TIMESTAMP, "")
    if not given or not stamp:
        return Refusal(401, "signature_missing", f"send the headers {SIGNATURE} and {TIMESTAMP}")
    signed = hmac.new(instance.secrets["secret"].encode(), stamp.encode() + b"." + raw, hashlib.sha256)
    if not hmac.compare_digest(f"sha256={signed.hexdigest()}".encode(), given.encode()):
        return Refusal(
            403, "signature_wrong", "the signature is not this body's: look at the secret `secret`"
        )
    return too_old(stamp, instance, now)


def split(raw: bytes, _: str) -> Sequence[Part]:
    """A call is one event."""
    return [part(raw, _key)]


def parse(one: Part, instance: Instance) -> Sequence[Told]:
    """What one event says; those that only repeat a state, or tell who is typing, say nothing."""
    found = row(json(one.raw))
    match needed(found, "event"):
        case "message_created":
            return _message(found, instance)
        case "conversation_created":
            return [_started(found, instance)]
        case "conversation_status_changed" if text(found, "status") == "resolved":
            return [_say("contact.ended", found, instance, outcome="resolved")]
        case "conversation_updated":
            return _updated(found, instance)
        case "contact_created" | "contact_updated":
            return _contact(found, instance)
    return []


def _key(raw: bytes) -> Sequence[str]:
    found = row(json(raw))
    event = needed(found, "event")
    if event in MESSAGES:
        conversation = needed(inner(found, "conversation"), "id")
        again = [digest(raw)] if event == "message_updated" else []
        return (f"conversation-{conversation}", f"message-{needed(found, 'id')}", *again)
    if event in CONTACTS:
        return (f"{PERSON}{needed(found, 'id')}", digest(raw))
    if event == "conversation_created":
        return (f"conversation-{needed(found, 'id')}", "created")
    if event in ("conversation_status_changed", "conversation_updated"):
        what = text(found, "status") if event == "conversation_status_changed" else "updated"
        return (f"conversation-{needed(found, 'id')}", what, str(found.get("updated_at") or digest(raw)))
    return ("event", digest(raw))


def _message(found: Row, instance: Instance) -> Sequence[Told]:
    kind, conversation = text(found, "message_type"), inner(found, "conversation")
    if found.get("private") is True or kind not in OUTGOING | INCOMING:
        return []  # notes between colleagues, and what the system says of itself
    sender, coming = inner(found, "sender"), kind in INCOMING
    touch: dict[str, Any] = {
        "contact_id": instance.contact(needed(conversation, "id")), "channel": _channel(conversation),
        "direction": "inbound" if coming else "outbound",
    }  # fmt: skip
    if said := text(found, "content"):
        touch["text"] = said
    if not coming and (name := _person(sender)):
        touch["agent"] = name
    if not coming and (kind in ("template", "3") or text(sender, "type") == "agent_bot"):
        touch["bot"] = True
    customer = sender if coming else inner(inner(conversation, "meta"), "sender")
    at = _moment(found.get("created_at"), "created_at")
    return [
        Told(type="touch.recorded", data=touch, occurred_at=at, identifiers=_customer(customer, instance))
    ]


def _started(found: Row, instance: Instance) -> Told:
    at = _moment(found.get("created_at") or found.get("timestamp"), "created_at")
    # Whoever wrote first began it; where no message is there yet, that is the customer.
    first = next((one for one in found.get("messages") or [] if isinstance(one, dict)), {})
    outbound = text(first, "message_type") in OUTGOING - {"template", "3"}
    data = {
        "contact_id": instance.contact(needed(found, "id")), "channel": _channel(found),
        "direction": "outbound" if outbound else "inbound",
    }  # fmt: skip
    people = _customer(inner(inner(found, "meta"), "sender"), instance)
    return Told(type="contact.started", data=data, occurred_at=at, identifiers=people)


def _updated(found: Row, instance: Instance) -> Sequence[Told]:
    meta, told = inner(found, "meta"), list[Told]()
    for change in found.get("changed_attributes") or []:
        for name, values in row(change, "$.changed_attributes").items():
            before = row(values, "$.changed_attributes").get("previous_value")
            if name == ANSWERED and before is None:
                agent = _person(inner(meta, "assignee"))
                answered = _moment(found.get(ANSWERED), ANSWERED)
                told.append(
                    _say("contact.answered", found, instance, step="answered", at=answered, agent=agent)
                )
            if name in GONE_ON and before is not None:
                to: dict[str, Any] = {
                    "to_agent": _person(inner(meta, "assignee")) if name == "assignee_id" else None,
                    "to_team": label(text(inner(meta, "team"), "name")) if name == "team_id" else None,
                }
                told.append(_say("contact.transferred", found, instance, step=name.removesuffix("_id"), **to))
    return told


def _contact(found: Row, instance: Instance) -> Sequence[Told]:
    people = _customer({**found, "type": "contact"}, instance)
    name = text(found, "name")
    data = {"name": name} if name and not is_phone(name) else {}  # of WhatsApp the name is often the number
    stamp = found.get("updated_at") or found.get("created_at")
    at = _moment(stamp, "updated_at") if stamp else None
    return [Told(type="customer.described", data=data, occurred_at=at, identifiers=people)]


def _say(
    type: str, found: Row, instance: Instance, *, step: str = "", at: datetime | None = None, **data: Any
) -> Told:
    when = at or _moment(found.get("updated_at") or found.get("timestamp"), "updated_at")
    known = {name: value for name, value in data.items() if value is not None}
    contact = instance.contact(needed(found, "id"))
    people = _customer(inner(inner(found, "meta"), "sender"), instance)
    return Told(
        type=type, data={"contact_id": contact, **known}, occurred_at=when, identifiers=people, step=step
    )


def _customer(one: Row, instance: Instance) -> list[dict[str, str]]:
    """Who is on the other side: Chatwoot's own id of them, and what they told of themselves."""
    if text(one, "type") in ("user", "agent_bot") or not text(one, "id"):
        return []
    known = openid(f"chatwoot:{instance.name}", text(one, "id"))
    return [*known, *email(one.get("email")), *phone(instance, text(one, "phone_number"))]


def _person(one: Row) -> str | None:
    return label(text(one, "name")) or label(text(one, "id"))


def _channel(conversation: Row) -> str:
    return CHANNELS.get(text(conversation, "channel"), "chat")


def _moment(value: Any, name: str) -> datetime:
    """Epochs in conversations, ISO in messages; either in older releases."""
    if value is None:
        raise Unmapped("invalid", f"$.{name}", "Expected an instant")
    return epoch(value, name) if isinstance(value, (int, float)) else iso(value, name)


CONNECTOR = Connector(
    kind="chatwoot", page="chatwoot.com/hc/user-guide/articles/1677693021-how-to-use-webhooks",
    secrets=(frozenset({"secret"}), frozenset({"key"})), verify=verify, split=split, parse=parse,
    person=PERSON,
)  # fmt: skip

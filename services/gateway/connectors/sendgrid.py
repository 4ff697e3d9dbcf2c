"""SendGrid's events: what became of a mail, and what its reader did; bounces and noes among them."""

import base64
import binascii
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key

from services.gateway.connectors.connector import (
    Call,
    Connector,
    Instance,
    Part,
    Refusal,
    Told,
    Unmapped,
    part,
    unread,
)
from services.gateway.connectors.people import email
from services.gateway.connectors.reading import Row, epoch, json, needed, pieces, row, text
from services.gateway.connectors.replay import too_old

SIGNATURE, TIMESTAMP = "x-twilio-email-event-webhook-signature", "x-twilio-email-event-webhook-timestamp"
GONE_OUT = {"delivered": "delivered", "dropped": "dropped", "bounce": "bounced", "blocked": "blocked"}
READ = frozenset({"open", "click", "group_resubscribe"})
"""Acts of the reader; that they see a mail asks for no answer, so it is no contact."""
NO_ADDRESS = ("bounced address", "invalid")
"""How the reason begins why a mail was not even tried: the address bounced before, or is none."""
REFUSALS = {"unsubscribe": "unsubscribe", "group_unsubscribe": "unsubscribe", "spamreport": "spam_report"}


def verify(call: Call, raw: bytes, instance: Instance, now: datetime) -> Refusal | None:
    """ECDSA on P-256 over the time and the raw body."""
    given, stamp = call.headers.get(SIGNATURE, ""), call.headers.get(TIMESTAMP, "")
    if not given or not stamp:
        return Refusal(401, "signature_missing", f"send the headers {SIGNATURE} and {TIMESTAMP}")
    try:
        signature = base64.b64decode(given, validate=True)
        public_key(instance.secrets["public_key"]).verify(
            signature, stamp.encode() + raw, ec.ECDSA(hashes.SHA256())
        )
    except (InvalidSignature, binascii.Error, ValueError):
        return Refusal(
            403, "signature_wrong", "the signature is not this body's: look at the secret `public_key`"
        )
    return too_old(stamp, instance, now)


def public_key(given: str) -> ec.EllipticCurvePublicKey:
    """The key as SendGrid shows it, base64 of DER. Raises ValueError for what is none."""
    try:
        key = load_der_public_key(base64.b64decode(given, validate=True))
    except UnsupportedAlgorithm:
        raise ValueError("an unsupported key") from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ValueError("a key on the curve P-256 is wanted")
    return key


def split(raw: bytes, _: str) -> Sequence[Part]:
    """An array of events; those of one mail belong together."""
    try:
        return [part(one, _key) for one in pieces(raw)]
    except Unmapped:
        return [unread(raw)]


def parse(one: Part, instance: Instance) -> Sequence[Told]:
    """Being queued or put off says nothing yet, and what concerns the account concerns nobody."""
    found = row(json(one.raw))
    event = needed(found, "event")
    at = epoch(found.get("timestamp"), "timestamp")
    if event not in {*GONE_OUT, *READ, *REFUSALS}:
        return []
    people = email(needed(found, "email"))

    def say(type: str, step: str = "", **data: Any) -> list[Told]:
        return [Told(type=type, data=data, occurred_at=at, identifiers=people, step=step)]

    if event in REFUSALS:
        group = text(found, "asm_group_id")
        scope = {"scope": f"group-{group}"} if event == "group_unsubscribe" and group else {}
        proof = {"proof": text(found, "sg_event_id")[:200]}
        return say("consent.withdrawn", channel="email", basis=REFUSALS[event], **proof, **scope)
    if event in READ:
        return say("touch.recorded", channel="email", direction="unknown", attributes={"event": event})
    blocked = event == "bounce" and text(found, "type") == "blocked"  # for now; the address is good
    attributes = {"delivery": GONE_OUT["blocked" if blocked else event], **_status(found)}
    touch = say("touch.recorded", channel="email", direction="outbound", attributes=attributes)
    never = event == "bounce" or text(found, "reason").lower().startswith(NO_ADDRESS)
    if event == "delivered" or not (never or blocked):
        return touch
    why = attributes["delivery"]
    return touch + say("identity.unreachable", "unreachable", channel="email", why=why, permanent=not blocked)


def _key(raw: bytes) -> Sequence[str]:
    found = row(json(raw))
    event = needed(found, "sg_event_id")
    return (text(found, "sg_message_id") or "mail", event)


def _status(found: Row) -> dict[str, str]:
    """The mail server's code; its sentence may repeat the address."""
    status = text(found, "status")
    return {"status": status} if status.replace(".", "").isdigit() and len(status) < 12 else {}


CONNECTOR = Connector(
    kind="sendgrid", page="twilio.com/docs/sendgrid/for-developers/tracking-events/event",
    secrets=(frozenset({"public_key"}),), verify=verify, split=split, parse=parse,
)  # fmt: skip

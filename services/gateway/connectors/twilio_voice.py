"""Twilio's status call-backs of calls. A child call is a leg of its parent's contact."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from services.gateway.connectors.connector import Instance, Told
from services.gateway.connectors.people import phone
from services.gateway.connectors.reading import Row, label, mail_date, needed, seconds, text

BEGINNING = frozenset({"queued", "initiated", "ringing"})
UNREACHED = frozenset({"busy", "no-answer", "canceled", "failed"})


def key(fields: Row) -> tuple[str, ...]:
    """The call, for a child under its parent, and which of its call-backs."""
    calls = [one for one in (text(fields, "ParentCallSid"), text(fields, "CallSid")) if one]
    return (*calls, text(fields, "CallStatus"), *filter(None, [text(fields, "SequenceNumber")]))


def tell(fields: Row, instance: Instance) -> Sequence[Told]:
    """What one call-back says by itself: they come in any order, and often only the last is asked for."""
    contact = {"contact_id": instance.contact(text(fields, "ParentCallSid") or needed(fields, "CallSid"))}
    status = needed(fields, "CallStatus")
    stamp = fields.get("Timestamp")
    at = mail_date(stamp, "Timestamp") if stamp else None
    if text(fields, "ParentCallSid"):
        return _leg(fields, status, {**contact, **_agent(fields)}, at)
    outbound = text(fields, "Direction").startswith("outbound")
    customer = phone(instance, text(fields, "To") if outbound else text(fields, "From"))
    started = {**contact, "channel": "voice", "direction": "outbound" if outbound else "inbound"}

    def say(type: str, data: dict[str, Any], **more: Any) -> Told:
        return Told(type=type, data=data, identifiers=customer, **{"occurred_at": at, **more})

    if status in BEGINNING:
        begun = [say("contact.started", started)]
        return (
            [*begun, say("contact.rang", contact, step="rang")] if outbound and status == "ringing" else begun
        )
    if status == "in-progress":  # of an inbound call, the program that answers; a person is a leg of its own
        return [say("contact.answered", contact if outbound else {**contact, "bot": True})]
    if status == "completed" or status in UNREACHED:
        length = seconds(fields, "CallDuration")
        begun_at = at - timedelta(seconds=length or 0) if at else None
        ended: dict[str, Any] = dict(contact)
        if status != "completed" and not outbound:
            ended["outcome"] = "abandoned"
        if status == "completed" and outbound and length is not None:
            ended["talk_seconds"] = length
        return [
            say("contact.ended", ended),
            say("contact.started", started, step="started", occurred_at=begun_at),
        ]
    return []


def _leg(fields: Row, status: str, contact: dict[str, Any], at: Any) -> Sequence[Told]:
    """Whom the parent call was put through to; the customer is the parent's."""
    match status:
        case "ringing":
            return [Told(type="contact.rang", data=contact, occurred_at=at)]
        case "in-progress":
            return [Told(type="contact.answered", data=contact, occurred_at=at)]
    return []


def _agent(fields: Row) -> dict[str, str]:
    """Only a name of Twilio's clients says who it was; a number may be anybody's."""
    scheme, _, name = text(fields, "To").partition(":")
    found = label(name) if scheme == "client" else None
    return {"agent": found} if found else {}

"""Twilio's status call-backs of calls. A child call is a leg of its parent's contact.

A call from a softphone comes in from its agent: then the child is the customer's.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from services.gateway.connectors.connector import Instance, Told
from services.gateway.connectors.people import is_ours, phone
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
        return _leg(fields, status, contact, at, instance)
    if agent := _client(text(fields, "From")):
        return _from_a_softphone(fields, status, contact, at, agent)
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
        ended: dict[str, Any] = dict(contact)
        if status != "completed" and not outbound:
            ended["outcome"] = "abandoned"
        if status == "completed" and outbound and length is not None:
            ended["talk_seconds"] = length
        return [
            say("contact.ended", ended),
            say("contact.started", started, step="started", occurred_at=_before(at, length)),
        ]
    return []


def _leg(
    fields: Row, status: str, contact: dict[str, str], at: datetime | None, instance: Instance
) -> Sequence[Told]:
    """Whom the parent call was put through to; unless an agent calls out, the customer is the parent's.

    The talk ends with the child, whatever the parent's program does after it.
    """
    agent = _client(text(fields, "To")) or _client(text(fields, "From"))
    leg = {**contact, **({"agent": agent} if agent else {})}
    caller = text(fields, "From")
    customer = phone(instance, text(fields, "To")) if _client(caller) or is_ours(instance, caller) else []

    def say(type: str, data: dict[str, Any], when: datetime | None = at, step: str = "") -> Told:
        return Told(type=type, data=data, occurred_at=when, identifiers=customer, step=step)

    match status:
        case "ringing":
            return [say("contact.rang", leg)]
        case "in-progress":
            return [say("contact.answered", leg)]
        case "completed":
            length = seconds(fields, "CallDuration")
            answered = [say("contact.answered", leg, _before(at, length), "answered")]
            return [say("contact.ended", contact), *(answered if length and at else [])]
    return [say("contact.rang", {**leg, "given_up": True})] if status in UNREACHED else []


def _from_a_softphone(
    fields: Row, status: str, contact: dict[str, str], at: datetime | None, agent: str
) -> Sequence[Told]:
    """An agent calls out: the call has its agent from its beginning, and is answered when the child is."""
    began = _before(at, seconds(fields, "CallDuration")) if status == "completed" else at
    begun = [
        Told(
            type="contact.started", occurred_at=began, step="started",
            data={**contact, "channel": "voice", "direction": "outbound"},
        ),
        Told(
            type="contact.transferred", occurred_at=began, step="agent", data={**contact, "to_agent": agent}
        ),
    ]  # fmt: skip
    if status in BEGINNING:
        return begun
    if status == "completed" or status in UNREACHED:
        return [Told(type="contact.ended", occurred_at=at, data=contact), *begun]
    return []


def _before(at: datetime | None, length: float | None) -> datetime | None:
    """When it began, by its end and its length."""
    return at - timedelta(seconds=length or 0) if at else None


def _client(address: str) -> str | None:
    """Only a name of Twilio's clients says who it was; a number may be anybody's."""
    scheme, _, name = address.partition(":")
    return label(name) if scheme == "client" else None

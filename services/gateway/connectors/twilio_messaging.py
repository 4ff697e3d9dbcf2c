"""Twilio's messages: those that come in, and what became of those that went out."""

from collections.abc import Sequence
from typing import Any

from services.gateway.connectors.connector import Instance, Told, Unmapped
from services.gateway.connectors.people import phone
from services.gateway.connectors.reading import Row, text

STOP = frozenset({"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"})
"""What Twilio takes for a no, where the whole message is that word."""

TOLD = {"sent": "sent", "undelivered": "bounced", "failed": "bounced"}
"""A message is one touch when it is sent; that it arrived, or was read, is no further one."""

UNREACHABLE = {"30003": False, "30005": True, "30006": True, "21211": True, "21614": True}
"""Errors that tell of the number, and whether it will never do: switched off; unknown; a landline; none; no mobile."""

OPTED_OUT = "21610"

COMING = frozenset({"received", "receiving"})


def key(fields: Row) -> tuple[str, ...]:
    """The message, and which of its states."""
    return (_sid(fields), _status(fields))


def tell(fields: Row, instance: Instance) -> Sequence[Told]:
    """Twilio says no time with a message: it happened when it came."""
    status = _status(fields)
    if not status:
        raise Unmapped("invalid", "$.MessageStatus", "Expected a text")
    coming = status in COMING
    there = text(fields, "From") if coming else text(fields, "To")
    customer = phone(instance, there)
    touch: dict[str, Any] = {
        "channel": "im" if there.startswith(("whatsapp:", "messenger:")) else "sms",
        "direction": "inbound" if coming else "outbound",
        "contact_id": instance.contact(_sid(fields)),
    }
    if not coming:
        if status not in TOLD:
            return []
        error = _error(fields)
        touch["attributes"] = {"delivery": TOLD[status], **({"error": error} if error else {})}
        sent = Told(type="touch.recorded", data=touch, identifiers=customer)
        return [sent, *_told_by(error, fields, touch["channel"], customer)]
    if body := text(fields, "Body"):
        touch["text"] = body
    events = [Told(type="touch.recorded", data=touch, identifiers=customer)]
    if text(fields, "OptOutType").upper() == "STOP" or text(fields, "Body").upper() in STOP:
        refusal = {"channel": touch["channel"], "basis": "opt_out", "proof": _sid(fields)}
        events.append(Told(type="consent.withdrawn", data=refusal, identifiers=customer, step="stop"))
    return events


def _sid(fields: Row) -> str:
    return text(fields, "MessageSid") or text(fields, "SmsSid")


def _status(fields: Row) -> str:
    return text(fields, "MessageStatus") or text(fields, "SmsStatus")


def _error(fields: Row) -> str:
    code = text(fields, "ErrorCode")
    return code if code.isdigit() else ""


def _told_by(error: str, fields: Row, channel: str, customer: Sequence[dict[str, str]]) -> list[Told]:
    """What an error says of the customer, beside that this message did not arrive."""
    if error == OPTED_OUT:
        refusal = {"channel": channel, "basis": "opt_out", "proof": _sid(fields)}
        return [Told(type="consent.withdrawn", data=refusal, identifiers=customer, step="stop")]
    if error in UNREACHABLE:
        lost = {"channel": channel, "why": f"twilio-{error}", "permanent": UNREACHABLE[error]}
        return [Told(type="identity.unreachable", data=lost, identifiers=customer, step="unreachable")]
    return []

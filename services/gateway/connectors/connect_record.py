"""A contact record of Amazon Connect: one leg, told whole after it ended, and again whenever it is amended.

What happened once keeps its id over the amendments; the wrap-up, which they are about, is told anew.
"""

import re
from collections.abc import Sequence
from typing import Any

from services.gateway.connectors.connector import Instance, Told
from services.gateway.connectors.people import email, phone
from services.gateway.connectors.reading import Row, inner, iso, label, needed, seconds, text

CHANNELS = {"VOICE": "voice", "CHAT": "chat", "EMAIL": "email", "SMS": "sms"}
OUTBOUND = frozenset({"OUTBOUND", "EXTERNAL_OUTBOUND", "CALLBACK", "AGENT_REPLY"})
GOES_ON = frozenset({"TRANSFER", "QUEUE_TRANSFER", "CALLBACK", "DISCONNECT", "AGENT_REPLY"})
"""Ways to begin that continue another contact."""
WATCHING = "MONITOR"
"""A supervisor listens in: no leg of the customer's."""
CODE = re.compile(r"[\w.\-]{1,200}")


def key(record: Row) -> tuple[str, ...]:
    """The contact, and which of its records."""
    return (needed(record, "ContactId"), needed(record, "LastUpdateTimestamp"))


def chain(initial: str, own: str, method: str) -> bool:
    """Does this leg begin its contact?"""
    return (not initial or initial == own) and method not in GOES_ON


def tell(record: Row, part_key: str, instance: Instance) -> Sequence[Told]:
    """The leg's steps, each at its own time."""
    method, own, initial = (
        text(record, name) for name in ("InitiationMethod", "ContactId", "InitialContactId")
    )
    if method == WATCHING:
        return []
    contact = {"contact_id": instance.contact(initial or own)}
    queue, agent = inner(record, "Queue"), inner(record, "Agent")
    customer = _customer(inner(record, "CustomerEndpoint"), instance)
    base, told = part_key.partition("/")[0], list[Told]()

    def say(step: str, at: Any, name: str, base: str = base, **data: Any) -> None:
        known = {field: value for field, value in data.items() if value is not None}
        told.append(
            Told(
                type=f"contact.{step}", data={**contact, **known}, occurred_at=iso(at, name),
                identifiers=customer, base=base, step=step,
            )
        )  # fmt: skip

    began, queue_name = needed(record, "InitiationTimestamp"), label(text(queue, "Name"))
    username = label(text(agent, "Username"))
    if chain(initial, own, method):
        channel = CHANNELS.get(text(record, "Channel").upper(), "unknown")
        direction = "outbound" if method in OUTBOUND else "inbound"
        say("started", began, "InitiationTimestamp", channel=channel, direction=direction)
    elif method == "CALLBACK":
        say("callback_asked", began, "InitiationTimestamp", queue=queue_name)
    elif put_through := record.get("TransferCompletedTimestamp"):
        # From its beginning until then the first agent still had the customer.
        say("transferred", put_through, "TransferCompletedTimestamp", to_queue=queue_name, to_agent=username)
    else:
        say("transferred", began, "InitiationTimestamp", to_queue=queue_name, to_agent=username)
    if queue_name and (entered := queue.get("EnqueueTimestamp")):
        say("queued", entered, "Queue.EnqueueTimestamp", queue=queue_name)
    waited = seconds(queue, "Duration")
    if connected := agent.get("ConnectedToAgentTimestamp"):
        path = "Agent.ConnectedToAgentTimestamp"
        say("answered", connected, path, agent=username, wait_seconds=waited)
        if hold := seconds(agent, "CustomerHoldDuration"):
            say("held", connected, path, seconds=hold)
    elif queue_name and (left := queue.get("DequeueTimestamp")) and text(record, "NextContactId"):
        say("left_queue", left, "Queue.DequeueTimestamp", queue=queue_name, wait_seconds=waited)
    if (over := record.get("DisconnectTimestamp")) and not text(record, "NextContactId"):
        alone = chain(initial, own, method)
        lost = bool(queue_name) and not connected and method not in OUTBOUND
        say(
            "ended", over, "DisconnectTimestamp", outcome="abandoned" if lost else None,
            wait_seconds=waited if alone else None,
            talk_seconds=seconds(agent, "AgentInteractionDuration") if alone else None,
        )  # fmt: skip
    if done := agent.get("AfterContactWorkEndTimestamp"):
        say(
            "wrapped_up", done, "Agent.AfterContactWorkEndTimestamp", base=part_key,
            reason=_reason(record, instance), seconds=seconds(agent, "AfterContactWorkDuration"),
            agent=username, talk_seconds=seconds(agent, "AgentInteractionDuration"),
        )  # fmt: skip
    return told


def _customer(endpoint: Row, instance: Instance) -> list[dict[str, str]]:
    address = text(endpoint, "Address")
    match text(endpoint, "Type"):
        case "TELEPHONE_NUMBER":
            return phone(instance, address)
        case "EMAIL_ADDRESS":
            return email(address)
    return []


def _reason(record: Row, instance: Instance) -> str | None:
    """What the agent chose, where the company's flows keep it in an attribute."""
    found = text(inner(record, "Attributes"), instance.options.reason_attribute)
    return found if CODE.fullmatch(found) else None

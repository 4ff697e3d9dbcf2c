"""A contact event of Amazon Connect: a step of a leg as it happens, in no sure order, without the customer's number."""

from collections.abc import Mapping, Sequence
from typing import Any

from services.gateway.connectors.connect_record import CHANNELS, OUTBOUND, WATCHING, chain
from services.gateway.connectors.connector import Instance, Told, Unmapped
from services.gateway.connectors.reading import Row, inner, iso, label, needed, row, seconds, text


def key(event: Row) -> tuple[str, ...]:
    """The contact, and EventBridge's id of the event."""
    return (needed(_detail(event), "contactid"), needed(event, "id"))


def tell(event: Row, instance: Instance) -> Sequence[Told]:
    """The step that the event is about. Types that a later release adds say nothing."""
    detail = _detail(event)
    method, own, initial = (
        text(detail, name) for name in ("initiationmethod", "contactid", "initialcontactid")
    )
    if method == WATCHING:
        return []
    contact = {"contact_id": instance.contact(initial or own)}
    queue, agent = inner(detail, "queueinfo"), inner(detail, "agentinfo")
    queue_name, agent_name = _named(queue, "queuearn", instance), _named(agent, "agentarn", instance)

    def say(type: str, at: Any, name: str, **data: Any) -> list[Told]:
        known = {field: value for field, value in data.items() if value is not None}
        return [Told(type=type, data={**contact, **known}, occurred_at=iso(at, name))]

    match needed(detail, "eventtype").upper():
        case "INITIATED" if chain(initial, own, method):
            return say(
                "contact.started", detail.get("initiationtimestamp"), "detail.initiationTimestamp",
                channel=CHANNELS.get(text(detail, "channel").upper(), "unknown"),
                direction="outbound" if method in OUTBOUND else "inbound",
            )  # fmt: skip
        case "INITIATED" if method == "CALLBACK":
            at = detail.get("initiationtimestamp")
            return say("contact.callback_asked", at, "detail.initiationTimestamp", queue=queue_name)
        case "INITIATED":
            at = detail.get("initiationtimestamp")
            return say(
                "contact.transferred",
                at,
                "detail.initiationTimestamp",
                to_queue=queue_name,
                to_agent=agent_name,
            )
        case "QUEUED":
            if queue_name is None:
                raise Unmapped("invalid", "$.detail.queueInfo.queueArn", "Expected a text")
            return say(
                "contact.queued",
                queue.get("enqueuetimestamp"),
                "detail.queueInfo.enqueueTimestamp",
                queue=queue_name,
            )
        case "CONNECTED_TO_AGENT":
            at = agent.get("connectedtoagenttimestamp")
            return say("contact.answered", at, "detail.agentInfo.connectedToAgentTimestamp", agent=agent_name)
        case "DISCONNECTED" if text(detail, "disconnectreason") != "TRANSFERRED":
            lost = queue_name and not agent and method not in OUTBOUND
            at = detail.get("disconnecttimestamp")
            outcome = "abandoned" if lost else None
            return say("contact.ended", at, "detail.disconnectTimestamp", outcome=outcome)
        case "COMPLETED" if at := agent.get("aftercontactworkendtimestamp"):
            work = seconds(agent, "aftercontactworkduration")
            return say(
                "contact.wrapped_up",
                at,
                "detail.agentInfo.afterContactWorkEndTimestamp",
                seconds=work,
                agent=agent_name,
            )
    return []


def _detail(event: Row) -> dict[str, Any]:
    """The vendor writes a field's name now with a capital, now without."""
    found = _lower(row(event.get("detail"), "$.detail"))
    return {name: _lower(one) if isinstance(one, dict) else one for name, one in found.items()}


def _lower(one: Mapping[str, Any]) -> dict[str, Any]:
    return {name.lower(): value for name, value in one.items()}


def _named(info: Row, field: str, instance: Instance) -> str | None:
    """An ARN ends with the id that the instance's `names` may know."""
    end = text(info, field).rpartition("/")[2]
    return label(instance.options.names.get(end, end))

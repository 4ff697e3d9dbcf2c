"""Twilio TaskRouter's events, as a form or in a CloudEvent: queues, reservations, wrap-up, what workers do."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from services.gateway.connectors.connector import Instance, Told, Unmapped
from services.gateway.connectors.people import phone
from services.gateway.connectors.reading import (
    Row,
    epoch,
    epoch_millis,
    inner,
    iso,
    json,
    label,
    needed,
    row,
    seconds,
    text,
)

CHANNELS = {"voice": "voice", "chat": "chat", "sms": "sms", "email": "email", "video": "video"}
STATES = {
    "available": "ready", "idle": "ready", "reserved": "busy", "busy": "busy", "wrapup": "wrap_up",
    "wrapping": "wrap_up", "offline": "offline", "break": "break", "lunch": "break", "unavailable": "break",
}  # fmt: skip
"""Of the activities that a new workspace has; `states` of an instance knows the company's own."""

CLOUD = "com.twilio.taskrouter."

GIVEN_UP = frozenset(
    {"reservation.timeout", "reservation.rejected", "reservation.canceled", "reservation.rescinded"}
)
SILENT = frozenset({
    "reservation.completed", "reservation.wrapup", "reservation.failed", "task.updated", "task.deleted",
    "task.system-deleted", "task.transfer-initiated", "task.transfer-attempt-failed", "task.transfer-failed",
    "task.transfer-canceled", "task-queue.created", "task-queue.deleted", "task-queue.updated", "task-queue.moved",
    "task-queue.expression.updated", "task-channel.created", "task-channel.updated", "task-channel.deleted",
    "worker.created", "worker.deleted", "worker.attributes.update", "worker.capacity.update",
    "worker.channel.availability.update", "workflow.created", "workflow.updated", "workflow.deleted",
    "workflow.entered", "workflow.timeout", "workflow.target-matched", "workflow.skipped", "workspace.created",
    "workspace.updated", "workspace.deleted", "activity.created", "activity.updated", "activity.deleted",
})  # fmt: skip
"""Of set-up, and those that only repeat another."""
FAMILIES = (
    "task.",
    "task-queue.",
    "task-channel.",
    "reservation.",
    "worker.",
    "workflow.",
    "workspace.",
    "activity.",
)
"""How the names of TaskRouter's events begin; other products of Twilio's have an EventType too."""


def plain(event: Row) -> dict[str, Any]:
    """The fields of a CloudEvent under the names that they have in a form. Raises `Unmapped`."""
    if not text(event, "type").startswith(CLOUD):
        raise Unmapped("invalid", "$.type", "Expected an event of TaskRouter")
    payload = inner(inner(event, "data"), "payload")
    fields = {_camel(name): value for name, value in payload.items()}
    return {**fields, "EventType": text(event, "type").removeprefix(CLOUD), "Sid": text(payload, "sid")}


def key(fields: Row) -> tuple[str, ...]:
    """The conversation, or the worker, and the event's own id."""
    if "TaskSid" in fields:
        return (_conversation(fields), text(fields, "Sid"))
    return ("worker", text(fields, "Sid"))


def tell(fields: Row, instance: Instance) -> Sequence[Told]:
    """What one event says. Raises `Unmapped` for one of which nobody knows whether it says anything."""
    kind, at = text(fields, "EventType"), _moment(fields)
    if kind in SILENT:
        return []
    if kind == "worker.activity.update":
        return [Told(type="agent.state_changed", data=_state(fields, instance), occurred_at=at)]
    needed(fields, "TaskSid")
    contact: dict[str, Any] = {"contact_id": instance.contact(_conversation(fields))}
    attributes = _attributes(fields)
    outbound = text(attributes, "direction").startswith("outbound")
    customer = phone(instance, text(attributes, "to" if outbound else "from"))

    def say(type: str, **data: Any) -> list[Told]:
        known = {name: value for name, value in data.items() if value is not None}
        return [Told(type=type, data={**contact, **known}, occurred_at=at, identifiers=customer)]

    agent = label(text(fields, "WorkerName")) or label(text(fields, "WorkerSid"))
    queue = label(text(fields, "TaskQueueName")) or label(text(fields, "TaskQueueSid"))
    match kind:
        case "task.created":
            channel = CHANNELS.get(text(fields, "TaskChannelUniqueName"), "unknown")
            channel = "voice" if text(attributes, "call_sid") else channel
            return say("contact.started", channel=channel, direction="outbound" if outbound else "inbound")
        case "task-queue.entered":
            if queue is None:
                raise Unmapped("invalid", "$.TaskQueueName", "Expected a text")
            return say("contact.queued", queue=queue, priority=label(text(fields, "TaskPriority")))
        case "task-queue.timeout":
            return say("contact.left_queue", queue=queue, how="timeout")
        case "reservation.created":
            return say("contact.rang", agent=agent)
        case kind if kind in GIVEN_UP:
            return say("contact.rang", agent=agent, given_up=True)
        case "reservation.accepted":
            return say("contact.answered", agent=agent, wait_seconds=seconds(fields, "TaskAge"))
        case "task.transfer-completed":
            to = text(fields, "TransferTo")
            return say(
                "contact.transferred",
                to_agent=label(to) if to.startswith("WK") else None,
                to_queue=label(to) if to.startswith("WQ") else None,
            )
        case "task.wrapup":
            return say("contact.ended")
        case "task.canceled":
            return say("contact.ended", outcome="abandoned", wait_seconds=seconds(fields, "TaskAge"))
        case "task.completed":
            return say("contact.wrapped_up", agent=label(text(fields, "WorkerName")))
    raise Unmapped("unknown_type", "$.EventType", "Expected an event of TaskRouter that is known here")


def _moment(fields: Row) -> datetime:
    if millis := fields.get("TimestampMs"):
        return epoch_millis(millis, "TimestampMs")
    stamp = needed(fields, "Timestamp")
    return epoch(stamp, "Timestamp") if stamp.isdigit() else iso(stamp, "Timestamp")


def _conversation(fields: Row) -> str:
    """A task that stands for a call belongs to the call's contact, however it is told of."""
    try:
        return text(_attributes(fields), "call_sid") or text(fields, "TaskSid")
    except Unmapped:  # told again, with its place, when it is parsed
        return text(fields, "TaskSid")


def _attributes(fields: Row) -> Row:
    given = fields.get("TaskAttributes") or "{}"
    try:
        return row(given if isinstance(given, dict) else json(str(given).encode()))
    except Unmapped:
        raise Unmapped("invalid", "$.TaskAttributes", "Expected a JSON object") from None


def _state(fields: Row, instance: Instance) -> dict[str, Any]:
    agent = label(text(fields, "WorkerName")) or label(text(fields, "WorkerSid"))
    if agent is None:
        raise Unmapped("invalid", "$.WorkerName", "Expected a text")
    activity = needed(fields, "WorkerActivityName")
    state = instance.options.states.get(activity) or STATES.get(activity.casefold(), "break")
    why = re.sub(r"[^\w.\-]+", "-", activity.casefold()).strip("-")
    return {"agent": agent, "state": state, **({"why": why[:200]} if why else {})}


def _camel(name: str) -> str:
    return "".join(piece[:1].upper() + piece[1:] for piece in name.split("_"))

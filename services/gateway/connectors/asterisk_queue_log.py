"""Asterisk's queue_log: what callers and members of a queue did, a line each.

Times are seconds, but how long a phone rang unanswered is milliseconds. Only the entry into a queue
names the caller. Of a call that is put through nothing more is told: for the queue it is over.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from services.gateway.connectors.asterisk import cut, member, plain
from services.gateway.connectors.connector import Connector, Instance, Part, Told, Unmapped
from services.gateway.connectors.people import phone
from services.gateway.connectors.reading import epoch, label, seconds
from services.gateway.connectors.shared_key import verify

NONE = frozenset({"", "NONE"})
NO_CALL = frozenset({"", "NONE", "REALTIME", "MANAGER", "Unknown"})
"""Who did it, where it was no call."""
STATES = {
    "PAUSE": "break", "PAUSEALL": "break", "UNPAUSE": "ready", "UNPAUSEALL": "ready", "ADDMEMBER": "ready",
    "REMOVEMEMBER": "offline", "AGENTLOGIN": "ready", "AGENTCALLBACKLOGIN": "ready", "AGENTLOGOFF": "offline",
    "AGENTCALLBACKLOGOFF": "offline",
}  # fmt: skip
LEFT = {"EXITWITHTIMEOUT": "timeout", "EXITWITHKEY": "key", "EXITEMPTY": "unknown"}
TRANSFERS = frozenset({"TRANSFER", "BLINDTRANSFER", "ATTENDEDTRANSFER"})
CALLER = 6
"""The column of an ENTERQUEUE that names a person."""


class Line:
    """A line's columns; `number` reads one of those after the event's name, counted from 1."""

    def __init__(self, raw: bytes) -> None:
        self.columns = [column.strip() for column in plain(raw).split("|")]
        if len(self.columns) < 5:
            raise Unmapped("invalid", "$", "Expected time|call|queue|agent|event|...")
        self.time, self.call, self.queue, self.agent, self.event = self.columns[:5]

    def parameter(self, at: int) -> str:
        """A parameter; empty where there is none."""
        return self.columns[4 + at] if len(self.columns) > 4 + at else ""

    def number(self, at: int) -> float | None:
        """A parameter in seconds."""
        return seconds({f"[{at}]": self.parameter(at)}, f"[{at}]")


def split(raw: bytes, _: str) -> Sequence[Part]:
    """One part a line. The caller is left out of the key, which is kept in the clear."""

    def known(line: bytes) -> tuple[str, bytes]:
        one = Line(line)
        told = [c for at, c in enumerate(one.columns) if not (one.event == "ENTERQUEUE" and at == CALLER)]
        return ("agents" if one.call in NO_CALL else one.call, "|".join(told).encode())

    return cut(raw, known)


def parse(one: Part, instance: Instance) -> Sequence[Told]:
    """What a line says; those of configuration, and those that other programs write, say nothing."""
    line = Line(one.raw)
    at = epoch(line.time, "[0]")
    agent = None if line.agent in NONE else member(line.agent, instance)
    if line.event in STATES:
        return [] if agent is None else [_state(line, agent, at, instance)]
    if line.call in NO_CALL:
        return []
    contact = {"contact_id": instance.contact(line.call)}
    queue = None if line.queue in NONE else label(line.queue)

    def say(type: str, step: str = "", people: Sequence[dict[str, str]] = (), **data: Any) -> Told:
        known = {name: value for name, value in data.items() if value is not None}
        return Told(type=type, data={**contact, **known}, occurred_at=at, step=step, identifiers=people)

    match line.event:
        case "ENTERQUEUE":
            if queue is None:
                raise Unmapped("invalid", "$[2]", "Expected a text")
            caller = phone(instance, line.parameter(2))
            return [
                say("contact.queued", people=caller, queue=queue),
                say("contact.started", "started", caller, channel="voice", direction="inbound"),
            ]
        case "CONNECT":
            return [
                say("contact.answered", agent=agent, wait_seconds=line.number(1)),
                say("contact.rang", "rang", agent=agent, seconds=line.number(3)),
            ]
        case "RINGNOANSWER":
            rang = line.number(1) if line.parameter(1) in ("", "0") else _millis(line.parameter(1))
            return [say("contact.rang", agent=agent, seconds=rang)]
        case "COMPLETECALLER" | "COMPLETEAGENT":
            return [say("contact.ended", wait_seconds=line.number(1), talk_seconds=line.number(2))]
        case "ABANDON":
            return [say("contact.ended", outcome="abandoned", wait_seconds=line.number(3))]
        case "EXITWITHTIMEOUT" | "EXITWITHKEY" | "EXITEMPTY":
            waited = line.number(4 if line.event == "EXITWITHKEY" else 3)
            return [say("contact.left_queue", queue=queue, how=LEFT[line.event], wait_seconds=waited)]
        case "BLINDTRANSFER" | "ATTENDEDTRANSFER" | "TRANSFER":
            return [say("contact.transferred", to_agent=_extension(line)), say("contact.ended", "ended")]
    return []


def _millis(value: str) -> float:
    told = seconds({"[1]": value[:-3] + "." + value[-3:].rjust(3, "0") if value.isdigit() else value}, "[1]")
    assert told is not None
    return told


def _extension(line: Line) -> str | None:
    """Where a call was put through to, if it is inside the house: a longer number may be anybody's."""
    to = line.parameter(1)
    return to if line.event != "ATTENDEDTRANSFER" and to.isdigit() and len(to) <= 6 else None


def _state(line: Line, agent: str, at: datetime, instance: Instance) -> Told:
    why = line.parameter(1) if line.event.startswith("PAUSE") else ""
    state = instance.options.states.get(why) or STATES[line.event]
    code = "".join(c if c.isalnum() or c in "._-" else "-" for c in why.casefold())[:200]
    data = {"agent": agent, "state": state, **({"why": code} if code else {})}
    return Told(type="agent.state_changed", data=data, occurred_at=at)


CONNECTOR = Connector(
    kind="asterisk_queue_log", page="docs.asterisk.org/Configuration/Applications/Queues/Queue-Logs",
    secrets=(frozenset({"key"}),), verify=verify, split=split, parse=parse,
)  # fmt: skip

"""Asterisk's call detail records as CSV (cdr_csv, Master.csv): a call told whole after it ended, a line each."""

import csv
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from services.gateway.connectors.asterisk import cut, member, plain
from services.gateway.connectors.connector import Connector, Instance, Part, Told, Unmapped, digest
from services.gateway.connectors.people import is_ours, phone
from services.gateway.connectors.reading import seconds, within_reach
from services.gateway.connectors.shared_key import verify

COLUMNS = (
    "accountcode", "src", "dst", "dcontext", "clid", "channel", "dstchannel", "lastapp", "lastdata", "start",
    "answer", "end", "duration", "billsec", "disposition", "amaflags",
)  # fmt: skip
OPTIONAL = ("uniqueid", "userfield")
"""`uniqueid` and `userfield` are only there where they are switched on."""
NEW = ("peeraccount", "linkedid", "sequence")
"""With `newcdrcolumns` these follow."""
UNIQUEID = re.compile(r"(?:.+-)?\d{9,11}\.\d+")
"""When the call began and its number, after the system's name where it has one."""
PERSONAL = frozenset({"src", "dst", "clid", "lastdata", "userfield"})
DISPOSITIONS = frozenset({"ANSWERED", "NO ANSWER", "BUSY", "FAILED", "CONGESTION"})


def split(raw: bytes, _: str) -> Sequence[Part]:
    """One part a line; what may name a person is left out of the key, which is kept in the clear."""

    def known(line: bytes) -> tuple[str, bytes]:
        one = _columns(line)
        told = "|".join(_known(name, value) for name, value in one.items())
        return (one.get("uniqueid") or f"line-{digest(told.encode())}", told.encode())

    return cut(raw, known)


def parse(one: Part, instance: Instance) -> Sequence[Told]:
    """A call between the house and somebody, and when it was over; one inside the house says nothing."""
    line = _columns(one.raw)
    inbound, customer = _sides(line, instance)
    if line["disposition"] not in DISPOSITIONS:
        raise Unmapped("invalid", "$.disposition", "Expected ANSWERED, NO ANSWER, BUSY, FAILED or CONGESTION")
    began = _moment(line["start"], instance, "start")
    duration, billed = seconds(line, "duration"), seconds(line, "billsec")
    if inbound is None:
        return []
    answered = line["disposition"] == "ANSWERED"
    touch: dict[str, Any] = {
        "channel": "voice", "direction": "inbound" if inbound else "outbound",
        "contact_id": instance.contact(line.get("uniqueid") or one.key.rpartition("/")[2]),
        "attributes": {"disposition": line["disposition"]},
    }  # fmt: skip
    if inbound and not answered:
        touch["outcome"] = "abandoned"
    if line["lastapp"] == "Dial" and duration is not None and billed is not None:
        # Elsewhere a machine answered, a queue or a menu, and the seconds are not those of a talk.
        touch["ring_seconds"] = touch["wait_seconds"] = max(duration - billed, 0.0)
        if answered:
            touch["talk_seconds"] = billed
    if inbound and answered and (agent := member(line["dstchannel"].rpartition("-")[0], instance)):
        touch["agent"] = agent
    told = [Told(type="touch.recorded", data=touch, occurred_at=began, identifiers=customer)]
    if duration is None or (
        line["lastapp"] == "Queue" and not answered
    ):  # one try of a call that still waits
        return told
    over = {"contact_id": touch["contact_id"], **({"outcome": "abandoned"} if "outcome" in touch else {})}
    ended = began + timedelta(seconds=duration)  # `end` says the same, but is ambiguous where clocks go back
    return [
        *told,
        Told(type="contact.ended", data=over, occurred_at=ended, identifiers=customer, step="ended"),
    ]


def _columns(raw: bytes) -> dict[str, str]:
    try:
        (found,) = csv.reader([plain(raw)], strict=True)
    except (csv.Error, ValueError):
        raise Unmapped("invalid", "$", "Expected one line of CSV") from None
    most = len(COLUMNS) + len(OPTIONAL) + len(NEW)
    if not len(COLUMNS) <= len(found) <= most:
        raise Unmapped("invalid", "$", f"Expected {len(COLUMNS)} to {most} columns")
    found = [value.strip() for value in found]
    return dict(zip((*COLUMNS, *_further(found[len(COLUMNS) :])), found, strict=True))


def _further(values: Sequence[str]) -> Sequence[str]:
    """The names of what follows the sixteen: one column alone is told by its form."""
    new = NEW if len(values) >= len(NEW) else ()
    own = values[: len(values) - len(new)]
    if len(own) == 1:
        return (OPTIONAL[0] if UNIQUEID.fullmatch(own[0]) else OPTIONAL[1], *new)
    return (*OPTIONAL[: len(own)], *new)


def _known(name: str, value: str) -> str:
    """What a line is known by. A channel's own number, after its peer, is unlike any other's."""
    if name in ("channel", "dstchannel"):
        return value.rpartition("-")[2]
    return "" if name in PERSONAL else value


def _sides(line: dict[str, str], instance: Instance) -> tuple[bool | None, list[dict[str, str]]]:
    """Did the customer call us? And who is it. The company's side has an own number, or an extension."""
    caller, called = phone(instance, line["src"]), phone(instance, line["dst"])
    ours = is_ours(instance, line["src"]) or _is_extension(line["src"])
    if ours:
        return (False, called) if called else (None, [])
    return True, caller


def _is_extension(value: str) -> bool:
    return value.isdigit() and len(value) <= 6


def _moment(value: str, instance: Instance, name: str) -> datetime:
    """A time without its zone: the option says which; of an hour that comes twice it is the first."""
    try:
        plain_time = within_reach(datetime.strptime(value, "%Y-%m-%d %H:%M:%S"))  # noqa: DTZ007  its zone comes next
    except ValueError:
        raise Unmapped("invalid", f"$.{name}", "Expected YYYY-MM-DD HH:MM:SS") from None
    return plain_time.replace(tzinfo=ZoneInfo(instance.options.zone)).astimezone(UTC)


CONNECTOR = Connector(
    kind="asterisk_cdr", page="docs.asterisk.org/Configuration/Reporting/Call-Detail-Records-CDR/CDR-Specification",
    secrets=(frozenset({"key"}),), verify=verify, split=split, parse=parse,
)  # fmt: skip

"""Asterisk's call detail records as CSV (cdr_csv, Master.csv): a call told whole after it ended, a line each."""

import csv
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from services.gateway.connectors.asterisk import cut, member, plain
from services.gateway.connectors.connector import Connector, Instance, Part, Told, Unmapped, digest
from services.gateway.connectors.people import is_ours, phone
from services.gateway.connectors.reading import seconds, within_reach
from services.gateway.connectors.shared_key import verify

COLUMNS = (
    "accountcode", "src", "dst", "dcontext", "clid", "channel", "dstchannel", "lastapp", "lastdata", "start",
    "answer", "end", "duration", "billsec", "disposition", "amaflags", "uniqueid", "userfield",
)  # fmt: skip
WITHOUT_ID = 16
"""`uniqueid` and `userfield` are only there where they are switched on."""
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
    """A call between the house and somebody; one inside the house says nothing."""
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
        touch["ring_seconds"] = max(duration - billed, 0.0)
        if answered:
            touch["talk_seconds"] = billed
    if inbound and (agent := member(line["dstchannel"].rpartition("-")[0], instance)):
        touch["agent"] = agent
    return [Told(type="touch.recorded", data=touch, occurred_at=began, identifiers=customer)]


def _columns(raw: bytes) -> dict[str, str]:
    try:
        (found,) = csv.reader([plain(raw)], strict=True)
    except (csv.Error, ValueError):
        raise Unmapped("invalid", "$", "Expected one line of CSV") from None
    if not WITHOUT_ID <= len(found) <= len(COLUMNS):
        raise Unmapped("invalid", "$", f"Expected {WITHOUT_ID} to {len(COLUMNS)} columns")
    return {name: value.strip() for name, value in zip(COLUMNS, found, strict=False)}


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

"""Who a message is about: its identifiers, and what its traits say of the person."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date

import msgspec

from models.domain.identifier import normalise
from models.errors import Refused
from services.gateway.segment.message import OF_A_USER, Message, Parts, as_text, part

NOBODY = frozenset({
    "null", "none", "nil", "nan", "undefined", "unknown", "anonymous", "anon", "guest", "visitor", "n/a", "na",
    "true", "false", "id", "email", "userid", "user_id", "anonymousid", "anonymous_id", "distinctid",
    "distinct_id", "not_authenticated", "not authenticated", "[object object]", "inf", "-inf", "infinity",
    "-infinity", "-1",
})  # fmt: skip
"""What programs write where they know nobody; as an identifier it would make all of them one person."""

_EMPTY = re.compile(r"[\W_0]*")
_LANGUAGE = re.compile(r"[\w.\-]{1,200}")
_NAMES = (("firstName", "lastName"), ("first_name", "last_name"), ("$first_name", "$last_name"))
_ADDRESS = ("street", "postalCode", "postal_code", "city", "state", "country")

Identifier = dict[str, str]


@dataclass(slots=True)
class Unused:
    """A value that could not be used as what it was meant to be; the message is recorded without it."""

    code: str
    path: str
    detail: str


@dataclass(slots=True)
class Person:
    """Who a message is about, in the words of the gateway's own form."""

    identifiers: list[Identifier] = field(default_factory=list)
    unused: list[Unused] = field(default_factory=list)


def is_nobody(value: str) -> bool:
    """Is this a value that programs write where they know nobody?"""
    text = value.strip().strip("'\"").casefold()
    return text in NOBODY or _EMPTY.fullmatch(text) is not None


def identified(message: Message, issuer: str, region: str) -> Person:
    """The message's identifiers: user (account), anonymous visitor (cookie), device, mail address, phone.

    The id that an alias gives up is the visitor's (`anonymousId`), whatever it looks like: that is what an alias
    is for. Where `context.previousId` is "userId" it is a user's own: two accounts, which a person joins.
    Traits of a group are the group's, not the person's. What is no mail address or phone number identifies nobody
    and is told as unused: an `identify` is not lost for a phone "n/a".
    """
    found = Person()
    context = message.context or {}
    device = context.get("device")
    candidates = [
        ("account", message.user_id, "$.userId"),
        (
            "account" if context.get("previousId") == OF_A_USER else "cookie",
            message.previous_id,
            "$.previousId",
        ),
        ("cookie", message.anonymous_id, "$.anonymousId"),
        ("device", device.get("id") if isinstance(device, dict) else None, "$.context.device.id"),
        *_reachable(message),
    ]
    for kind, value, path in candidates:
        text = as_text(value)
        if is_nobody(text):
            continue
        try:
            normalise(kind, issuer, text, region)
        except Refused as error:
            found.unused.append(Unused(error.code, path, error.detail))
            continue
        one = {"kind": kind, "value": text}
        if kind not in ("email", "phone"):
            one["issuer"] = issuer
        if one not in found.identifiers:
            found.identifiers.append(one)
    return found


def traits_of(message: Message) -> Parts:
    """What is told of the person. RudderStack puts it into the context; a group's traits are not a person's."""
    within = message.context.get("traits") if message.context else None
    told: Parts = {}
    if isinstance(within, dict):
        told = {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in within.items()}
    return told if message.type == "group" else {**told, **(message.traits or {})}


def described(message: Message, person: Person) -> dict[str, str]:
    """The data of `customer.described`: name, birthday, address, note, language; all else told as details."""
    rest = traits_of(message)
    values = {one["value"] for one in person.identifiers}
    for name in ("email", "phone", "$email", "$phone"):
        if as_text(part(rest, name)) in values:
            del rest[name]
    found = {
        "name": _name(rest), "birthday": _birthday(rest), "address": _address(rest),
        "note": _taken(rest, "note"), "language": _language(rest, message),
    }  # fmt: skip
    if message.type == "group":
        group = {"group": as_text(message.group_id), "group_traits": message.traits or {}}
        rest = {**rest, **{name: msgspec.Raw(msgspec.json.encode(value)) for name, value in group.items()}}
    found["details"] = msgspec.json.encode(rest).decode() if rest else ""
    return {name: value for name, value in found.items() if value}


def _reachable(message: Message) -> Iterator[tuple[str, object, str]]:
    traits = traits_of(message)
    for kind in ("email", "phone"):
        for name in (kind, f"${kind}"):
            if name in traits:
                yield kind, part(traits, name), f"$.traits.{name}"


def _taken(rest: Parts, name: str) -> str:
    """A text, taken out of what is left; empty, and left where it is, if it is none."""
    value = part(rest, name)
    if not isinstance(value, str) or not value.strip():
        return ""
    del rest[name]
    return value.strip()


def _name(rest: Parts) -> str:
    for name in ("name", "$name"):
        if whole := _taken(rest, name):
            return whole
    for first, last in _NAMES:
        if told := " ".join(filter(None, (_taken(rest, first), _taken(rest, last)))):
            return told
    return ""


def _birthday(rest: Parts) -> str:
    """A calendar day only: an instant may lie on the day before, seen from another zone."""
    told = part(rest, "birthday")
    try:
        if not isinstance(told, str) or len(told) != len("2026-01-31"):
            return ""
        date.fromisoformat(told)
    except ValueError:
        return ""
    return _taken(rest, "birthday")


def _address(rest: Parts) -> str:
    told = part(rest, "address")
    if not isinstance(told, dict):
        return _taken(rest, "address")
    if not set(told) <= set(_ADDRESS):  # more than we would write down: it stays whole, among the details
        return ""
    del rest["address"]
    return ", ".join(filter(None, (as_text(told.get(name)) for name in _ADDRESS)))


def _language(rest: Parts, message: Message) -> str:
    for name in ("language", "locale"):
        told = part(rest, name)
        if isinstance(told, str) and _LANGUAGE.fullmatch(told):
            return _taken(rest, name)
    told = message.context.get("locale") if message.context else None
    return told if isinstance(told, str) and _LANGUAGE.fullmatch(told) else ""

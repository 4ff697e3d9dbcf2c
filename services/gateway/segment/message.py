"""The messages of the dialect as their senders write them; PostHog's are brought to the form of the others."""

import hashlib
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Raw

from events.codec import Undecodable
from infra.facets import refuse_in_clear

Id = str | int | float | None
Parts = dict[str, Raw]
"""An object whose values stay as they were written."""

LONGEST_ID = 200
CAPTURE = "capture"
"""What PostHog calls a message of any kind."""

OF_A_USER = "userId"
"""`context.previousId` of an alias that gives up an id by which somebody was identified before."""

_ALIASES = frozenset({"$create_alias", "$merge_dangerously"})
_MERGES_USERS = "$merge_dangerously"
_DESCRIPTIONS = frozenset({"$identify", "$set"})
_VIEWS = {"$pageview": ("page", "$title"), "$screen": ("screen", "$screen_name")}
_plain = msgspec.json.Decoder()


class Message(msgspec.Struct, rename="camel"):
    """One call of an SDK: `track`, `identify`, `page`, `screen`, `group` or `alias`."""

    type: str = ""
    message_id: Id = None
    user_id: Id = None
    anonymous_id: Id = None
    previous_id: Id = None
    group_id: Id = None
    event: str | None = None
    name: str | None = None
    category: str | None = None
    traits: Parts | None = None
    properties: Parts | None = None
    context: dict[str, Any] | None = None
    channel: str | None = None
    timestamp: str | None = None
    original_timestamp: str | None = None


class Captured(msgspec.Struct):
    """One event of PostHog: no type, the person in `distinct_id`, its words in names that begin with `$`."""

    event: Annotated[str, Meta(min_length=1)]
    distinct_id: Id = None
    uuid: Id = None
    timestamp: str | None = None
    properties: Parts | None = None
    set: Parts | None = msgspec.field(name="$set", default=None)
    set_once: Parts | None = msgspec.field(name="$set_once", default=None)


class _Told(msgspec.Struct):
    """Enough of a message to see which of the two it is, and what its sender calls it."""

    type: Any = None
    distinct_id: Any = None
    messageId: Any = None
    uuid: Any = None


_told = msgspec.json.Decoder(_Told)
_message = msgspec.json.Decoder(Message)
_captured = msgspec.json.Decoder(Captured)


def read(raw: Raw, route: str) -> Message:
    """The message; `route` is the type of one that does not say it. Raises what msgspec raises."""
    told = _told.decode(raw)
    if told.type in (None, CAPTURE) and (route == CAPTURE or told.distinct_id is not None):
        return _as_message(_captured.decode(raw))
    message = _message.decode(raw)
    message.type = message.type or route
    return message


def told_id(raw: Raw) -> str:
    """What its sender calls a message that can't be read; empty if it does not say, or by what is no id."""
    try:
        told = _told.decode(raw)
        given = as_text(told.messageId) or as_text(told.uuid)
        return source_id(given, raw) if given else ""
    except (msgspec.MsgspecError, RecursionError, UnicodeError, Undecodable):
        return ""


def source_id(message_id: Id, raw: Raw) -> str:
    """The sender's id of a message: opaque, its own or, where it has none or an unusable one, a digest.

    Raises `Undecodable` for one by which somebody can be reached.
    """
    given = as_text(message_id)
    refuse_in_clear(given, "$.messageId")
    if given and len(given) <= LONGEST_ID and given.isprintable():
        return given
    return "digest-" + hashlib.sha256(given.encode() or bytes(raw)).hexdigest()


def as_text(value: object) -> str:
    """An id or another single value as text; empty for anything else. 12.0 is 12."""
    match value:
        case str():
            return value.strip()
        case bool():
            return ""
        case float() if value.is_integer():
            return str(int(value))
        case int() | float():
            return str(value)
    return ""


def part(parts: Parts | None, name: str) -> Any:
    """One value of an object, as plain data; None where there is none."""
    raw = (parts or {}).get(name)
    return None if raw is None else _plain.decode(raw)


def _as_message(told: Captured) -> Message:
    properties = told.properties or {}
    distinct = told.distinct_id if told.distinct_id is not None else part(properties, "distinct_id")
    about = {**_parts(properties, "$set_once"), **(told.set_once or {}),
             **_parts(properties, "$set"), **(told.set or {})}  # fmt: skip
    device = part(properties, "$anon_distinct_id") or part(properties, "$device_id")
    found = Message(
        type="track", event=told.event, message_id=told.uuid, user_id=_id(distinct), anonymous_id=_id(device),
        timestamp=told.timestamp, traits=about, properties=properties,
        context={"library": {"name": as_text(part(properties, "$lib"))},
                 "os": {"name": as_text(part(properties, "$os"))},
                 "locale": part(properties, "$locale")},
    )  # fmt: skip
    unknown = part(properties, "$is_identified") is False or (
        part(properties, "$process_person_profile") is False
    )
    if told.event not in _DESCRIPTIONS and (unknown or as_text(distinct) == as_text(device)):
        found.user_id, found.anonymous_id = None, found.user_id
    if told.event in _DESCRIPTIONS:
        found.type = "identify"
    elif told.event in _ALIASES:
        found.type, found.previous_id = "alias", found.user_id or found.anonymous_id
        found.user_id, found.anonymous_id = _id(part(properties, "alias")), None
        if told.event == _MERGES_USERS:
            found.context = {**(found.context or {}), "previousId": OF_A_USER}
    elif told.event == "$groupidentify":
        found.type, found.group_id = "group", _id(part(properties, "$group_key"))
        found.traits = _parts(properties, "$group_set")
        if as_text(distinct).startswith("$"):  # made up from the group's name: nobody's
            found.user_id = None
    elif told.event in _VIEWS:
        found.type, title = _VIEWS[told.event]
        found.name = as_text(part(properties, title)) or None
    return found


def _parts(parts: Parts, name: str) -> Parts:
    """An object within an object; empty where there is none."""
    found = parts.get(name)
    return msgspec.json.decode(found, type=Parts) if found is not None and bytes(found)[:1] == b"{" else {}


def _id(value: object) -> Id:
    return value if isinstance(value, (str, int, float)) and not isinstance(value, bool) else None

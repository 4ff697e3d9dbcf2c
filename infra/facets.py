"""What stands in the clear in an event: facets of sealed values that rules may use, and names that name nobody."""

from collections.abc import Iterator
from datetime import date
from functools import cache
from itertools import chain

import msgspec

from events.codec import Undecodable
from events.customer import CustomerDescribed
from events.envelope import Event
from events.personal import Clear
from infra.reachable import is_phone, may_reach, reachable

_CODE = "phone_in_name"
STAFF = frozenset({"agent", "to_agent", "owner", "captured_by"})
"""Fields that name a colleague, who may go by their work's mail address."""
_WHAT = {"phone": "a phone number", "email": "a mail address"}
_STAFF = frozenset(f"$.data.{one}" for one in STAFF)


@cache
def _named(cls: type[Event]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The fields of an event type that name something and are never sealed: texts, and those that hold several."""
    fields = getattr(msgspec.inspect.type_info(cls), "fields", ())
    named = [one for one in fields if not one.name.endswith("_id")]
    return (
        tuple(one.name for one in named if _is_text(one.type)),
        tuple(one.name for one in named if _holds_texts(one.type)),
    )


def _is_text(kind: msgspec.inspect.Type) -> bool:
    if isinstance(kind, msgspec.inspect.UnionType):
        return any(map(_is_text, kind.types))
    return isinstance(kind, msgspec.inspect.StrType)


def _holds_texts(kind: msgspec.inspect.Type) -> bool:
    match kind:
        case msgspec.inspect.DictType(value_type=inner) | msgspec.inspect.VarTupleType(item_type=inner):
            return _is_text(inner)
    return False


def refuse_reachable(event: Event) -> None:
    """An agent's or a queue's name and every attribute go on into topics and figures in the clear: none of them
    is a phone number or a customer's mail address. Nor is a phone number a customer's name. Raises `Undecodable`.
    """
    texts, several = _named(type(event))
    told = [text for name in texts if (text := getattr(event, name))]
    for name in several:
        if found := getattr(event, name):
            told += chain(found, found.values()) if isinstance(found, dict) else found
    if told and may_reach("\n".join(told)):
        for path, text in _told(event, texts, several):
            if path not in _STAFF or reachable(text) != "email":
                refuse_in_clear(text, path)
    if isinstance(event, CustomerDescribed) and isinstance(event.name, Clear) and is_phone(event.name.value):
        sentence = "a phone number is no name; it is an identifier: send it in identifiers"
        raise Undecodable(_CODE, "$.data.name", sentence)


def refuse_in_clear(text: str, path: str) -> None:
    """One text that is published as it is, an SDK's message id, say: as `refuse_reachable` for a whole event."""
    if may_reach(text) and (found := reachable(text)):
        sentence = f"this is published unsealed; {_WHAT[found]} is an identifier: send it in identifiers"
        raise Undecodable(_CODE, path, sentence)


def _told(event: Event, texts: tuple[str, ...], several: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Every text with its place; of attributes that of all of them, since a key may be anything too."""
    for name in texts:
        yield f"$.data.{name}", getattr(event, name) or ""
    for name in several:
        found = getattr(event, name)
        for text in chain(found, found.values()) if isinstance(found, dict) else found:
            yield f"$.data.{name}", text


def with_facets(event: Event) -> Event:
    """What rules may use of a personal value stands beside it, in the clear: of a birthday, month and day."""
    if not isinstance(event, CustomerDescribed) or not isinstance(event.birthday, Clear):
        return event
    try:
        born = date.fromisoformat(event.birthday.value)
    except ValueError:
        raise Undecodable("birthday_invalid", "$.data.birthday", "Expected a date, YYYY-MM-DD") from None
    return msgspec.structs.replace(event, birth_day=f"{born:%m-%d}")

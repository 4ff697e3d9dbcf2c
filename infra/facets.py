"""What stands in the clear in an event: facets of sealed values that rules may use, and names that name nobody."""

import re
from datetime import date
from functools import cache

import msgspec

from events.codec import Undecodable
from events.customer import CustomerDescribed
from events.envelope import Event
from events.personal import Clear

PHONE = re.compile(r"\+\d[\d ()./-]{6,30}")
_SAYS = "this names something; a phone number is an identifier"


@cache
def _named(cls: type[Event]) -> tuple[str, ...]:
    """The fields of an event type that name something and are never sealed."""
    fields = getattr(msgspec.inspect.type_info(cls), "fields", ())
    return tuple(one.name for one in fields if not one.name.endswith("_id") and _is_text(one.type))


def _is_text(kind: msgspec.inspect.Type) -> bool:
    if isinstance(kind, msgspec.inspect.UnionType):
        return any(map(_is_text, kind.types))
    return isinstance(kind, msgspec.inspect.StrType)


def refuse_phones(event: Event) -> None:
    """An agent's or a queue's name goes on into topics and figures in the clear: a phone number is none."""
    for name in _named(type(event)):
        value = getattr(event, name)
        if value is not None and value[:1] == "+" and PHONE.fullmatch(value):
            raise Undecodable(
                "phone_in_name", f"$.data.{name}", "this names something; a phone number is an identifier"
            )


def with_facets(event: Event) -> Event:
    """What rules may use of a personal value stands beside it, in the clear: of a birthday, month and day."""
    if not isinstance(event, CustomerDescribed) or not isinstance(event.birthday, Clear):
        return event
    try:
        born = date.fromisoformat(event.birthday.value)
    except ValueError:
        raise Undecodable("birthday_invalid", "$.data.birthday", "Expected a date, YYYY-MM-DD") from None
    return msgspec.structs.replace(event, birth_day=f"{born:%m-%d}")

"""A message of the dialect becomes one event in the gateway's own form. Pure: the same message, the same event.

| message | event |
|---|---|
| identify, alias, group | `customer.described` |
| track of a completed or refunded order | `purchase.recorded`, `purchase.returned` |
| any other track, page, screen | `touch.recorded` |

What people typed or did goes into personal fields alone; in the clear stand the event's name, the channel, the
campaign, and of an order its number, amount and product codes.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from events.codec import Undecodable, undecodable
from infra.facets import refuse_in_clear
from infra.intake import EVENT_BYTES, Intake, Rejected
from services.gateway.segment.channel import channel_of
from services.gateway.segment.message import Message, as_text, read, source_id, told_id
from services.gateway.segment.orders import ORDERS, order
from services.gateway.segment.people import Person, Unused, described, identified
from services.gateway.segment.reading import DOOR, Kept, kept

SOURCE = DOOR
SKEW = timedelta(minutes=1)
"""So far a sender's clock may be from ours before it is corrected: less is the message's way to us, and what
is sent again shall say the same time."""
NAME = 200
TYPES = ("track", "identify", "page", "screen", "group", "alias")

_PATHS = {
    "$.occurred_at": "$.timestamp",
    "$.data.amount": "$.properties",
    "$.data.order_id": "$.properties.order_id",
    "$.data.campaign": "$.context.campaign.name",
    "$.data.name": "$.traits.name",
    "$.source_id": "$.messageId",
}


@dataclass(slots=True)
class Translated:
    """One message's event as the gateway's own form writes it, or why there is none; and what was left unused."""

    item: bytes | Rejected
    unused: list[Unused] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Dialect:
    """Translates. `issuer` issues user, visitor and device ids; `region` is for phones without a country."""

    issuer: str
    region: str

    def translate(self, one: Kept, received_at: datetime) -> Translated:
        """Never raises for what a sender wrote: what is no event is rejected with the message's own bytes."""
        if len(bytes(one.message)) > EVENT_BYTES:
            detail = f"a message may have {EVENT_BYTES} bytes"
            known_as = told_id(one.message)
            return Translated(Rejected("event_too_large", "$", detail, b"", SOURCE, known_as, keep=False))
        try:
            return self._translated(read(one.message, one.type), one, received_at)
        except Undecodable as error:
            problem = error
        except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
            problem = undecodable(error)
        raw, known_as = one.written(), told_id(one.message)
        return Translated(Rejected(problem.code, problem.path, problem.detail, raw, SOURCE, known_as))

    def again(self, raw: bytes, received_at: datetime) -> bytes | Rejected:
        """What the quarantine kept, translated anew; bytes of any other form come back as they are."""
        one = kept(raw)
        return raw if one is None else self.translate(one, received_at).item

    def _translated(self, message: Message, one: Kept, received_at: datetime) -> Translated:
        if message.type not in TYPES:
            raise Undecodable("unknown_type", "$.type", f"the types of messages are {', '.join(TYPES)}")
        if message.type == "track" and not message.event:
            raise Undecodable("event_missing", "$.event", "a track needs the name of its event")
        person = identified(message, self.issuer, self.region)
        if not person.identifiers:
            sentence = "neither userId nor anonymousId (distinct_id) says whose this is"
            raise Undecodable("identity_missing", "$.userId", sentence)
        wire, data = _event(message, person)
        item: dict[str, Any] = {
            "type": wire, "source": SOURCE, "source_id": source_id(message.message_id, one.message),
            "identifiers": person.identifiers, "data": data,
        }  # fmt: skip
        if one.history:
            item["origin"] = "import"
        if at := _occurred(message, one, received_at):
            item["occurred_at"] = at
        return Translated(msgspec.json.encode(item), person.unused)


def readable(one: Translated, message: Kept, intake: Intake, now: datetime) -> Translated:
    """The same, or rejected if the intake does not take the event; kept is then what the sender wrote."""
    if isinstance(one.item, Rejected):
        return one
    found = intake.read(one.item, now)
    if not isinstance(found, Rejected):
        return one
    path = _PATHS.get(found.path, "$.properties" if found.path.startswith("$.data") else found.path)
    raw = message.written() if found.keep else b""
    known_as = found.source_id or told_id(message.message)
    return Translated(Rejected(found.code, path, found.detail, raw, SOURCE, known_as, keep=found.keep))


def _event(message: Message, person: Person) -> tuple[str, dict[str, Any]]:
    """The event's type and data."""
    if message.type in ("identify", "alias", "group"):
        return "customer.described", described(message, person)
    event = message.type if message.type != "track" else message.event or ""
    if len(event) > NAME or not event.isprintable():
        raise Undecodable("invalid", "$.event", f"Expected a name of one line, at most {NAME} characters")
    refuse_in_clear(event, "$.event")
    if message.type == "track" and (wire := ORDERS.get(event.strip().casefold())):
        return wire, order(event, message.properties or {}, person)
    said = dict(message.properties or {})
    for name, value in (("name", message.name), ("category", message.category)):
        if value:
            said.setdefault(name, msgspec.Raw(msgspec.json.encode(value)))
    touch: dict[str, Any] = {
        "channel": channel_of(message), "direction": "inbound", "attributes": {"event": event},
    }  # fmt: skip
    if said:
        touch["text"] = msgspec.json.encode(said).decode()
    campaign = message.context.get("campaign") if message.context else None
    if isinstance(campaign, dict) and 0 < len(name := as_text(campaign.get("name"))) <= NAME:
        touch["campaign"] = name
    return "touch.recorded", touch


def _occurred(message: Message, one: Kept, received_at: datetime) -> datetime | None:
    """When it happened, by our clock: a sender whose clock was wrong when it sent was as wrong before.

    History was not written by the clock that sends it, and stands as it is.
    """
    ways = [("$.originalTimestamp", message.original_timestamp), ("$.timestamp", message.timestamp)]
    if not one.sent_at:
        ways.reverse()  # somebody before us has corrected the second by the first
    path, told = next(((path, told) for path, told in ways if told), ("", ""))
    if not told:
        return None
    at = _moment(told)
    if at is None:
        raise Undecodable("invalid", path, "Expected a time like 2026-01-31T12:00:00Z")
    sent_at = _moment(one.sent_at)
    if one.history or sent_at is None or abs(received_at - sent_at) < SKEW:
        return at
    try:
        return received_at - (sent_at - at)
    except OverflowError:
        return at  # far outside all time: refused as it is


def _moment(told: str) -> datetime | None:
    """An instant; without an offset it is UTC, as senders' servers write it."""
    try:
        found = datetime.fromisoformat(told)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)

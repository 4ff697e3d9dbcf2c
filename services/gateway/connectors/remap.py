"""Reading stored bodies again: what a mended mapping would tell that the journal does not have, as data."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from events import codec
from events.codec import Undecodable
from events.envelope import Envelope, Event
from infra.intake import Inbound, InboundIdentifier, Rejected, personal_fields
from infra.item import IdentifierValues
from models.errors import Refused
from services.gateway.connectors.connector import Connector, Instance, Part, translate

Difference = Literal["missing", "differs", "no_longer_told", "unreadable"]
Identify = Callable[[Sequence[InboundIdentifier]], Sequence[IdentifierValues]]


class Remapped(msgspec.Struct, frozen=True):
    """One event on which the mapping of today and the journal do not agree.

    `told` is the event in the form every door takes, with its personal values: never log it.
    """

    source_id: str
    difference: Difference
    told: bytes = b""

    def __repr__(self) -> str:
        return f"Remapped({self.source_id!r}, {self.difference!r}, ***)"


_inbound = msgspec.json.Decoder(Inbound)


def remap(
    bodies: Iterable[tuple[str, bytes]],
    recorded: Mapping[str, Envelope],
    connector: Connector,
    instance: Instance,
    identify: Identify,
) -> Sequence[Remapped]:
    """Tell the bodies (key and bytes) of an instance anew, and compare with its events, by source id.

    `recorded` are the instance's events that came of these bodies; `identify` is the intake's. A personal
    field is compared by whether it is there, for its value is sealed; a time that the vendor does not
    say is not compared, nor are the identifiers of a contact's step that names nobody, for the journal
    gives it those of its contact.
    """
    told: dict[str, tuple[Inbound, bytes]] = {}
    found: list[Remapped] = []
    for key, raw in bodies:
        events = translate(Part(key, raw), connector, instance)
        if isinstance(events, Rejected):
            found.append(Remapped(key, "unreadable"))
            continue
        for one in events:
            event = _inbound.decode(one)
            told.setdefault(event.source_id, (event, one))
    for source_id, (event, one) in told.items():
        before = recorded.get(source_id)
        if before is None:
            found.append(Remapped(source_id, "missing", one))
            continue
        try:
            same = _same(event, before, identify)
        except (Undecodable, Refused):
            found.append(Remapped(source_id, "unreadable"))
            continue
        if not same:
            found.append(Remapped(source_id, "differs", one))
    found += [Remapped(one, "no_longer_told") for one in recorded if one not in told]
    return found


def _same(told: Inbound, before: Envelope, identify: Identify) -> bool:
    event = codec.decode_inbound(told.type, told.data)
    if told.type != before.type or _shown(event) != _shown(before.event):
        return False
    if told.occurred_at is not None and told.occurred_at != before.occurred_at:
        return False
    if not told.identifiers and told.type.startswith("contact."):
        return True
    return {one.ref.key for one in identify(told.identifiers)} == {one.key for one in before.identifiers}


def _shown(event: Event) -> dict[str, object]:
    """Its fields; a personal one by whether it is there."""
    personal = personal_fields(type(event))
    return {
        name: value is not None if name in personal else value
        for name, value in msgspec.structs.asdict(event).items()
    }

"""What the parts of a call come to: items for the door, and the bodies to keep beside them."""

from collections.abc import Sequence
from datetime import datetime

from infra.intake import Intake, Rejected
from infra.raw_body import NewBody
from services.gateway.connectors.connector import Connector, Instance, Part, translate

DOOR = "connectors"
"""What systems that call us are counted under."""


class Telling:
    """Items to take in, in order, and bodies to keep."""

    def __init__(self) -> None:
        self.items: list[bytes | Rejected] = []
        self.bodies: list[NewBody] = []


def tell(
    parts: Sequence[Part], connector: Connector, instance: Instance, intake: Intake, now: datetime
) -> Telling:
    """Every part as its events, or as one rejection: a part is told whole or held whole, as it came."""
    told = Telling()
    for part in parts:
        found = events_of(part, connector, instance, intake, now)
        if isinstance(found, Rejected):
            told.items.append(found)
        else:
            told.items += found
            told.bodies.append(NewBody(instance.name, part.key, part.raw, now))
    return told


def events_of(
    part: Part, connector: Connector, instance: Instance, intake: Intake, now: datetime
) -> list[bytes] | Rejected:
    """A part's events, each of which the intake takes; else why not, with the vendor's bytes and not with ours."""
    found = translate(part, connector, instance)
    for one in found if isinstance(found, list) else ():
        if isinstance(read := intake.read(one, now), Rejected):
            raw = part.raw if read.keep else b""
            return Rejected(read.code, read.path, read.detail, raw, instance.name, part.key, keep=read.keep)
    return found

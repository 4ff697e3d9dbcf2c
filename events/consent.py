"""What a customer allowed and what they forbade, each with its proof."""

from events.envelope import Event
from events.registry import event
from events.vocabulary import Channel, Code, Moment, Name, Purpose


@event("consent.granted", door="facts", by="any channel where the customer said yes")
class ConsentGranted(Event):
    """The customer allowed contact on this channel for this purpose.

    A permission is never wider than what was said, so both are named. `basis` is the legal ground,
    `proof` where it can be heard or read again (a recording, a form), `scope` the brand or product it
    is limited to; none means the whole company.
    """

    channel: Channel
    purpose: Purpose
    basis: Code
    proof: Name
    scope: Name | None = None
    expires_at: Moment | None = None


@event("consent.withdrawn", door="facts", by="any channel where the customer said no, or a public register")
class ConsentWithdrawn(Event):
    """The customer forbade contact; without a channel on all of them, without a purpose for any.

    An entry in a do-not-call register is a withdrawal too, with that register as its `basis`. A no
    needs no proof to hold.
    """

    channel: Channel | None = None
    purpose: Purpose | None = None
    basis: Code
    proof: Name | None = None
    scope: Name | None = None

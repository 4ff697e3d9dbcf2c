"""Who is who: edges between identifiers and customers, never rewrites."""

from events.envelope import Event, IdentifierRef
from events.registry import event
from events.vocabulary import Channel, Code, Count, Moment, Name


@event("identity.linked", by="gateway, with the touch that showed it", category="identity", key="customer")
class IdentifierLinked(Event):
    """An identifier was seen to belong to a customer.

    Where that one has been merged into another, `customer` is still whose it would be after an un-merge.
    """

    customer: Name
    identifier: IdentifierRef


@event("identity.merged", by="gateway or a person", category="identity", key="survivor")
class CustomersMerged(Event):
    """Two customers turned out to be one; the older one survives.

    `resting_on` are the identifiers whose joint appearance showed it; a merge is to be
    judged again when one of them is blocked.
    """

    survivor: Name
    absorbed: Name
    resting_on: tuple[IdentifierRef, ...] = ()


@event("identity.unmerged", by="a person", category="identity", key="survivor")
class CustomersUnmerged(Event):
    """A merge was wrong: the two are separate again, and a veto keeps them so until a person joins them.

    Without a `veto` only the ground fell away, say an identifier that turned out to be shared: other
    evidence may join them again.
    """

    survivor: Name
    restored: Name
    why: Name
    veto: bool = True


@event("identity.split", by="a person", category="identity", key="customer")
class CustomerSplit(Event):
    """Identifiers were taken off a customer: they, and what they showed, are another person's from the start.

    Without a `veto` only the ground fell away, an identifier that turned out to be shared: other evidence may
    join the two again.
    """

    customer: Name
    restored: Name
    identifiers: tuple[IdentifierRef, ...]
    why: Name
    veto: bool = True


@event(
    "identity.blocked", by="the limit of shared identifiers, or a person", category="identifier", key="key"
)
class IdentifierBlocked(Event):
    """An identifier that many people share no longer says who somebody is."""

    key: Name
    identifier: IdentifierRef
    why: Code


@event("identity.merge_proposed", by="gateway", category="identity", key="customer")
class MergeProposed(Event):
    """Two customers may be one, but a rule stands against joining them without a person's word."""

    customer: Name
    other: Name
    why: Code


@event("identity.merge_declined", by="a person", category="identity", key="customer")
class MergeDeclined(Event):
    """A person looked at a proposal and said that these are two people: it is not proposed again."""

    customer: Name
    other: Name
    why: Name


@event(
    "identity.assigned",
    by="a person, or the gateway for a part of a contact",
    category="assignment",
    key="event_or_stream",
)
class EventAssigned(Event):
    """Whose event this is was found out: by a person, or by another part of the same conversation.

    It may be a whole stream, named like `case-17`, or a whole conversation, named `contact-` and its id.
    """

    event_or_stream: Name
    customer: Name


@event("identity.verified", door="facts", by="agent desktop, IVR, app")
class PersonVerified(Event):
    """A person proved, or failed to prove, who they are; carried to the next channel until it expires."""

    method: Code
    level: Count
    passed: bool
    channel: Channel = "unknown"
    expires_at: Moment | None = None


@event("identity.unreachable", door="facts", by="whoever carries the messages: a bounce, a number nobody has")
class IdentifierUnreachable(Event):
    """What was sent to these identifiers on this channel did not arrive, and why.

    `permanent`: it never will, so lists leave the channel out until something gets through again or comes
    from there. Otherwise it may arrive the next time.
    """

    channel: Channel
    why: Code
    permanent: bool

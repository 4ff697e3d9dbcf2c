"""May a customer be contacted for a purpose, and on which channel? What they said comes first.

A yes reaches only the identifiers for which whoever said it spoke (`Consent.reaches`); a no and an open complaint
hold for all of them. A legal basis is the company's and reaches whatever the customer has.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from events.vocabulary import Channel, Purpose


class Consent(Protocol):
    """What a list must know of a customer's word on a channel (empty: all) and a purpose (empty: any)."""

    @property
    def channel(self) -> str: ...  # noqa: D102
    @property
    def purpose(self) -> str: ...  # noqa: D102
    @property
    def granted(self) -> bool: ...  # noqa: D102
    @property
    def scope(self) -> str: ...  # noqa: D102
    @property
    def event_id(self) -> str: ...  # noqa: D102

    def reaches(self, side: str) -> bool:
        """Did whoever said this speak for the identifiers of that side?"""
        ...


class Way(Struct, frozen=True, kw_only=True):
    """An identifier by which a customer may be reached: its kind and what it is as good as, whose it was first."""

    kinds: tuple[str, ...]
    side: str = ""
    dead_on: frozenset[str] = frozenset()
    """The channels on which it is known never to be reached."""

    def leads(self, channel: str, kinds: Collection[str]) -> bool:
        """Is it a way on this channel, for which these kinds will do?"""
        return channel not in self.dead_on and not frozenset(self.kinds).isdisjoint(kinds)


class Reachable(Struct, frozen=True, kw_only=True):
    """What decides whether, and on which channel, a customer may be contacted at all."""

    ways: tuple[Way, ...] = ()
    consents: tuple[Consent, ...] = ()
    open_complaint: bool = False
    suppressed: bool = False
    """Known by something of a person who asked to be forgotten: only their own new word allows contact."""


class Permitted(Struct, frozen=True):
    """The channel to use, and what allows it: a consent's event id, or the name of a legal basis."""

    channel: Channel
    basis: str


def permission(
    customer: Reachable, purpose: Purpose, channels: Sequence[Channel],
    legal_basis: Mapping[Channel, str], reach: Mapping[Channel, tuple[str, ...]],
) -> Permitted | str:  # fmt: skip
    """The first of the channels that is allowed and can be reached, else why there is none.

    `open_complaint`: a complaint is answered before anything is offered. `consent_withdrawn`: a
    withdrawal that covers channel and purpose is stricter than any consent and any legal basis.
    `suppressed`: whoever was known by this asked to be forgotten, and has said nothing new.
    `not_reachable`: there is a channel we may use, but no identifier for it of whoever allowed it, or none that
    gets through.
    `no_legal_basis`: no consent is on record and no legal basis is set; no word of the customer is not a yes.
    """
    if customer.open_complaint:
        return "open_complaint"
    withdrawn = allowed = False
    for channel in channels:
        said = [one for one in customer.consents if covers(one, channel, purpose)]
        if not all(one.granted for one in said):
            withdrawn = True
            continue
        # A consent limited to one brand or product does not speak for the whole company.
        consents = [one for one in said if not one.scope]
        legal = "" if customer.suppressed else legal_basis.get(channel, "")
        ways = [way for way in customer.ways if way.leads(channel, reach.get(channel, ()))]
        for consent in consents:
            if any(consent.reaches(way.side) for way in ways):
                return Permitted(channel, consent.event_id)
        if legal and ways:
            return Permitted(channel, legal)
        allowed = allowed or bool(consents or legal)
    if withdrawn:
        return "consent_withdrawn"
    if customer.suppressed and not allowed:
        return "suppressed"
    return "not_reachable" if allowed else "no_legal_basis"


def covers(consent: Consent, channel: str, purpose: str) -> bool:
    """Is this word about contact on this channel for this purpose?"""
    return consent.channel in ("", channel) and consent.purpose in ("", purpose)

"""May a customer be contacted for a purpose, and on which channel? What they said comes first."""

from collections.abc import Mapping, Sequence
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


class Reachable(Struct, frozen=True, kw_only=True):
    """What decides whether, and on which channel, a customer may be contacted at all."""

    kinds: frozenset[str] = frozenset()
    consents: tuple[Consent, ...] = ()
    open_complaint: bool = False
    left_on: Mapping[Channel, frozenset[str]] = {}
    """The kinds left on a channel, where some identifiers are known never to be reached on it."""
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
    `not_reachable`: there is a channel we may use, but no identifier for it, or none that gets through.
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
        consent = next((one.event_id for one in said if not one.scope), "")
        basis = consent or ("" if customer.suppressed else legal_basis.get(channel, ""))
        if not basis:
            continue
        allowed = True
        if customer.left_on.get(channel, customer.kinds).intersection(reach.get(channel, ())):
            return Permitted(channel, basis)
    if withdrawn:
        return "consent_withdrawn"
    if customer.suppressed and not allowed:
        return "suppressed"
    return "not_reachable" if allowed else "no_legal_basis"


def covers(consent: Consent, channel: str, purpose: str) -> bool:
    """Is this word about contact on this channel for this purpose?"""
    return consent.channel in ("", channel) and consent.purpose in ("", purpose)

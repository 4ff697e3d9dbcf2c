"""What may be made to a customer, and each time it was put to one."""

from typing import Literal

from events.envelope import Event
from events.registry import event
from events.vocabulary import Channel, Code, Currency, Moment, Money, Name, Purpose, Share

Answer = Literal["accepted", "declined", "later"]


@event("offer.defined", by="marketing", category="offer", key="offer")
class OfferDefined(Event):
    """An offer may be made from now on to those whom its eligibility rule admits.

    `cost` is what one acceptance costs the company. Defined again, it replaces what was said before.
    """

    offer: Name
    title: Name
    eligibility: Code
    cost: Money
    currency: Currency = ""
    product: Name | None = None
    price: Money | None = None
    purposes: tuple[Purpose, ...] = ()
    valid_from: Moment | None = None
    valid_until: Moment | None = None


@event("presentation.made", by="policy offer, or outreach")
class PresentationMade(Event):
    """One offer was put to the customer, because of this rule.

    `propensity` is the probability with which it was chosen among the `possible` ones: without it nobody can say later
    what another choice would have brought.
    """

    presentation_id: Name
    offer: Name
    channel: Channel
    purpose: Purpose
    rule: Code | None = None
    contact_id: Name | None = None
    campaign: Name | None = None
    step: Name | None = None
    agent: Name | None = None
    propensity: Share | None = None
    possible: tuple[Name, ...] = ()


@event("presentation.answered", door="facts", by="agent desktop, app, any channel with an answer")
class PresentationAnswered(Event):
    """The customer took the offer, refused it, or put it off."""

    presentation_id: Name
    offer: Name
    answer: Answer
    why: Code | None = None
    channel: Channel = "unknown"
    agent: Name | None = None

"""What may be made to a customer, and each time it was put to one."""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from events.envelope import Event
from events.registry import event
from events.vocabulary import Channel, Code, Count, Currency, Moment, Money, Name, Purpose, Share, Stage

Answer = Literal["accepted", "declined", "later"]
Words = Annotated[str, Meta(max_length=300)]


@event("offer.defined", by="marketing", category="offer", key="offer")
class OfferDefined(Event):
    """An offer may be made from now on to those whom its eligibility rule admits.

    An acceptance earns `value` and costs the company `cost`; without a value, what it earns is not said. `acceptance`
    is the share of those asked who were thought to take it when it was defined. Where the rule that `eligibility` names
    is written here, it is: in one of the `stages`, with none of the products `not_holding` and one of `holding_any`,
    each feature in `at_least` and `at_most` within its limit. Defined again, it replaces what was said before.
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
    value: Money | None = None
    acceptance: Share | None = None
    stages: tuple[Stage, ...] = ()
    not_holding: tuple[Name, ...] = ()
    holding_any: tuple[Name, ...] = ()
    at_least: dict[Name, float] = field(default_factory=dict)
    at_most: dict[Name, float] = field(default_factory=dict)


class WeighedOffer(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was thought of one offer: its chance to be taken, and the money that making it was expected to earn.

    `propensity` is its chance to be the one that is made; `rule` says why it had none.
    """

    offer: Name
    probability: Share
    expected: float
    propensity: Share = 0.0
    rule: Name | None = None


@event("presentation.made", by="touchstone offers propose, POST /v1/customers/{id}/offers, or outreach")
class PresentationMade(Event):
    """One offer was put to the customer, because of this rule.

    `propensity` is the probability with which it was chosen among the `possible` ones: without it nobody can say later
    what another choice would have brought. `because` are the reasons in words, `basis` what allowed it: a consent's
    event id, the name of a legal basis, or `own_contact` where the customer began the contact. `learnt` is the run from
    whose acceptances the chances came (none: from the company's own rules), `weighed` what was thought of each offer,
    the best first, and `explored` says that chance took another than the best.
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
    because: tuple[Words, ...] = ()
    basis: Name | None = None
    learnt: Name | None = None
    explored: bool = False
    weighed: tuple[WeighedOffer, ...] = ()


@event("presentation.answered", door="facts", by="agent desktop, app, any channel with an answer")
class PresentationAnswered(Event):
    """The customer took the offer, refused it, or put it off."""

    presentation_id: Name
    offer: Name
    answer: Answer
    why: Code | None = None
    channel: Channel = "unknown"
    agent: Name | None = None


class LearntOffer(Struct, frozen=True, kw_only=True):
    """What is known of one offer: how often it was `shown` and `accepted`, and its model in plain numbers.

    `weights` are the log odds of the usual customer, then those that each column adds a standard deviation.
    """

    offer: Name
    shown: Count
    accepted: Count
    weights: tuple[float, ...]


@event("offer.acceptance_learnt", by="touchstone offers learn", category="acceptance", key="model")
class AcceptanceLearnt(Event):
    """How likely customers are to take each offer, learnt from presentations up to `as_of`; the last one counts.

    `personal`: what customers are like tells what they take, shown on presentations from `judged_from` on from which
    nothing was learnt. Else one chance an offer holds for everybody. `columns` are the features that count, `usual` and
    `spread` their means and standard deviations, `asked` the SHA-256 of what they mean. `left_out` says of
    other offers why nothing was learnt of them. `metrics` are money a presentation by another choice, with 95 %
    intervals.
    """

    model: Code
    run: Name
    as_of: Moment
    judged_from: Moment
    personal: bool
    says: Annotated[str, Meta(max_length=1_000)]
    offers: tuple[LearntOffer, ...]
    columns: tuple[Name, ...] = ()
    usual: tuple[float, ...] = ()
    spread: tuple[float, ...] = ()
    asked: Name | None = None
    left_out: dict[Name, Words] = field(default_factory=dict)
    metrics: dict[str, float]

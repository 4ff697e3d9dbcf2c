"""Which offers a company makes, and to whom each may be made: its own rules, and the first of them that says no."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from math import isfinite
from typing import Annotated

from msgspec import Meta, Struct

from events.vocabulary import Code, Moment, Name, Purpose, Share, Stage
from models.domain.permission import Reachable, covers
from models.errors import Refused

Amount = Annotated[Decimal, Meta(description="In the workspace's own currency; not negative.")]
Limits = dict[Name, float]


class Offer(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One offer of the company, and its eligibility rule.

    An acceptance earns `value`, or without one `margin` x `price`, and costs `cost`. `acceptance` is the share of
    those asked who are thought to take it, until it has been learnt. It may be made for these `purposes`, from
    `valid_from` until before `valid_until`, to customers in one of the `stages` (none named: any), who have none of
    the products `not_holding`, one of `holding_any` (none named: whatever they have), and of whom each feature in
    `at_least` and `at_most` is known and within its limit.
    """

    offer: Code
    title: Name
    purposes: Annotated[tuple[Purpose, ...], Meta(min_length=1)]
    value: Amount | None = None
    price: Amount | None = None
    margin: Share = 1.0
    cost: Amount = Decimal(0)
    acceptance: Share = 0.1
    product: Name | None = None
    stages: tuple[Stage, ...] = ()
    not_holding: tuple[Name, ...] = ()
    holding_any: tuple[Name, ...] = ()
    at_least: Limits = {}
    at_most: Limits = {}
    valid_from: Moment | None = None
    valid_until: Moment | None = None

    def __post_init__(self) -> None:
        for name, amount in (("value", self.value), ("price", self.price), ("cost", self.cost)):
            if amount is not None and not (amount.is_finite() and amount >= 0):
                raise ValueError(f"{self.offer}: {name} must be a number, and not negative")
        if not all(map(isfinite, (*self.at_least.values(), *self.at_most.values()))):
            raise ValueError(f"{self.offer}: a limit of at_least or at_most must be a number")
        if self.value is None and self.price is None:
            raise ValueError(f"{self.offer}: say what an acceptance earns: value, or price and margin")
        if self.valid_from and self.valid_until and self.valid_from >= self.valid_until:
            raise ValueError(f"{self.offer}: valid_until must be later than valid_from")

    @property
    def worth(self) -> Decimal:
        """What an acceptance earns after what it costs; may be negative."""
        earns = self.value if self.value is not None else (self.price or 0) * Decimal(str(self.margin))
        return earns - self.cost

    @property
    def features(self) -> tuple[str, ...]:
        """The features its rule asks of, in order."""
        return tuple(dict.fromkeys((*self.at_least, *self.at_most)))


class Offering(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How offers are made: `explore` is the share of choices left to chance, to learn what customers like today.

    An answer counts for `answer_days` after the offer was put to the customer; later, or without one, it was not taken.
    """

    explore: Share = 0.1
    answer_days: Annotated[int, Meta(ge=1, le=365)] = 14


class Candidate(Struct, frozen=True, kw_only=True):
    """What eligibility must know of a customer: their stage (empty: none yet), products, and features by name."""

    stage: str
    products: frozenset[str]
    features: Mapping[str, float | None]


def refused_by(offer: Offer, customer: Candidate, purpose: Purpose, now: datetime) -> str:
    """The first key of the offer's rule that says no, with what it names; empty: it may be made."""
    return next(_against(offer, customer, purpose, now), "")


def _against(offer: Offer, customer: Candidate, purpose: Purpose, now: datetime) -> Iterator[str]:
    if purpose not in offer.purposes:
        yield "purposes"
    if offer.valid_from and now < offer.valid_from:
        yield "valid_from"
    if offer.valid_until and now >= offer.valid_until:
        yield "valid_until"
    if offer.stages and customer.stage not in offer.stages:
        yield "stages"
    yield from (f"not_holding.{one}" for one in offer.not_holding if one in customer.products)
    if offer.holding_any and customer.products.isdisjoint(offer.holding_any):
        yield "holding_any"
    for name, least in offer.at_least.items():
        value = customer.features.get(name)
        if value is None or not value >= least:
            yield f"at_least.{name}"
    for name, most in offer.at_most.items():
        value = customer.features.get(name)
        if value is None or not value <= most:
            yield f"at_most.{name}"


def speaks_against_offering(customer: Reachable, channel: str, purpose: Purpose) -> str:
    """Why nothing may be offered in a contact that the customer began; empty: something may.

    Such a contact needs no consent of theirs. A complaint is answered first, a withdrawal that covers the
    purpose counts here too, and who asked to be forgotten is offered nothing without a new yes.
    """
    if customer.open_complaint:
        return "open_complaint"
    said = [one for one in customer.consents if covers(one, channel, purpose)]
    if not all(one.granted for one in said):
        return "consent_withdrawn"
    if customer.suppressed and not any(not one.scope for one in said):
        return "suppressed"
    return ""


def offered_once(offers: Iterable[Offer]) -> None:
    """Return if each name is one offer's. Raises ValueError naming the first that is not."""
    seen: set[str] = set()
    for one in offers:
        if one.offer in seen:
            raise ValueError(f"offers: two are called {one.offer!r}: give each a name of its own")
        seen.add(one.offer)


def require_known_features(offers: Iterable[Offer], known: Collection[str], file: str) -> None:
    """Return if every feature that a rule asks of exists. Refused: `offer.unknown_feature`, with file and key."""
    for place, offer in enumerate(offers):
        for key, limits in (("at_least", offer.at_least), ("at_most", offer.at_most)):
            for name in limits:
                if name not in known:
                    raise Refused(
                        "offer.unknown_feature",
                        f"{file}: offers[{place}].{key}: there is no feature {name!r}; `touchstone offers features` "
                        "shows them all",
                        f"offers/{place}/{key}/{name}",
                    )  # fmt: skip

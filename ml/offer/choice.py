"""Which offer to make to one customer now: eligible first, then allowed, then what is expected to earn most.

Now and then another eligible offer is made instead, so that what customers like today is found out. How likely
each offer was is part of the answer; kept with the presentation, it lets a later judge replay the log.
"""

import hashlib
import math
from collections.abc import Sequence

from msgspec import Struct

from models.errors import Refused


class Option(Struct, frozen=True, kw_only=True):
    """One offer as it stands for one customer.

    `value` is what an acceptance earns after what the offer itself costs, `cost` what putting it to the customer
    costs, taken or not, in the same currency. `refused` is the eligibility rule that says no; empty: eligible.
    """

    offer: str
    probability: float
    value: float
    cost: float = 0.0
    refused: str = ""

    @property
    def expected(self) -> float:
        """Money that making the offer is expected to earn."""
        return self.probability * self.value - self.cost


class Exploration(Struct, frozen=True, kw_only=True):
    """`epsilon`: share of choices left to chance among all offers that could pay; 0 never explores."""

    epsilon: float
    seed: str

    def __post_init__(self) -> None:
        if not 0 <= self.epsilon <= 1:
            raise ValueError(f"epsilon is a share between 0 and 1, not {self.epsilon}")


class Weighed(Struct, frozen=True, kw_only=True):
    """What was thought of one offer: its expected profit, its chance to be made, or the rule against it."""

    offer: str
    expected: float
    propensity: float = 0.0
    rule: str = ""


class Choice(Struct, frozen=True, kw_only=True):
    """The offer to make, or None and the rule why.

    `propensity` is the exact chance that this offer was chosen for this customer; log it with the
    presentation. `explored`: chance took another than the best. `weighed` has every option, the best first.
    """

    offer: str | None
    propensity: float
    expected: float
    weighed: tuple[Weighed, ...]
    rule: str = ""
    explored: bool = False


def choose(options: Sequence[Option], *, contact_refused: str, key: str, exploration: Exploration) -> Choice:
    """The offer for one customer at one occasion.

    `contact_refused` is the rule of the contact policy that says no; empty: allowed. `key` names customer and
    occasion: asked again with the same key and options, the answer is the same. Chance never makes an offer
    where none is expected to pay. Equals go by the offer's name.

    Without an offer the rule is `no_offer_eligible`, the contact policy's, or `nothing_pays`, in this order. An offer
    that would not even pay if it were surely taken is never made: `cannot_pay`.

    Refused: `offer.bad_option` (a probability outside 0 to 1, money that is no number, a negative cost),
    `offer.named_twice`.
    """
    _check(options)
    ranked = sorted(options, key=lambda one: (-one.expected, one.offer))
    eligible = [one for one in ranked if not one.refused]
    if contact_refused or not eligible or eligible[0].expected <= 0:
        return _nothing(ranked, eligible, contact_refused)
    open_to_chance = [one for one in eligible if one.value > one.cost]
    even = exploration.epsilon / len(open_to_chance)
    propensity = {one.offer: even for one in open_to_chance}
    propensity[eligible[0].offer] = 1 - even * (len(open_to_chance) - 1)
    chosen = _drawn(propensity, f"{exploration.seed}:{key}")
    return Choice(
        offer=chosen,
        propensity=propensity[chosen],
        expected=next(one.expected for one in eligible if one.offer == chosen),
        weighed=tuple(
            Weighed(
                offer=one.offer,
                expected=one.expected,
                propensity=propensity.get(one.offer, 0.0),
                rule=one.refused or ("" if one.offer in propensity else "cannot_pay"),
            )
            for one in ranked
        ),
        explored=chosen != eligible[0].offer,
    )


def _nothing(ranked: Sequence[Option], eligible: Sequence[Option], contact_refused: str) -> Choice:
    rule = (contact_refused or "nothing_pays") if eligible else "no_offer_eligible"
    return Choice(
        offer=None,
        propensity=1.0,
        expected=0.0,
        rule=rule,
        weighed=tuple(
            Weighed(offer=one.offer, expected=one.expected, rule=one.refused or rule) for one in ranked
        ),
    )


def _drawn(propensity: dict[str, float], key: str) -> str:
    """One of the offers, each with its propensity; the same key draws the same."""
    at = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8]) / 2**64
    for offer, chance in propensity.items():
        at -= chance
        if at < 0:
            return offer
    return next(iter(propensity))  # the chances add up to a hair less than 1


def _check(options: Sequence[Option]) -> None:
    for place, one in enumerate(options):
        at = f"options/{place}"
        if not 0 <= one.probability <= 1:
            raise Refused(
                "offer.bad_option", f"{one.offer}: a probability lies between 0 and 1", f"{at}/probability"
            )
        if not math.isfinite(one.value):
            raise Refused("offer.bad_option", f"{one.offer}: the value is no number", f"{at}/value")
        if not (math.isfinite(one.cost) and one.cost >= 0):
            raise Refused("offer.bad_option", f"{one.offer}: a cost is a number from 0 on", f"{at}/cost")
    if len({one.offer for one in options}) < len(options):
        raise Refused("offer.named_twice", "an offer stands twice among the options", "options")

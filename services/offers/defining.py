"""The offers of a company's rules, as they are asked of and as they are recorded."""

import hashlib

import msgspec

from events.envelope import Event
from events.offer import OfferDefined
from infra.workspace import Workspace
from ml.kit import Kit
from models.domain.offering import Offer, require_known_features
from models.errors import Conflict
from models.ports import By, Write

TRIES = 3


def rules_file(workspace: Workspace) -> str:
    """The file the offers stand in, as it is named to people."""
    return str(workspace.settings.workspace or "the rules file (TOUCHSTONE_WORKSPACE)")


def offers_of(workspace: Workspace, kit: Kit) -> tuple[Offer, ...]:
    """The offers of the rules. Refused: `offer.unknown_feature`, with file and key."""
    offers = workspace.rules.offers
    require_known_features(offers, kit.names, rules_file(workspace))
    return offers


def eligibility(offer: Offer) -> str:
    """The code of an offer's rule: another rule has another."""
    asked = (offer.purposes, offer.stages, offer.not_holding, offer.holding_any, sorted(offer.at_least.items()),
             sorted(offer.at_most.items()), offer.valid_from, offer.valid_until)  # fmt: skip
    return f"rules-{hashlib.sha256(msgspec.json.encode(asked)).hexdigest()[:12]}"


def define(workspace: Workspace) -> list[str]:
    """Record every offer that is new, or other than it was recorded last; their names. A repeat records nothing."""
    return [one.offer for one in workspace.rules.offers if _define(workspace, one)]


def _define(workspace: Workspace, offer: Offer) -> bool:
    event = _defined(offer, workspace.rules.currency)
    for attempt in range(TRIES):
        history = workspace.log.stream(f"offer-{offer.offer}")
        if history and _same(history[-1].event, event):
            return False
        by = By(source="rules", source_id=f"{offer.offer}:{len(history) + 1}", actor="rules")
        write = Write(
            stream=f"offer-{offer.offer}",
            expected=len(history),
            events=[(event, workspace.clock.now())],
        )
        try:
            return workspace.log.record(by, [write])
        except Conflict:  # somebody defines it at the same time
            if attempt == TRIES - 1:
                raise
    raise AssertionError("a try returns or raises")


def _same(one: Event, other: OfferDefined) -> bool:
    return isinstance(one, OfferDefined) and msgspec.structs.asdict(one) == msgspec.structs.asdict(other)


def _defined(offer: Offer, currency: str) -> OfferDefined:
    return OfferDefined(
        offer=offer.offer, title=offer.title, eligibility=eligibility(offer), cost=offer.cost, currency=currency,
        product=offer.product, price=offer.price, purposes=offer.purposes, valid_from=offer.valid_from,
        valid_until=offer.valid_until, value=offer.worth + offer.cost, acceptance=offer.acceptance,
        stages=offer.stages, not_holding=offer.not_holding, holding_any=offer.holding_any, at_least=offer.at_least,
        at_most=offer.at_most,
    )  # fmt: skip

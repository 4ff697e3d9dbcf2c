"""The offer to make to one customer now: eligible, allowed, worth most; with its reason, and recorded on request."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from functools import cached_property

import msgspec
from msgspec import Struct

from events.envelope import Envelope
from events.offer import PresentationMade, WeighedOffer
from events.vocabulary import Channel, Purpose
from infra.database import among, unavailable
from infra.ids import derived_id, new_id
from infra.journal.stored import read
from infra.views import CustomerView, Views
from infra.workspace import Workspace
from ml.kit import Kit, OwnFileRefused
from ml.offer.choice import Choice, Exploration, Option, choose
from models.domain.offering import Candidate, Offer, refused_by
from models.domain.permission import Permitted
from models.errors import Refused
from models.ports import By, Write
from models.projections.customer_360_row import Customer360Row
from models.tables.journal import journal
from services.offers.allowing import Occasion, allowed_to, contact_cost, is_own
from services.offers.asking import Asked, Known
from services.offers.defining import define, eligibility, offers_of
from services.offers.learnt import Acceptances, last_learnt
from services.prediction import kit_of

DIGITS = 6
SEED = "offers"
"""Of chance: the same customer in the same contact is drawn the same."""
WORDS = 300


class Proposal(Struct, frozen=True, kw_only=True):
    """The offer to make, or None and the `rule` why not; `because` says in words why this one.

    `presentation_id` is there once it is recorded: the answer names it. `recorded`: it was not before.
    """

    customer: str
    channel: Channel
    purpose: Purpose
    contact_id: str | None
    offer: str | None
    title: str | None
    price: Decimal | None
    currency: str
    because: tuple[str, ...]
    rule: str
    basis: str | None
    probability: float | None
    expected: float | None
    propensity: float | None
    explored: bool
    learnt: str | None
    weighed: tuple[WeighedOffer, ...]
    presentation_id: str | None = None
    made_at: datetime | None = None
    recorded: bool = False


class Offers:
    """Proposes offers in a workspace. What lies in `TOUCHSTONE_OWN` is read once."""

    def __init__(self, workspace: Workspace, views: Views) -> None:
        self._workspace, self._views = workspace, views
        self._defined = False

    @cached_property
    def _kit(self) -> Kit:
        try:
            return kit_of(self._workspace)
        except OwnFileRefused as error:
            raise Refused("offer.own_file", str(error)) from None

    @cached_property
    def _offers(self) -> tuple[Offer, ...]:
        return offers_of(self._workspace, self._kit)

    def _define(self) -> None:
        """Once: the rules stay what they are while a process runs."""
        if not self._defined:
            define(self._workspace)
            self._defined = True

    def propose(self, view: CustomerView, occasion: Occasion) -> Proposal:
        """What would be offered; nothing is recorded. For an occasion on which something was, that is the answer.

        Raises `Refused` (`customer.erased`, `contact.unknown`, `offer.contact_of_another`, `offer.unknown_feature`,
        `offer.other_features`, `offer.own_file`, `offer.none`), `Unavailable`.
        """
        _require_there(view)
        if made := self._made_before(view, occasion):
            return self._as_recorded(view.customer, made, new=False)
        return self._decide(view, occasion)[0]

    def present(self, view: CustomerView, occasion: Occasion, by: By | None = None) -> Proposal:
        """As `propose`, and recorded where there is an offer to make. In one contact an offer is made once a purpose.

        Without a contact, `by` says under which id a repeat is known; its customer is set here.
        """
        _require_there(view)
        self._define()
        if made := self._made_before(view, occasion):
            return self._as_recorded(view.customer, made, new=False)
        if by is not None and not occasion.contact_id and self._workspace.log.known(by):
            return self._as_recorded(view.customer, self._recorded(by), new=False)
        proposal, event = self._decide(view, occasion)
        if event is None:
            return proposal
        if by is None or occasion.contact_id:
            by = By(source="offers", source_id=event.presentation_id, actor=by.actor if by else SEED)
        by = msgspec.structs.replace(by, customer=view.customer)
        now = self._workspace.clock.now()
        log, write = self._workspace.log, Write(stream="", expected=0, events=[(event, now)])
        new = log.record_once(by, [write]) if by.asked else log.record(by, [write])
        return self._as_recorded(view.customer, self._recorded(by), new=new)

    def _decide(self, view: CustomerView, occasion: Occasion) -> tuple[Proposal, PresentationMade | None]:
        offers, workspace = self._offers, self._workspace
        if not offers:
            raise Refused(
                "offer.none",
                "the rules have no offers: write a table [[offers]] for each, see docs/offers.md",
            )
        row, now = _row(view), workspace.clock.now()
        learnt = last_learnt(workspace, self._kit)
        asked = Asked.of(
            self._kit, (name for one in offers for name in one.features),
            learnt.acceptance.columns if learnt else (),
        )  # fmt: skip
        known = asked.of_customer(self._views, view.customer, now)
        candidate = Candidate(
            stage=_stage(view), products=frozenset(one.product for one in row.holdings.values()),
            features=known.now,
        )  # fmt: skip
        own = is_own(workspace, view.customer, occasion)
        allowed = allowed_to(workspace, row, occasion, now, own=own)
        chances = learnt.chances(known.before_today) if learnt else {}
        probability = {one.offer: chances.get(one.offer, one.acceptance) for one in offers}
        cost = Decimal(0) if own else contact_cost(workspace.rules, occasion)
        choice = choose(
            [
                Option(
                    offer=one.offer, probability=probability[one.offer], value=float(one.worth), cost=float(cost),
                    refused=refused_by(one, candidate, occasion.purpose, now),
                )
                for one in offers
            ],
            contact_refused="" if isinstance(allowed, Permitted) else allowed,
            key=f"{view.customer}:{_name(occasion, now)}",
            exploration=Exploration(epsilon=workspace.rules.offering.explore, seed=SEED),
        )  # fmt: skip
        weighed = _weighed(choice, probability)
        if choice.offer is None or not isinstance(allowed, Permitted):
            return self._nothing(view.customer, occasion, choice.rule, weighed, learnt), None
        offer = next(one for one in offers if one.offer == choice.offer)
        event = PresentationMade(
            presentation_id=derived_id("presentation", view.customer, occasion.purpose, _unique(occasion)),
            offer=offer.offer, channel=occasion.channel, purpose=occasion.purpose, rule=eligibility(offer),
            contact_id=occasion.contact_id, agent=occasion.agent, propensity=choice.propensity,
            possible=tuple(sorted(one.offer for one in weighed if one.propensity > 0)),
            because=_because(offer, candidate, self._kit, learnt, known, explored=choice.explored),
            basis=allowed.basis, learnt=learnt.run if learnt else None, explored=choice.explored, weighed=weighed,
        )  # fmt: skip
        return self._proposal(view.customer, event), event

    def _made_before(self, view: CustomerView, occasion: Occasion) -> Envelope | None:
        """What was put to this customer in this contact for this purpose."""
        if occasion.contact_id is None:
            return None
        with unavailable(), self._workspace.engine.connect() as connection:
            found = read(
                connection, journal.c.contact == occasion.contact_id, journal.c.type == PresentationMade.WIRE,
                among(journal.c.customer, [view.customer, *view.absorbed]),
            )  # fmt: skip
        return next((one for one in found if one.event.purpose == occasion.purpose), None)

    def _recorded(self, by: By) -> Envelope:
        return self._views.recorded(by.source, by.source_id)[0]

    def _as_recorded(self, customer: str, made: Envelope, *, new: bool) -> Proposal:
        """What is recorded is the answer, whatever would be chosen now."""
        event = made.event
        assert isinstance(event, PresentationMade)
        return msgspec.structs.replace(
            self._proposal(customer, event), presentation_id=event.presentation_id, made_at=made.occurred_at,
            recorded=new,
        )  # fmt: skip

    def _proposal(self, customer: str, event: PresentationMade) -> Proposal:
        offer = next((one for one in self._workspace.rules.offers if one.offer == event.offer), None)
        thought = next((one for one in event.weighed if one.offer == event.offer), None)
        return Proposal(
            customer=customer, channel=event.channel, purpose=event.purpose, contact_id=event.contact_id,
            offer=event.offer, title=offer.title if offer else None, price=offer.price if offer else None,
            currency=self._workspace.rules.currency, because=event.because, rule="", basis=event.basis,
            probability=thought.probability if thought else None, expected=thought.expected if thought else None,
            propensity=event.propensity, explored=event.explored, learnt=event.learnt, weighed=event.weighed,
        )  # fmt: skip

    def _nothing(
        self, customer: str, occasion: Occasion, rule: str, weighed: tuple[WeighedOffer, ...],
        learnt: Acceptances | None,
    ) -> Proposal:  # fmt: skip
        return Proposal(
            customer=customer, channel=occasion.channel, purpose=occasion.purpose, contact_id=occasion.contact_id,
            offer=None, title=None, price=None, currency=self._workspace.rules.currency, because=(), rule=rule,
            basis=None, probability=None, expected=None, propensity=None, explored=False,
            learnt=learnt.run if learnt else None, weighed=weighed,
        )  # fmt: skip


def _because(
    offer: Offer, candidate: Candidate, kit: Kit, learnt: Acceptances | None, known: Known, *, explored: bool
) -> tuple[str, ...]:
    """What its rule asked for and found, then what makes a yes likelier here; else why it was chosen."""
    by_name = {one.name: one for one in kit.questions}
    said = [by_name[name].phrase(candidate.features[name]) for name in offer.features]
    said += [f"has {one}" for one in offer.holding_any if one in candidate.products]
    said += learnt.reasons(offer.offer, known.before_today) if learnt else ()
    if not said:
        said = [
            "chosen by chance, to learn how customers like it" if explored
            else "expected to earn most of what may be offered here"
        ]  # fmt: skip
    return tuple(one[:WORDS] for one in dict.fromkeys(said))


def _weighed(choice: Choice, probability: Mapping[str, float]) -> tuple[WeighedOffer, ...]:
    return tuple(
        WeighedOffer(
            offer=one.offer, probability=probability[one.offer], expected=round(one.expected, DIGITS),
            propensity=one.propensity, rule=one.rule or None,
        )
        for one in choice.weighed
    )  # fmt: skip


def _row(view: CustomerView) -> Customer360Row:
    found: Customer360Row = view.rows["customer_360"].get(view.customer, Customer360Row())
    return found


def _require_there(view: CustomerView) -> None:
    if _row(view).erased_at is not None:
        raise Refused("customer.erased", "this customer was erased: nobody is there to make an offer to")


def _stage(view: CustomerView) -> str:
    lifecycle = view.rows["lifecycle"].get(view.customer)
    return lifecycle.now.stage if lifecycle and lifecycle.now else ""


def _name(occasion: Occasion, now: datetime) -> str:
    return occasion.contact_id or occasion.key or f"{now:%Y-%m-%d}"


def _unique(occasion: Occasion) -> str:
    return occasion.contact_id or occasion.key or new_id()

"""The next best offer to a customer, recorded as it is put to them."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Response
from pydantic import ConfigDict, Field

from events.vocabulary import Channel, Purpose
from infra.views import Views
from infra.workspace import Workspace
from models.ports import By
from services.api.commanding import SOURCE, asked, source_id
from services.api.customer import UNKNOWN
from services.api.customer_parts import Part
from services.api.opportunity_body import Asked, Name
from services.api.parameters import CustomerId, IdempotencyKey
from services.api.problems import Absorbed, described

if TYPE_CHECKING:
    from services.offers.proposing import Offers

EXAMPLE: Any = {
    "customer": "01997a3e-0000-7000-8000-000000000002", "channel": "voice", "purpose": "cross_sell",
    "contact_id": "switch-1:88220", "offer": "hk_day_pass", "title": "Hong Kong day pass", "price": "2.90",
    "currency": "EUR", "because": ["6 calls to Hong Kong in the last 60 days"], "rule": "", "basis": "own_contact",
    "probability": 0.24, "expected": 0.55, "propensity": 0.95, "explored": False, "learnt": None,
    "weighed": [
        {"offer": "hk_day_pass", "probability": 0.24, "expected": 0.55, "propensity": 0.95, "rule": None},
        {"offer": "data_5gb", "probability": 0.1, "expected": 0.4, "propensity": 0.05, "rule": None},
        {"offer": "family", "probability": 0.1, "expected": 2.1, "propensity": 0.0, "rule": "not_holding.family"},
    ],
    "presentation_id": "0b0f6f1e-7c1c-5c5e-9a70-2f8f6a1f3c55", "made_at": "2026-03-02T16:31:00Z", "recorded": True,
}  # fmt: skip


class OfferBody(Asked):
    """How and what for an offer is to be made now, and in which contact."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"channel": "voice", "purpose": "cross_sell", "contact_id": "switch-1:88220", "agent": "a-17"}
            ]
        }
    )  # fmt: skip

    channel: Channel
    purpose: Purpose
    contact_id: Name | None = None
    agent: Name | None = None


class WeighedPart(Part):
    """What was thought of one offer; `propensity` was its chance to be the one, `rule` says why it had none."""

    offer: str
    probability: float
    expected: float
    propensity: float
    rule: str | None


class OfferAnswer(Part):
    """The offer to make, or null and the rule why not. The answer to it names `presentation_id`."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [EXAMPLE]})

    customer: str
    channel: str
    purpose: str
    contact_id: str | None
    offer: str | None
    title: str | None
    price: Decimal | None
    currency: str
    because: list[str]
    rule: str = Field(
        description="Without an offer: no_offer_eligible, nothing_pays, consent_withdrawn, open_complaint …"
    )
    basis: str | None = Field(description="A consent's event id, the name of a legal basis, or own_contact.")
    probability: float | None
    expected: float | None = Field(description="Money that making it is expected to earn.")
    propensity: float | None = Field(description="The chance with which it was chosen.")
    explored: bool = Field(description="Chance took another than the best, to learn.")
    learnt: str | None = Field(
        description="The run that the chances of a yes come from; null: from the rules."
    )
    weighed: list[WeighedPart] = Field(description="Every offer, the best first.")
    presentation_id: str | None
    made_at: datetime | None
    recorded: bool = Field(description="This request recorded it.")


def router(workspace: Workspace, views: Views) -> APIRouter:
    """The routes of this subject."""
    routes = APIRouter(prefix="/v1/customers/{customer_id}", tags=["offers"])
    offers = _when_asked(workspace, views)

    @routes.post(
        "/offers", status_code=202,
        responses={
            202: {"description": "An offer is made; it is recorded for ever."},
            200: {"model": OfferAnswer, "description": "Made before on this occasion, or there is none to make."},
            **described(308, 404, 409),
        },
    )  # fmt: skip
    def make_offer(
        customer_id: CustomerId, body: OfferBody, response: Response, key: IdempotencyKey = None
    ) -> OfferAnswer:
        """The offer that suits this customer now, with its reason, recorded as put to them.

        In one contact an offer is made once a purpose: asked again, the answer is what was recorded. Without a contact,
        the Idempotency-Key says what is the same occasion. The customer's answer is sent as `presentation.answered`.
        """
        from services.offers.allowing import Occasion

        one = str(customer_id)
        view = views.customer(one, workspace.clock.now())
        if view is None:
            raise UNKNOWN
        if view.customer != one:
            raise Absorbed(view.customer)
        by = By(source=SOURCE, source_id=source_id(key), actor=body.agent or SOURCE, asked=asked(body, one))
        made = offers().present(view, Occasion(**body.model_dump(), key=key or ""), by)
        response.status_code = 202 if made.recorded else 200
        return OfferAnswer.model_validate(made)

    return routes


def _when_asked(workspace: Workspace, views: Views) -> Callable[[], "Offers"]:
    """What features and acceptances take is loaded with the first offer: an API that makes none needs none of it."""

    @cache
    def load() -> "Offers":
        from services.offers.proposing import Offers

        return Offers(workspace, views)

    return load

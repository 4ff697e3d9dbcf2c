"""One customer at a glance, now or at any moment."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from infra.personal.opening import open_identifiers
from infra.views import Views
from infra.workspace import Workspace
from models.errors import Refused
from services.api.answering import answered
from services.api.customer_answer import answer, keys_of, row_of
from services.api.customer_parts import CustomerAnswer
from services.api.parameters import AsOf, CustomerId, KnownAt
from services.api.problems import Absorbed, described

UNKNOWN = Refused("customer.unknown", "no customer has this id")

During = Annotated[
    str | None,
    Query(description="The contact being served now: it counts, but it is not the last one.", max_length=200),
]


def router(workspace: Workspace, views: Views) -> APIRouter:
    """The routes of this subject."""
    routes = APIRouter(tags=["customers"])

    @routes.get("/v1/customers/{customer_id}", response_model=CustomerAnswer, responses=described(308, 404))
    def read_customer(
        customer_id: CustomerId, as_of: AsOf = None, known_at: KnownAt = None, contact: During = None
    ) -> Response:
        """Who this is, in which stage and why, what they have, what is open, what is foretold.

        With `as_of` or `known_at` the whole view as it was: the same rules, stopped earlier.
        """
        one, until = str(customer_id), as_of or known_at
        at = until or workspace.clock.now()
        view = views.customer(one, at, as_of=until, known_at=known_at)
        if view is None:
            raise UNKNOWN
        if view.customer != one:
            raise Absorbed(view.customer)
        with views.asking() as connection:
            values = open_identifiers(connection, workspace.vault, keys_of(row_of(view)))
        zone = workspace.settings.zone
        return answered(
            answer(view, values, at=at, as_of=as_of, known_at=known_at, zone=zone, during=contact)
        )

    return routes

"""Consent with proof: on what basis may, or might, a customer be contacted; and tokens with which they say no."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, get_args

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from events.envelope import IdentifierRef
from events.vocabulary import Channel, IdentifierKind, Purpose
from infra.consent.unsubscribing import Unsubscribing
from infra.database import unavailable
from infra.standing import suppressed_among
from infra.views import Views
from infra.workspace import Workspace
from models.domain.permission import Permitted, covers, permission
from models.domain.rules import Rules
from models.errors import Refused
from models.projections.customer_360_row import Customer360Row
from models.projections.reachability import addresses, reachable
from services.api.customer import UNKNOWN
from services.api.customer_answer import row_of
from services.api.customer_parts import ConsentPart
from services.api.opportunity_body import Asked, Name
from services.api.parameters import CustomerId, Moment
from services.api.problems import Absorbed, described

At = Annotated[
    Moment | None,
    Query(description="The moment asked about; without it, now.", examples=["2026-05-03T10:00:00+08:00"]),
]


class PermissionAnswer(BaseModel):
    """Whether contact was allowed at a moment, on what basis, and every word of the customer that bore on it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"customer": "01997a3e-0000-7000-8000-000000000002", "channel": "voice", "purpose": "retention",
                 "at": "2026-05-03T02:00:00Z", "allowed": True, "because": "consent",
                 "basis": "01997a3e-0000-7000-8000-000000000001",
                 "words": [{"channel": "voice", "purpose": "retention", "scope": "", "granted": True,
                            "basis": "consent", "proof": "rec/2026/04/01/0912.opus",
                            "since": "2026-04-01T01:12:00Z", "expires_at": None,
                            "event_id": "01997a3e-0000-7000-8000-000000000001"}]}
            ]
        }
    )  # fmt: skip

    customer: str
    channel: str
    purpose: str
    at: datetime
    allowed: bool
    because: str = Field(
        description="consent, legal_basis; or why not: consent_withdrawn, no_legal_basis, open_complaint …"
    )
    basis: str = Field(
        description="The event id of the consent, or the name of the legal basis; empty if none."
    )
    words: list[ConsentPart] = Field(description="Known then, and about this channel and purpose.")


class TokenBody(Asked):
    """What the message is for; without a purpose, the token says no to all."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"channel": "email", "purpose": "retention"}]})
    channel: Channel
    purpose: Purpose | None = None
    campaign: Name | None = None


class TokenAnswer(BaseModel):
    """Put `path` behind the gateway's public address into the message; for mails also as List-Unsubscribe."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"token": "gAAAAABn…", "path": "/v1/unsubscribe/gAAAAABn…"}]}
    )

    token: str
    path: str


def router(workspace: Workspace, views: Views) -> APIRouter:
    """The routes of this subject."""
    routes = APIRouter(prefix="/v1/customers/{customer_id}", tags=["consent"])
    unsubscribing = Unsubscribing(workspace)

    def view_of(one: str, at: datetime, known_at: datetime | None) -> Customer360Row:
        view = views.customer(one, at, as_of=known_at, known_at=known_at)
        if view is None:
            raise UNKNOWN
        if view.customer != one:
            raise Absorbed(view.customer)
        return row_of(view)

    def allowed_to(
        row: Customer360Row, channel: Channel, purposes: Sequence[Purpose], moment: datetime
    ) -> list[Permitted | str]:
        with unavailable(), workspace.engine.connect() as connection:
            suppressed = suppressed_among(connection, row.identifiers, moment)
        stands = reachable(row, suppressed=suppressed)
        reach = workspace.rules.reach
        return [
            permission(stands, one, (channel,), _legal_basis(workspace.rules, one), reach) for one in purposes
        ]

    @routes.get("/permission", responses=described(308, 404))
    def read_permission(
        customer_id: CustomerId, channel: Channel, purpose: Purpose, at: At = None
    ) -> PermissionAnswer:
        """On what basis could this customer be contacted at that moment, from what was known then?

        What was said later, or became known later, changes nothing about the answer for an earlier day.
        """
        moment = at or workspace.clock.now()
        row = view_of(str(customer_id), moment, at)
        found = allowed_to(row, channel, (purpose,), moment)[0]
        words = [one for one in row.consents.values() if covers(one, channel, purpose)]
        allowed = isinstance(found, Permitted)
        by_consent = isinstance(found, Permitted) and found.basis in {one.event_id for one in words}
        because = ("consent" if by_consent else "legal_basis") if allowed else str(found)
        return PermissionAnswer(
            customer=str(customer_id), channel=channel, purpose=purpose, at=moment, allowed=allowed,
            because=because, basis=found.basis if isinstance(found, Permitted) else "",
            words=[ConsentPart.model_validate(one) for one in words],
        )  # fmt: skip

    @routes.post("/unsubscribe-token", status_code=201, responses=described(308, 404))
    def make_token(customer_id: CustomerId, body: TokenBody) -> TokenAnswer:
        """A token for a message to this customer: whoever follows it says no, on this channel for this purpose.

        It is of the address to which contact is allowed; where none is, of the one that was shown last.
        """
        now = workspace.clock.now()
        row = view_of(str(customer_id), now, None)
        asked = allowed_to(row, body.channel, (body.purpose,) if body.purpose else get_args(Purpose), now)
        allowed = next((one for one in asked if isinstance(one, Permitted)), None)
        kinds = workspace.rules.reach.get(body.channel) or get_args(IdentifierKind)
        held = next(addresses(row, body.channel, kinds, allowed), None)
        if held is None or (body.purpose and asked == ["not_reachable"]):
            raise Refused(
                "customer.not_reachable", f"this customer has nothing to be reached by on {body.channel}"
            )
        ref = IdentifierRef(kind=held.kind, issuer=held.issuer, hash=held.hash)
        token = unsubscribing.token(ref, body.channel, body.purpose, body.campaign or "")
        return TokenAnswer(token=token, path=f"/v1/unsubscribe/{token}")

    return routes


def _legal_basis(rules: Rules, purpose: str) -> Mapping[Channel, str]:
    lists = {"retention": rules.retention, "win_back": rules.win_back}
    return lists[purpose].legal_basis if purpose in lists else {}

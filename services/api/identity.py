"""Who is who, decided by a person: merge, un-merge, split, assign, block; each with a look at what would change."""

from typing import Any

from fastapi import APIRouter, Response

from events.envelope import Event, IdentifierRef
from infra.identity.desk import IdentityDesk
from infra.identity.work import work
from infra.ids import derived_id, new_id
from infra.intake import InboundIdentifier
from infra.views import Views
from infra.workspace import Workspace
from models.domain.identity_decision import Assign, Block, Command, Decline, Merge, Split, Unmerge
from models.ports import By
from services.api.commanding import asked, source_id
from services.api.identity_body import (
    AssignBody,
    BlockBody,
    ConsequencesAnswer,
    DecidedAnswer,
    DeclineBody,
    MergeBody,
    ProposalPart,
    SplitBody,
    UnassignedPart,
    UnmergeBody,
    WorkAnswer,
)
from services.api.opportunity_body import IdentifierBody
from services.api.parameters import CustomerId, IdempotencyKey, known_id
from services.api.problems import described

SOURCE = "api"
Body = MergeBody | UnmergeBody | SplitBody | AssignBody | BlockBody | DeclineBody
DECISION: dict[str, Any] = {
    "status_code": 202,
    "responses": {
        202: {"description": "Recorded for ever; the views follow in a moment."},
        200: {"model": DecidedAnswer, "description": "It was so already: nothing new was recorded."},
        **described(404, 409),
    },
}
PREVIEW: dict[str, Any] = {
    "response_model": ConsequencesAnswer,
    "responses": described(404, 409),
}


def router(workspace: Workspace, views: Views) -> APIRouter:
    """The routes of this subject."""
    routes = APIRouter(tags=["identity"])
    desk = IdentityDesk(workspace)

    def give(command: Command, body: Body, key: str | None, response: Response) -> DecidedAnswer:
        who = By(
            source=SOURCE, source_id=source_id(key), actor=body.by or SOURCE, asked=asked(body, command.customer)
        )  # fmt: skip
        recorded = desk.give(command, who)
        response.status_code = 202 if recorded else 200
        named = _named(command, recorded)
        return DecidedAnswer(
            recorded=[event.WIRE for event in recorded],
            customers={one: now for one in sorted(named) if (now := views.survivor(one)) is not None},
        )

    def preview(command: Command) -> ConsequencesAnswer:
        return ConsequencesAnswer.model_validate(desk.preview(command, workspace.clock.now()))

    def reference(given: IdentifierBody) -> IdentifierRef:
        return workspace.intake.identify([InboundIdentifier(given.kind, given.value, given.issuer)])[0].ref

    def split_of(customer: str, body: SplitBody, key: str | None) -> Split:
        return Split(
            customer=customer, restored=derived_id("split", key) if key else new_id(),
            identifiers=tuple(map(reference, body.identifiers)), why=body.why,
        )  # fmt: skip

    def block_of(customer: str, body: BlockBody) -> Block:
        return Block(customer=customer, identifier=reference(body.identifier), why=body.why, new_id=new_id)

    @routes.post("/v1/customers/{customer_id}/merge/preview", **PREVIEW)
    def preview_merge(customer_id: CustomerId, body: MergeBody) -> ConsequencesAnswer:
        """What would change if these two were one."""
        return preview(Merge(customer=str(customer_id), other=known_id(body.other, "customer")))

    @routes.post("/v1/customers/{customer_id}/merge", **DECISION)
    def merge(
        customer_id: CustomerId, body: MergeBody, response: Response, key: IdempotencyKey = None
    ) -> DecidedAnswer:
        """These two are one person; the older one survives, and no consent becomes wider by it."""
        return give(
            Merge(customer=str(customer_id), other=known_id(body.other, "customer")), body, key, response
        )

    @routes.post("/v1/customers/{customer_id}/unmerge/preview", **PREVIEW)
    def preview_unmerge(customer_id: CustomerId, body: UnmergeBody) -> ConsequencesAnswer:
        """What would change if the two were two again."""
        return preview(_unmerge(str(customer_id), body))

    @routes.post("/v1/customers/{customer_id}/unmerge", **DECISION)
    def unmerge(
        customer_id: CustomerId, body: UnmergeBody, response: Response, key: IdempotencyKey = None
    ) -> DecidedAnswer:
        """A merge was wrong: every event finds its owner again, and only a person may join the two anew."""
        return give(_unmerge(str(customer_id), body), body, key, response)

    @routes.post("/v1/customers/{customer_id}/split/preview", **PREVIEW)
    def preview_split(customer_id: CustomerId, body: SplitBody) -> ConsequencesAnswer:
        """What would change if these identifiers were another person's."""
        return preview(split_of(str(customer_id), body, None))

    @routes.post("/v1/customers/{customer_id}/split", **DECISION)
    def split(
        customer_id: CustomerId, body: SplitBody, response: Response, key: IdempotencyKey = None
    ) -> DecidedAnswer:
        """These identifiers are another person's: a new customer has them, and all that they showed."""
        return give(split_of(str(customer_id), body, key), body, key, response)

    @routes.post("/v1/customers/{customer_id}/assign", **DECISION)
    def assign(
        customer_id: CustomerId, body: AssignBody, response: Response, key: IdempotencyKey = None
    ) -> DecidedAnswer:
        """An event, or a stream with all its events, is this customer's."""
        command = Assign(customer=str(customer_id), event_or_stream=body.event_or_stream)
        return give(command, body, key, response)

    @routes.post("/v1/customers/{customer_id}/block/preview", **PREVIEW)
    def preview_block(customer_id: CustomerId, body: BlockBody) -> ConsequencesAnswer:
        """What would change if this identifier no longer said who somebody is."""
        return preview(block_of(str(customer_id), body))

    @routes.post("/v1/customers/{customer_id}/block", **DECISION)
    def block(
        customer_id: CustomerId, body: BlockBody, response: Response, key: IdempotencyKey = None
    ) -> DecidedAnswer:
        """An identifier no longer says who somebody is; whatever it alone held together is parted."""
        return give(block_of(str(customer_id), body), body, key, response)

    @routes.post("/v1/customers/{customer_id}/decline", **DECISION)
    def decline(
        customer_id: CustomerId, body: DeclineBody, response: Response, key: IdempotencyKey = None
    ) -> DecidedAnswer:
        """These two are two people: they are neither joined nor proposed again."""
        command = Decline(customer=str(customer_id), other=known_id(body.other, "customer"), why=body.why)
        return give(command, body, key, response)

    @routes.get("/v1/identity/work", response_model=WorkAnswer, responses=described())
    def read_work() -> WorkAnswer:
        """What waits for a person: customers who may be one, and what an un-merge left open."""
        with views.reading() as connection:
            proposals, unassigned = work(connection)
        return WorkAnswer(
            proposals=[ProposalPart.model_validate(one) for one in proposals],
            unassigned=[UnassignedPart.model_validate(one) for one in unassigned],
        )

    return routes


def _unmerge(customer: str, body: UnmergeBody) -> Unmerge:
    return Unmerge(
        customer=customer, restored=known_id(body.restored, "customer") if body.restored else "", why=body.why
    )


def _named(command: Command, recorded: list[Event]) -> set[str]:
    names = ("customer", "other", "restored", "survivor", "absorbed")
    found = {str(getattr(one, name, "")) for one in (command, *recorded) for name in names}
    return found - {""}

"""Opportunities over HTTP: captured, routed, accepted, followed up, staged, valued, won or lost, reopened."""

from typing import Any

from fastapi import APIRouter, Response

from events import opportunity as events
from infra.views import Views
from infra.workspace import Workspace
from models.domain import opportunity as domain
from services.api.commanding import Commands
from services.api.event import opened
from services.api.opportunity_body import (
    AcceptBody,
    CaptureBody,
    CommandAnswer,
    FollowUpBody,
    LostBody,
    OpportunityHistory,
    ReopenBody,
    RouteBody,
    StageBody,
    ValueBody,
    WonBody,
)
from services.api.parameters import IdempotencyKey, OpportunityId
from services.api.problems import described

COMMAND: dict[str, Any] = {
    "status_code": 202,
    "responses": {
        202: {"description": "Recorded for ever; the views follow in a moment."},
        200: {"model": CommandAnswer, "description": "It was so already: nothing new was recorded."},
        **described(404, 409),
    },
}


def router(workspace: Workspace, views: Views) -> APIRouter:
    """The routes of this subject."""
    routes = APIRouter(prefix="/v1/opportunities", tags=["opportunities"])
    commands, clock = Commands(workspace, views), workspace.clock

    @routes.get("/{opportunity_id}", responses=described(404))
    def read_opportunity(opportunity_id: OpportunityId) -> OpportunityHistory:
        """How it stands this moment, and everything that happened to it."""
        answer, history = commands.look(opportunity_id)
        return OpportunityHistory(**answer, history=opened(workspace.vault, history))

    @routes.post("", **COMMAND)
    def capture(body: CaptureBody, response: Response, key: IdempotencyKey = None) -> CommandAnswer:
        """Somebody heard that a customer may buy something. The rules route it to a department."""
        return _answered(commands.capture(body, key), response)

    @routes.post("/{opportunity_id}/route", **COMMAND)
    def route(
        opportunity_id: OpportunityId, body: RouteBody, response: Response, key: IdempotencyKey = None
    ) -> CommandAnswer:
        """Send it to a department; its follow-up clock begins."""
        command = domain.RouteOpportunity(
            opportunity_id=opportunity_id, now=clock.now(), department=body.department
        )
        return _answered(commands.give(command, events.OpportunityRouted, key, body.model_dump()), response)

    @routes.post("/{opportunity_id}/accept", **COMMAND)
    def accept(
        opportunity_id: OpportunityId, body: AcceptBody, response: Response, key: IdempotencyKey = None
    ) -> CommandAnswer:
        """A person of the department takes it on."""
        command = domain.AcceptOpportunity(opportunity_id=opportunity_id, now=clock.now(), owner=body.owner)
        return _answered(commands.give(command, events.OpportunityAccepted, key, body.model_dump()), response)

    @routes.post("/{opportunity_id}/follow-up", **COMMAND)
    def follow_up(
        opportunity_id: OpportunityId, body: FollowUpBody, response: Response, key: IdempotencyKey = None
    ) -> CommandAnswer:
        """The customer was called back: the clock stops, or runs to the next date."""
        command = domain.FollowUpOpportunity(
            opportunity_id=opportunity_id, now=clock.now(), next_due_at=body.next_due_at
        )
        return _answered(
            commands.give(command, events.OpportunityFollowedUp, key, body.model_dump()), response
        )

    @routes.post("/{opportunity_id}/stage", **COMMAND)
    def stage(
        opportunity_id: OpportunityId, body: StageBody, response: Response, key: IdempotencyKey = None
    ) -> CommandAnswer:
        """Move it to another stage."""
        command = domain.StageOpportunity(opportunity_id=opportunity_id, now=clock.now(), stage=body.stage)
        return _answered(commands.give(command, events.OpportunityStaged, key, body.model_dump()), response)

    @routes.post("/{opportunity_id}/value", **COMMAND)
    def value(
        opportunity_id: OpportunityId, body: ValueBody, response: Response, key: IdempotencyKey = None
    ) -> CommandAnswer:
        """Say what it may bring, and how likely."""
        command = domain.ValueOpportunity(
            opportunity_id=opportunity_id, now=clock.now(), value=body.value, currency=body.currency,
            probability=body.probability,
        )  # fmt: skip
        return _answered(commands.give(command, events.OpportunityValued, key, body.model_dump()), response)

    @routes.post("/{opportunity_id}/won", **COMMAND)
    def won(
        opportunity_id: OpportunityId, body: WonBody, response: Response, key: IdempotencyKey = None
    ) -> CommandAnswer:
        """The customer bought."""
        command = domain.WinOpportunity(
            opportunity_id=opportunity_id, now=clock.now(), value=body.value, currency=body.currency
        )
        return _answered(commands.give(command, events.OpportunityWon, key, body.model_dump()), response)

    @routes.post("/{opportunity_id}/lost", **COMMAND)
    def lost(
        opportunity_id: OpportunityId, body: LostBody, response: Response, key: IdempotencyKey = None
    ) -> CommandAnswer:
        """The customer did not buy, and why."""
        command = domain.LoseOpportunity(opportunity_id=opportunity_id, now=clock.now(), why=body.why)
        return _answered(commands.give(command, events.OpportunityLost, key, body.model_dump()), response)

    @routes.post("/{opportunity_id}/reopen", **COMMAND)
    def reopen(
        opportunity_id: OpportunityId, body: ReopenBody, response: Response, key: IdempotencyKey = None
    ) -> CommandAnswer:
        """A closed one lives again."""
        command = domain.ReopenOpportunity(opportunity_id=opportunity_id, now=clock.now(), stage=body.stage)
        return _answered(commands.give(command, events.OpportunityReopened, key, body.model_dump()), response)

    return routes


def _answered(answer: CommandAnswer, response: Response) -> CommandAnswer:
    """202 when this key recorded something, 200 when it was so already."""
    response.status_code = 202 if answer.recorded else 200
    return answer

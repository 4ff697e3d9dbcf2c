"""What a desk is told: who is there, the moment a contact starts."""

import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path
from sse_starlette import EventSourceResponse, ServerSentEvent

from infra.desk.calls import DeskCalls
from infra.desk.customers import DeskCustomers
from infra.desk.desks import REACH, Desks, Listener
from infra.journal.tail import Tail
from infra.views import Views
from infra.workspace import Workspace
from services.api.parameters import NO_NUL, POSITION
from services.api.problems import described
from services.api.prompt_answer import Prompts
from services.api.prompt_parts import PromptAnswer
from services.api.security import CallerOf

STREAM = "text/event-stream"
Desk = Annotated[
    str,
    Path(
        description="An agent or a queue, like SIP/101 too.",
        min_length=1,
        max_length=200,
        pattern=NO_NUL,
        examples=["billing"],
    ),
]
LastEventId = Annotated[
    str | None,
    Header(
        pattern=POSITION,
        description="Where a stream was cut: what was missed since then comes first.",
    ),
]
_FORMS: dict[int | str, dict[str, Any]] = {
    200: {
        "model": PromptAnswer,
        "description": "A stream: an event `prompt` is this model as JSON, its id a position of the journal. An id "
        "without data says only how far the stream is; with nothing to tell it comes every 15 seconds. An event "
        f"`resync` says that it was cut over {REACH.total_seconds() / 3600:.0f} hours ago, and what came before its "
        "id is left out.",
        "content": {STREAM: {}},
    }
}


def router(workspace: Workspace, views: Views, tail: Tail) -> APIRouter:
    """The routes of this subject."""
    routes = APIRouter(tags=["desks"])
    told = Prompts(workspace, DeskCustomers(workspace, views))
    desks = Desks(tail, DeskCalls(workspace.engine), told, workspace.clock)

    @routes.get(
        "/v1/desk/{desk:path}/prompts", response_class=EventSourceResponse, responses=_FORMS | described()
    )
    async def prompt(desk: Desk, caller: CallerOf, last_event_id: LastEventId = None) -> EventSourceResponse:
        """Who is there, whenever a live contact comes to this agent or queue: once for each contact.

        Without Last-Event-ID it begins now.
        """
        last = int(last_event_id) if last_event_id else None
        listener = await desks.enter(desk, caller.personal, last)
        return EventSourceResponse(_stream(desks, listener), ping=0, sep="\n")

    return routes


async def _stream(desks: Desks, listener: Listener) -> AsyncIterator[ServerSentEvent]:
    async for message in desks.messages(listener):
        kind, data = None, None
        if message.resync:
            kind, data = "resync", json.dumps({"from": message.position})
        elif message.body:
            kind, data = "prompt", message.body
        yield ServerSentEvent(data, event=kind, id=str(message.position), sep="\n")

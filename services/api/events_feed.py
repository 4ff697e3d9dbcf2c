"""The journal by position, for whoever has no Kafka: a page, a page when something comes, or a stream."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Header, Query, Response
from pydantic import BaseModel, ConfigDict, Field
from sse_starlette import EventSourceResponse, ServerSentEvent

from infra.cloud_event import CloudEvent
from infra.journal.page import LARGEST, Page, Wanted, wanted
from infra.journal.tail import Tail
from infra.workspace import Workspace
from models.errors import Unavailable
from services.api.parameters import NO_NUL, POSITION
from services.api.problems import described

log = structlog.get_logger()
POSITION_MOST = 2**63 - 1
WAIT_MOST = 30.0
HEARTBEAT_SECONDS = 15
AT_ONCE = 100
"""Events that a stream reads at once: so many wait in memory for a caller that reads slowly."""
QUIET = 1_000
"""After so many positions without an event for it a stream is told how far it is, so that it resumes there."""
PAUSE_SECONDS = 1.0
BATCH, STREAM = "application/cloudevents-batch+json", "text/event-stream"
NEXT, END = "Touchstone-Next", "Touchstone-End-Of-Stream"


class EventPage(BaseModel):
    """Events in the order of their positions, each a CloudEvent with the attributes of its Kafka message."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"events": [
                    {"specversion": "1.0", "id": "01997a3e-0000-7000-8000-000000000001", "source": "switch-1",
                     "type": "touch.recorded", "time": "2026-03-02T06:02:11Z",
                     "subject": "01997a3e-0000-7000-8000-000000000002", "datacontenttype": "application/json",
                     "dataschema": "urn:touchstone:touch.recorded:1", "position": "88213", "origin": "live",
                     "sourceid": "call-88213", "knownat": "2026-03-02T06:02:11Z",
                     "recordedat": "2026-03-02T06:02:11Z", "customer": "01997a3e-0000-7000-8000-000000000002",
                     "partitionkey": "01997a3e-0000-7000-8000-000000000002",
                     "data": {"channel": "voice", "direction": "inbound", "talk_seconds": 184}}],
                 "next": 88213, "end_of_stream": True}
            ]
        }
    )  # fmt: skip

    events: list[dict[str, Any]]
    next: int = Field(description="The cursor of the next page: all that was asked for up to it is told.")
    end_of_stream: bool = Field(description="There was no more when this was read; more may come.")


Topic = Annotated[
    str,
    Query(
        description="`events` for everything, or a family like `touch`; with the prefix of the topics or without.",
        max_length=200, pattern=NO_NUL, examples=["events"],
    ),
]  # fmt: skip
After = Annotated[
    int,
    Query(
        ge=0, le=POSITION_MOST, description="The cursor: `next` of the page before; 0: from the first event."
    ),
]
Limit = Annotated[
    int, Query(ge=1, le=LARGEST, description="Most events on a page; large ones make it end earlier.")
]
Wait = Annotated[
    float,
    Query(
        ge=0, le=WAIT_MOST, allow_inf_nan=False,
        description="Seconds to wait where there is nothing yet; whatever comes is answered at once.",
    ),
]  # fmt: skip
LastEventId = Annotated[
    str | None,
    Header(
        pattern=POSITION,
        description="Where a stream was cut: it goes on there, `after` counts no more.",
    ),
]
Accept = Annotated[str, Header(include_in_schema=False)]

_FORMS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": f"As JSON with the cursor; as `{BATCH}`, a plain array, with the cursor in {NEXT} and Link; "
        f"as `{STREAM}`, one message an event, whose id is its position. Accept says which.",
        "content": {BATCH: {}, STREAM: {}},
    }
}


def router(workspace: Workspace, tail: Tail) -> APIRouter:
    """The routes of this subject."""
    routes = APIRouter(tags=["events"])
    prefix = workspace.settings.topic_prefix

    @routes.get("/v1/events", response_model=EventPage, responses=_FORMS | described())
    async def read_events(
        topic: Topic = "events",
        after: After = 0,
        limit: Limit = 500,
        wait: Wait = 0,
        last_event_id: LastEventId = None,
        accept: Accept = "",
    ) -> Response:
        """Every event once, in the order of the journal: nothing between two cursors is passed over.

        A merge is one event here, with both customers in its data. Personal fields are sealed.
        """
        asked = wanted(prefix, [topic])
        if STREAM in accept:
            place = int(last_event_id) if last_event_id else after
            first = await tail.page(asked, place, AT_ONCE)
            return EventSourceResponse(_stream(tail, asked, place, first), ping=HEARTBEAT_SECONDS, sep="\n")
        page = await tail.page(asked, after, limit, wait)
        link = f'</v1/events?topic={topic}&after={page.next}&limit={limit}>; rel="next"'
        headers = {NEXT: str(page.next), END: str(page.end).lower(), "Link": link, "Vary": "Accept"}
        if BATCH in accept:
            return Response(_array(page.events), headers=headers, media_type=BATCH)
        end = b"true" if page.end else b"false"
        body = b'{"events":%s,"next":%d,"end_of_stream":%s}' % (_array(page.events), page.next, end)
        return Response(body, headers=headers, media_type="application/json")

    return routes


def _array(events: Sequence[CloudEvent]) -> bytes:
    return b"[" + b",".join(one.body for one in events) + b"]"


async def _stream(tail: Tail, asked: Wanted, told: int, page: Page) -> AsyncIterator[ServerSentEvent]:
    """Messages for as long as the caller stays; `told` is the last position it knows of."""
    while True:
        for one in page.events:
            yield ServerSentEvent(one.body.decode(), id=str(one.position), sep="\n")
            told = one.position
        if page.next - told >= QUIET:
            yield ServerSentEvent(id=str(page.next), sep="\n")
            told = page.next
        while True:
            try:
                page = await tail.page(asked, page.next, AT_ONCE, WAIT_MOST)
                break
            except Unavailable as error:  # heartbeats go on meanwhile
                log.warning("waiting", why=str(error))
                await asyncio.sleep(PAUSE_SECONDS)

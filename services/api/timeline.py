"""What happened between a customer and the company, newest first, a page at a time."""

import base64
import binascii
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from events import codec, registry
from events.vocabulary import Channel, Moment
from infra.personal.opening import Published, open_events
from infra.views import Place, Views
from infra.workspace import Workspace
from models.errors import Refused
from models.projections.timeline import TimelineEntry
from services.api.answering import answered
from services.api.customer import UNKNOWN
from services.api.parameters import AsOf, CustomerId, KnownAt
from services.api.problems import Absorbed, described

MOST = 200
_cursor = msgspec.json.Decoder(tuple[Moment, UUID])


class TimelineItem(BaseModel):
    """One event. `data` has its personal fields in the clear, or `[erased]` where they are gone."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "examples": [
                {"event_id": "01997a3e-0000-7000-8000-000000000001", "type": "touch.recorded", "schema": 1,
                 "occurred_at": "2026-03-02T06:02:11Z", "known_at": "2026-03-02T06:05:40Z",
                 "known_assumed": False, "recorded_at": "2026-03-02T06:05:40Z", "origin": "live",
                 "source": "switch-1", "stream": "", "actor": "", "cause": "",
                 "data": {"channel": "voice", "reason": "billing.dispute", "outcome": "unresolved"}}
            ]
        },
    )  # fmt: skip

    event_id: str
    type: str
    schema_: int = Field(alias="schema")
    occurred_at: datetime
    known_at: datetime
    known_assumed: bool = Field(description="The source did not say when it could be known.")
    recorded_at: datetime
    origin: str
    source: str
    stream: str
    actor: str
    cause: str
    data: dict[str, Any]


class TimelinePage(BaseModel):
    """A page, and the cursor of the next; null at the end."""

    customer: str
    items: list[TimelineItem]
    next: str | None


def router(workspace: Workspace, views: Views) -> APIRouter:
    """The routes of this subject."""
    routes = APIRouter(tags=["customers"])

    @routes.get(
        "/v1/customers/{customer_id}/timeline", response_model=TimelinePage, responses=described(308, 404)
    )
    def read_timeline(
        customer_id: CustomerId, as_of: AsOf = None, known_at: KnownAt = None,
        cursor: Annotated[str | None, Query(description="`next` of the page before.", max_length=400)] = None,
        limit: Annotated[int, Query(ge=1, le=MOST)] = 50,
        type: Annotated[str | None, Query(description="Only this type, like `touch.recorded`.")] = None,
        family: Annotated[str | None, Query(description="Only this family, like `touch`.")] = None,
        channel: Annotated[Channel | None, Query(description="Only what came or went this way.")] = None,
    ) -> Response:  # fmt: skip
        """Everything on every channel: contacts, purchases, answers, cases, opportunities, predictions."""
        one, before = str(customer_id), _read(cursor)
        survivor = views.survivor(one, known_at)
        if survivor is None:
            raise UNKNOWN
        if survivor != one:
            raise Absorbed(survivor)
        found = views.timeline(
            one, wanted=lambda entry: _wanted(entry, type, family, channel), limit=limit + 1, before=before,
            as_of=as_of or known_at, known_at=known_at,
        )  # fmt: skip
        page = found[:limit]
        opened = open_events(workspace.vault, [Published(e.event_id, e.type, e.data) for e in page])
        items = [_item(entry, data) for entry, data in zip(page, opened, strict=True)]
        after = _write(page[-1]) if len(found) > limit else None
        return answered(TimelinePage(customer=one, items=items, next=after))

    return routes


def _wanted(entry: TimelineEntry, type: str | None, family: str | None, channel: str | None) -> bool:
    """The channel is the last question: it is asked of the event itself."""
    if type is not None and entry.type != type:
        return False
    known = registry.find(entry.type)
    if family is not None and (known is None or known.family != family.replace("_", "-")):
        return False
    if channel is None:
        return True
    event = codec.decode(entry.type, entry.schema, bytes(entry.data))
    return getattr(event, "channel", None) == channel


def _item(entry: TimelineEntry, data: dict[str, Any]) -> TimelineItem:
    fields = {
        name: getattr(entry, name) for name in entry.__struct_fields__ if name not in ("data", "position")
    }
    return TimelineItem(**fields, data=data)


def _write(entry: TimelineEntry) -> str:
    """The place of the last entry; opaque to whoever sends it back."""
    return base64.urlsafe_b64encode(msgspec.json.encode((entry.occurred_at, entry.event_id))).decode()


def _read(cursor: str | None) -> Place | None:
    if cursor is None:
        return None
    try:
        at, event_id = _cursor.decode(base64.b64decode(cursor.encode(), altchars=b"-_", validate=True))
    except (binascii.Error, UnicodeError, msgspec.MsgspecError):
        raise Refused("cursor.invalid", "this is no cursor of a page before") from None
    return at, str(event_id)

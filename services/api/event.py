"""One event, opened: what stands behind a "because"."""

from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from events import codec
from events.envelope import Envelope
from infra.personal.opening import Published, open_events
from infra.vault import Vault
from infra.views import Views
from infra.workspace import Workspace
from models.errors import Refused
from services.api.problems import described


class EventAnswer(BaseModel):
    """An event in its place, its personal fields in the clear, or `[erased]` where they are gone."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"event_id": "01997a3e-0000-7000-8000-000000000001", "type": "opportunity.captured",
                 "schema": 1, "position": 88213, "occurred_at": "2026-03-02T06:02:11Z",
                 "known_at": "2026-03-02T06:02:11Z", "known_assumed": False,
                 "recorded_at": "2026-03-02T06:02:11Z", "origin": "live", "source": "api",
                 "source_id": "desk-2026-03-02-17", "stream": "opportunity-desk-7", "revision": 1,
                 "actor": "a-17", "cause": "", "customer": "01997a3e-0000-7000-8000-000000000002",
                 "data": {"opportunity_id": "desk-7", "subject": "leased_line", "value": "12000"}}
            ]
        }
    )  # fmt: skip

    event_id: str
    type: str
    schema_: int = Field(alias="schema")
    position: int
    occurred_at: datetime
    known_at: datetime
    known_assumed: bool
    recorded_at: datetime
    origin: str
    source: str
    source_id: str
    stream: str
    revision: int
    actor: str
    cause: str
    customer: str = Field(description="Whose it was taken to be at recording; empty for nobody's.")
    data: dict[str, Any]


def opened(vault: Vault, envelopes: list[Envelope]) -> list[EventAnswer]:
    """These events, their personal fields opened with one question to the vault."""
    page = [Published(e.event_id, e.type, codec.encode(e.event)) for e in envelopes]
    return [
        _answer(one, data) for one, data in zip(envelopes, open_events(vault, page), strict=True)
    ]  # fmt: skip


def _answer(one: Envelope, data: dict[str, Any]) -> EventAnswer:
    fields = {
        name: getattr(one, name) for name in one.__struct_fields__ if name not in ("event", "identifiers")
    }
    return EventAnswer(**fields, type=one.type, schema=one.event.SCHEMA, data=data)


def router(workspace: Workspace, views: Views) -> APIRouter:
    """The routes of this subject."""
    routes = APIRouter()

    @routes.get("/v1/events/{event_id}", tags=["events"], responses=described(404))
    def read_event(event_id: UUID) -> EventAnswer:
        """The event behind a stage, a score, a place on a list."""
        found = views.event(str(event_id))
        if found is None:
            raise Refused("event.unknown", "no event has this id")
        return opened(workspace.vault, [found])[0]

    return routes

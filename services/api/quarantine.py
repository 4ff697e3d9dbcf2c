"""What is held in quarantine, for whoever mends it: why, where it came from, and never its bytes."""

import base64
import binascii
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from infra.quarantine import held
from infra.workspace import Workspace
from models.errors import Refused
from services.api.parameters import NO_NUL
from services.api.problems import described

MOST = 1_000
ID_DIGITS = 18

Code = Annotated[
    str | None,
    Query(
        description="Only entries of this code.", max_length=200, pattern=NO_NUL, examples=["phone_invalid"]
    ),
]
Cursor = Annotated[str | None, Query(description="`next` of the page before.", max_length=100)]


class EntryAnswer(BaseModel):
    """An open entry. `path`, `detail`, `source` and `source_id` may be the sender's own words."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    code: str
    path: str = Field(description="Which part of what was sent could not be taken.")
    detail: str
    source: str = Field(description="Empty where it could not be read; `reader:NAME`: a reader gave it up.")
    source_id: str = Field(description="For what a reader gave up, the event's id.")
    received_at: datetime


class QuarantinePage(BaseModel):
    """A page of open entries, newest first, and the cursor of the next; null at the end."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"items": [{"id": 17, "code": "phone_invalid", "path": "$.identifiers[0].value",
                            "detail": "this is no phone number", "source": "switch-1", "source_id": "call-88",
                            "received_at": "2026-03-02T06:02:11Z"}],
                 "counts": {"phone_invalid": 1}, "set_aside": {}, "next": None}
            ]
        }
    )  # fmt: skip

    items: list[EntryAnswer]
    counts: dict[str, int] = Field(description="All open entries, by code.")
    set_aside: dict[str, int] = Field(
        description="Events that a reader passes over until a replay, by reader."
    )
    next: str | None


def router(workspace: Workspace) -> APIRouter:
    """The routes of this subject."""
    routes = APIRouter(tags=["operations"])

    @routes.get("/v1/quarantine", responses=described())
    def read_quarantine(
        code: Code = None, cursor: Cursor = None, limit: Annotated[int, Query(ge=1, le=MOST)] = 100
    ) -> QuarantinePage:
        """What could not be taken and why: mend it, then run `touchstone replay`."""
        found = held.entries(workspace.engine, code=code, before=_read(cursor), limit=limit + 1)
        page = found[:limit]
        return QuarantinePage(
            items=[EntryAnswer.model_validate(one) for one in page],
            counts=workspace.quarantine.counts(), set_aside=held.aside(workspace.engine),
            next=_write(page[-1].id) if len(found) > limit else None,
        )  # fmt: skip

    return routes


def _write(entry: int) -> str:
    """The last entry's id; opaque to whoever sends it back."""
    return base64.urlsafe_b64encode(f"entry:{entry}".encode()).decode()


def _read(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    try:
        told = base64.b64decode(cursor.encode(), altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeError):
        told = ""
    name, _, entry = told.partition(":")
    if name != "entry" or not (entry.isascii() and entry.isdigit() and len(entry) <= ID_DIGITS):
        raise Refused("cursor.invalid", "this is no cursor of a page before")
    return int(entry)

"""Finding what was said, on any channel, and who goes by a name. What is asked never goes into a log."""

import base64
import binascii
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from events.vocabulary import Channel
from events.vocabulary import Moment as EventMoment
from infra.personal.opening import Published, open_events, sees_personal
from infra.search.finding import Hit, Namesake, Place, Search, Within
from infra.search.index import SearchIndex, readable, texts_of
from infra.workspace import Workspace
from models.domain.word import snippet, words
from models.errors import Refused
from services.api.answering import answered
from services.api.parameters import NO_NUL, Moment
from services.api.problems import described

MOST = 100
CUSTOMERS = 50
"""Customers of one name that are told, and among whose texts is looked."""

_cursor = msgspec.json.Decoder(tuple[EventMoment, UUID])


class NamedCustomer(BaseModel):
    """A customer who goes, or went, by such a name. `name` is null for a key without personal data."""

    model_config = ConfigDict(from_attributes=True)

    customer: str
    likeness: float = Field(description="How alike the names are, up to 1.")
    name: str | None


class TextHit(BaseModel):
    """An event in whose texts every word was found. `snippet` is null for a key without personal data."""

    customer: str
    event_id: str
    type: str
    occurred_at: datetime
    snippet: str | None = Field(description="The text around the first word that was found.")


class SearchAnswer(BaseModel):
    """Customers, the likest name first; texts, newest first; the cursor of the next page, null at the end."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"customers": [],
                 "hits": [{"customer": "01997a3e-0000-7000-8000-000000000002",
                           "event_id": "01997a3e-0000-7000-8000-000000000001", "type": "touch.recorded",
                           "occurred_at": "2026-03-02T06:02:11Z", "snippet": "… the refund never came …"}],
                 "next": None}
            ]
        }
    )  # fmt: skip

    customers: list[NamedCustomer]
    hits: list[TextHit]
    next: str | None


def router(workspace: Workspace) -> APIRouter:
    """The routes of this subject."""
    routes = APIRouter(tags=["customers"])
    index = SearchIndex(workspace.engine, workspace.vault, workspace.matcher)
    search = Search(workspace.engine, workspace.vault, index)

    @routes.get("/v1/search", response_model=SearchAnswer, responses=described())
    def find_texts(
        text: Annotated[
            str | None, Query(description="All of these words.", max_length=400, examples=["refund"])
        ] = None,
        name: Annotated[
            str | None,
            Query(description="Much like this name, as written or in pinyin.", max_length=200,
                  examples=["Ann Smith"]),
        ] = None,
        since: Annotated[Moment | None, Query(description="From this moment on.")] = None,
        until: Annotated[Moment | None, Query(description="Before this moment.")] = None,
        channel: Annotated[Channel | None, Query(description="Only what came or went this way.")] = None,
        limit: Annotated[int, Query(ge=1, le=MOST)] = 20,
        after: Annotated[
            str | None, Query(description="`next` of the page before.", max_length=400, pattern=NO_NUL)
        ] = None,
    ) -> Response:  # fmt: skip
        """Find texts by their words, customers by a name, or texts of customers with such a name.

        Case, accents and width of letters don't matter; Chinese is found by any two characters or more that
        stand together. A name may have a slip in each word. What was said a second ago may not be there yet.
        """
        if text is None and name is None:
            raise Refused("search.one_wanted", "ask for a text, a name, or both")
        personal = sees_personal()
        named = [] if name is None else search.names(name, CUSTOMERS)
        hits: list[Hit] = []
        if text is not None:
            within = Within(
                since=since, until=until, channel=channel, after=_read(after),
                customers=None if name is None else frozenset(one.customer for one in named),
            )  # fmt: skip
            hits = search.texts(text, limit + 1, within)
        page = hits[:limit]
        shown = _snippets(workspace, page, words(text or "")) if personal else [None] * len(page)
        return answered(
            SearchAnswer(
                customers=[_customer(one, personal) for one in named],
                hits=[_hit(hit, one) for hit, one in zip(page, shown, strict=True)],
                next=_write(page[-1]) if len(hits) > limit else None,
            )
        )

    return routes


def _snippets(workspace: Workspace, page: Sequence[Hit], wanted: set[str]) -> list[str]:
    """Of each hit, the text around the first of the words; empty where it was erased meanwhile."""
    opened = open_events(workspace.vault, [Published(hit.event_id, hit.type, hit.data) for hit in page])
    return [
        next(filter(None, (snippet(readable(data.get(field)), wanted) for field in texts_of(hit.type))), "")
        for hit, data in zip(page, opened, strict=True)
    ]


def _customer(one: Namesake, personal: bool) -> NamedCustomer:
    return NamedCustomer(
        customer=one.customer, likeness=one.likeness, name=one.name if personal else None
    )  # fmt: skip


def _hit(hit: Hit, shown: str | None) -> TextHit:
    return TextHit(
        customer=hit.customer,
        event_id=hit.event_id,
        type=hit.type,
        occurred_at=hit.occurred_at,
        snippet=shown,
    )


def _write(hit: Hit) -> str:
    """The place of the last hit; opaque to whoever sends it back."""
    return base64.urlsafe_b64encode(msgspec.json.encode(hit.place)).decode()


def _read(cursor: str | None) -> Place | None:
    if cursor is None:
        return None
    try:
        at, event_id = _cursor.decode(base64.b64decode(cursor.encode(), altchars=b"-_", validate=True))
    except (binascii.Error, UnicodeError, msgspec.MsgspecError):
        raise Refused("cursor.invalid", "this is no cursor of a page before") from None
    return at, str(event_id)

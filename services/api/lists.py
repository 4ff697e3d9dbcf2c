"""Target lists: which there are, who is on one, and who is not, with the rule that said no."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from itertools import chain
from typing import Annotated, Any, Literal

import msgspec
import structlog
from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from infra.personal.opening import sees_personal
from infra.target_list import files as list_files
from infra.target_list import pull as list_pull
from infra.target_list.approving import Approval, approval
from infra.target_list.pull import Listed, Page, Pull, Pulled
from infra.workspace import Workspace
from models.domain.target_list import ListRow
from services.api import list_questions, list_results
from services.api.list_questions import MOST, Cursor, ListId, read_cursor, write_cursor
from services.api.problems import described

log = structlog.get_logger()

Format = Literal["json", "ndjson", "csv", "csv-raw", "parquet", "arrow"]


class ListAnswer(BaseModel):
    """A published list. candidates = members + holdout + suppressed + beyond."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"list_id": "0b0f6f1e-7c1c-5c5e-9a70-2f8f6a1f3c55", "purpose": "retention",
                 "series": "Proactive retention", "replaces": None,
                 "as_of": "2026-03-02T00:00:00Z", "built_at": "2026-03-02T06:00:00Z", "position": 1204411,
                 "artifact": "churn-2026-02", "definition": {"offer": "loyalty_gesture", "holdout": "0.1"},
                 "holdout_seed": "5be1c0a2f3d49b77", "candidates": 4312, "members": 360, "holdout": 40,
                 "suppressed": 120, "beyond": 3792, "left_out": {"does_not_pay": 3792, "holdout": 40,
                 "consent_withdrawn": 120}, "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822c",
                 "approval": "not_needed"}
            ]
        }
    )  # fmt: skip

    list_id: str
    purpose: str
    series: str = Field(description="The lists that replace each other.")
    replaces: str | None = Field(description="The list of the series before it, where that was still good.")
    as_of: datetime
    built_at: datetime
    position: int = Field(description="What was recorded later does not count for the list.")
    artifact: str = Field(description="The model whose scores count.")
    definition: dict[str, str] = Field(description="Every setting that decided who is on it.")
    holdout_seed: str
    candidates: int
    members: int
    holdout: int
    suppressed: int
    beyond: int
    left_out: dict[str, int] = Field(description="How many each rule left out.")
    sha256: str = Field(description="Of the canonical rows of all candidates.")
    approval: Approval = Field(description="Whether it waits for a second person before it can be pulled.")


class ListsAnswer(BaseModel):
    """The newest lists, the one built last first."""

    lists: list[ListAnswer]


class RowAnswer(BaseModel):
    """A candidate as frozen; `rule` says why this is no member, and null means "no data"."""

    customer: str
    part: str
    rule: str
    stage: str
    probability: float | None
    effect: float | None = Field(
        description="What hold-outs have shown of the offer, where the list goes by it."
    )
    value: Decimal | None
    currency: str
    expected_profit: Decimal | None
    because: list[str]
    because_events: list[str]
    channel: str | None


class LeftOutPage(BaseModel):
    """A page of those who are no members, and the cursor of the next; null at the end."""

    list_id: str
    items: list[RowAnswer]
    next: str | None


class MembersPage(BaseModel):
    """A page of members by rank. The cursor of the next page is null at the end."""

    list_id: str
    items: list[dict[str, object]] = Field(description="The columns of the CSV form, named alike.")
    left_out_at_pull: int = Field(
        description="Members passed over for this page: they may not be contacted any more."
    )
    next: str | None


_CACHE = {"Cache-Control": "private, no-cache"}
_FILES: dict[str, Any] = {kind: {} for kind in sorted(list_files.MEDIA_TYPES.values())}
_PULLED: dict[int | str, dict[str, Any]] = {
    200: {"model": MembersPage, "description": "Members, in the format asked for.", "content": _FILES},
    304: {"description": "What was pulled before still holds."},
}


def router(workspace: Workspace) -> APIRouter:
    """The routes of this subject."""
    routes = APIRouter(tags=["lists"])

    @routes.get("/v1/lists", responses=described())
    def read_lists(limit: Annotated[int, Query(ge=1, le=1_000)] = 100) -> ListsAnswer:
        """Which lists there are, newest first."""
        found = list_pull.newest(workspace, limit)
        return ListsAnswer(lists=[_list(workspace, one) for one in found])

    @routes.get("/v1/lists/{list_id}", responses=described(404))
    def read_list(list_id: ListId) -> ListAnswer:
        """What was asked, as of when, resting on what, and how many came of it."""
        return _list(workspace, list_pull.find(workspace, list_id))

    @routes.get(
        "/v1/lists/{list_id}/members", responses=_PULLED | described(404, 409), response_class=Response
    )
    def pull_members(
        list_id: ListId,
        format: Annotated[Format, Query(description="json comes by the page, the others whole.")] = "json",
        addresses: Annotated[bool, Query(description="With the address for the member's channel.")] = False,
        cursor: Cursor = None,
        limit: Annotated[int | None, Query(ge=1, le=MOST, description="By default 500 for json.")] = None,
        if_none_match: Annotated[str | None, Header()] = None,
    ) -> Response:
        """Pull the members, less those who may not be contacted any more.

        With a `limit` or a `cursor` every format comes by the page; `X-Next-Cursor` leads on. Without, it comes
        whole, and a long list is decided while it is handed out. `X-Members` says how many are on the list;
        `X-Left-Out-At-Pull` how many members were passed over, unless the list is too long to know it before its
        first byte: then they are `X-Members` less the rows that came. An answer's `ETag` stands for its bytes, a
        long list's for all that is recorded and the quarter of an hour: sent back as `If-None-Match`, it saves
        pulling the same again.
        """
        after = read_cursor(cursor)
        listed = list_pull.find(workspace, list_id)
        pull = Pull(workspace, listed, addresses=addresses)
        size = limit or (500 if format == "json" or cursor is not None else None)
        said = (format, addresses and sees_personal(), after, size)
        rest: Iterator[Page] = iter(()) if size else pull.pages(after)
        first = pull.page(after, size) if size else next(rest)
        following = write_cursor(first.next) if size and first.next is not None else None
        decided = size is not None or first.next is None
        tag = f'"{pull.tag(first, *said) if decided else pull.tag_ahead(*said)}"'
        headers = {
            "ETag": tag,
            "X-Members": str(listed.published.members),
            "Cache-Control": "private, no-cache",
        }
        if decided:
            headers["X-Left-Out-At-Pull"] = str(first.left_out)
        if if_none_match is not None and _matches(if_none_match, tag):
            return Response(status_code=304, headers=headers)
        log.info("list pulled", list=list_id, format=format, addresses=addresses)
        if following:
            headers["X-Next-Cursor"] = following
        if format == "json":
            return _json(pull, first, addresses, following, headers)
        pages = ([one for _, one in page.items] for page in chain((first,), rest) if page.items)
        return _file(pull, format, pages, addresses, headers)

    @routes.get("/v1/lists/{list_id}/left-out", responses=described(404))
    def read_left_out(
        list_id: ListId,
        part: Annotated[Literal["holdout", "suppressed", "beyond"], Query(description="Of which part.")],
        cursor: Cursor = None,
        limit: Annotated[int, Query(ge=1, le=MOST)] = 500,
    ) -> LeftOutPage:
        """Who is not on the list, and the one rule that said no."""
        listed, after = list_pull.find(workspace, list_id), read_cursor(cursor)
        found = list_pull.left_out(workspace, listed.list_id, part, after=after, limit=limit + 1)
        following = write_cursor(found[limit - 1][0]) if len(found) > limit else None
        return LeftOutPage(list_id=list_id, items=[_row(row) for _, row in found[:limit]], next=following)

    routes.include_router(list_questions.router(workspace))
    routes.include_router(list_results.router(workspace))
    return routes


def _list(workspace: Workspace, one: Listed) -> ListAnswer:
    said = msgspec.structs.asdict(one.published)
    return ListAnswer(
        **said, built_at=one.built_at, left_out=list_pull.rules(workspace, one.list_id),
        approval=approval(workspace, one.published),
    )  # fmt: skip


def _row(row: ListRow) -> RowAnswer:
    said = msgspec.structs.asdict(row)
    return RowAnswer(
        **{name: said[name] for name in RowAnswer.model_fields if name in said}, expected_profit=row.profit
    )


def _json(
    pull: Pull, page: Page, addresses: bool, following: str | None, headers: dict[str, str]
) -> Response:
    body = {
        "list_id": pull.listed.list_id, "left_out_at_pull": page.left_out, "next": following,
        "items": [list_files.record(one, addresses=addresses) for _, one in page.items],
    }  # fmt: skip
    return Response(msgspec.json.encode(body), 200, headers, "application/json")


def _file(
    pull: Pull, kind: str, pages: Iterable[list[Pulled]], addresses: bool, headers: dict[str, str]
) -> Response:
    name = f"{pull.listed.published.purpose}-{pull.listed.list_id}.{kind.removesuffix('-raw')}"
    headers["Content-Disposition"] = f'attachment; filename="{name}"'
    media_type = list_files.MEDIA_TYPES[kind]
    return StreamingResponse(
        list_files.whole(kind, pages, addresses=addresses), 200, headers, media_type
    )  # fmt: skip


def _matches(given: str, tag: str) -> bool:
    """Weak tags compare alike here: the question is only whether to send the bytes again."""
    return any(one.strip().removeprefix("W/") in (tag, "*") for one in given.split(","))

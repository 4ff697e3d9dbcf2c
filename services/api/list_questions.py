"""Questions about lists: why somebody is on one or not, and what changed from one to another."""

import base64
import binascii
from datetime import datetime
from decimal import Decimal
from itertools import islice
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from infra.target_list import comparing
from infra.target_list.asking import Asked, ask
from infra.target_list.comparing import Compared, compare
from infra.target_list.files import MEDIA_TYPES
from infra.target_list.wording import in_words
from infra.workspace import Workspace
from models.errors import Refused
from services.api.parameters import NO_NUL
from services.api.problems import described

MOST = 5_000
"""Rows of one answer."""
ListId = Annotated[str, Path(description="The list's id.", max_length=200, pattern=NO_NUL)]
Cursor = Annotated[str | None, Query(description="`next` of the page before.", max_length=100)]


class NextContactAnswer(BaseModel):
    """When they may be contacted next for the list's purpose, as things are now; or the rule that says no."""

    allowed: bool
    rule: str = Field(description="Empty where they may be contacted.")
    told: str = Field(description="The rule in words.")
    channel: str | None
    contact_from: datetime | None
    contact_until: datetime | None
    looked_until: datetime = Field(description="How far ahead was looked.")


class OnListAnswer(BaseModel):
    """What a list says of one customer."""

    list_id: str
    customer: str = Field(
        description="The id in the list; another than asked for, where two were merged since."
    )
    part: Literal["member", "holdout", "beyond", "suppressed", "no_candidate"]
    rule: str = Field(description="`member`, or the one rule that said no.")
    told: str = Field(description="The rule in words.")
    release: dict[str, str] = Field(description="Releases of the formula and of the calendars behind it.")
    rank: int | None
    stage: str | None
    probability: float | None
    value: Decimal | None
    currency: str
    expected_profit: Decimal | None
    why: list[str]
    because: list[str]
    because_events: list[str]
    offer: str
    channel: str | None
    contact_from: datetime | None = Field(
        description="As frozen: the first time allowed within the list's window."
    )
    contact_until: datetime | None
    next_contact: NextContactAnswer


class SettingAnswer(BaseModel):
    """A setting in which two lists differ; null where one of them has none."""

    before: str | None
    after: str | None


class DiffAnswer(BaseModel):
    """What changed from one list to another.

    members_before = stayed + left + merged_before; members_after = stayed + entered + merged_after.
    """

    before: str
    after: str
    settings: dict[str, SettingAnswer]
    members_before: int
    members_after: int
    stayed: int
    entered: int
    left: int
    merged_before: int = Field(
        description="Members who are one customer with a better placed one, as known since."
    )
    merged_after: int
    entered_from: dict[str, int] = Field(description="By the rule that had kept them out.")
    left_by: dict[str, int] = Field(description="By the rule that keeps them out now.")
    expected_profit_before: Decimal | None = Field(description="Null where the currencies differ.")
    expected_profit_after: Decimal | None
    items: list[dict[str, Any]] = Field(description="Who entered, then who left, with both sides' figures.")
    next: str | None


_FILES: dict[int | str, dict[str, Any]] = {
    200: {
        "model": DiffAnswer, "description": "Who entered and left, in the format asked for.",
        "content": {MEDIA_TYPES["csv"]: {}, MEDIA_TYPES["ndjson"]: {}},
    },
}  # fmt: skip


def router(workspace: Workspace) -> APIRouter:
    """The routes of this subject."""
    routes = APIRouter(tags=["lists"])

    @routes.get("/v1/lists/{list_id}/customers/{customer}", responses=described(404))
    def why_not(
        list_id: ListId, customer: Annotated[str, Path(max_length=200, pattern=NO_NUL)]
    ) -> OnListAnswer:
        """Why a customer is on a list or not, and when they may be contacted next."""
        return _on_list(ask(workspace, customer, list_id))

    @routes.get("/v1/lists/{list_id}/diff/{other}", responses=_FILES | described(404), response_model=None)
    def diff_lists(
        list_id: ListId,
        other: Annotated[str, Path(description="The newer list's id.", max_length=200, pattern=NO_NUL)],
        format: Annotated[
            Literal["json", "ndjson", "csv"], Query(description="json comes by the page, the others whole.")
        ] = "json",
        stayed: Annotated[bool, Query(description="Those who stayed too.")] = False,
        cursor: Cursor = None,
        limit: Annotated[int, Query(ge=1, le=MOST)] = 500,
    ) -> DiffAnswer | Response:
        """Who entered and who left from one list to another, the rule behind each, and the settings that differ."""
        after = read_cursor(cursor)
        found = compare(workspace, list_id, other)
        told = comparing.records(found, stayed=stayed)
        if format == "json":
            page = list(islice(told, after, after + limit + 1))
            following = write_cursor(after + limit) if len(page) > limit else None
            return _diff(found, page[:limit], following)
        rows = comparing.as_csv(told) if format == "csv" else comparing.as_ndjson(told)
        name = f"{list_id}-{other}.{format}".encode("ascii", "replace").decode()
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return StreamingResponse(rows, 200, headers, MEDIA_TYPES[format])

    return routes


def write_cursor(place: int) -> str:
    """A place in a list; opaque to whoever sends it back."""
    return base64.urlsafe_b64encode(f"place:{place}".encode()).decode()


def read_cursor(cursor: str | None) -> int:
    """The place a cursor stands for; the beginning without one. Raises `Refused` (`cursor.invalid`)."""
    if cursor is None:
        return 0
    try:
        name, _, place = (
            base64.b64decode(cursor.encode(), altchars=b"-_", validate=True).decode().partition(":")
        )
    except (binascii.Error, UnicodeError):
        name, place = "", ""
    if name != "place" or not (place.isascii() and place.isdigit() and len(place) < 10):
        raise Refused("cursor.invalid", "this is no cursor of a page before")
    return int(place)


def _on_list(asked: Asked) -> OnListAnswer:
    row, next_ = asked.row, asked.next
    return OnListAnswer(
        list_id=asked.published.list_id, customer=asked.customer, part=row.part if row else "no_candidate",
        rule=asked.rule, told=in_words(asked.rule), release=asked.release, rank=(row.rank or None) if row else None,
        stage=row.stage if row else None, probability=row.probability if row else None,
        value=row.value if row else None, currency=row.currency if row else "",
        expected_profit=row.profit if row else None, why=list(row.why) if row else [],
        because=list(row.because) if row else [], because_events=list(row.because_events) if row else [],
        offer=row.offer if row else "", channel=row.channel if row else None,
        contact_from=row.contact_from if row else None, contact_until=row.contact_until if row else None,
        next_contact=NextContactAnswer(
            allowed=next_.window is not None, rule=next_.rule, told=in_words(next_.rule) if next_.rule else "",
            channel=next_.channel, contact_from=next_.window.begin if next_.window else None,
            contact_until=next_.window.end if next_.window else None, looked_until=next_.until,
        ),
    )  # fmt: skip


def _diff(found: Compared, items: list[dict[str, Any]], following: str | None) -> DiffAnswer:
    moved = found.diff
    return DiffAnswer(
        before=found.before.list_id, after=found.after.list_id,
        settings={name: SettingAnswer(before=one, after=other) for name, (one, other) in found.settings.items()},
        members_before=moved.members_before, members_after=moved.members_after, stayed=len(moved.stayed),
        entered=len(moved.entered), left=len(moved.left), merged_before=moved.merged_before,
        merged_after=moved.merged_after, entered_from=moved.entered_from(), left_by=moved.left_by(),
        expected_profit_before=moved.profit_before, expected_profit_after=moved.profit_after, items=items,
        next=following,
    )  # fmt: skip

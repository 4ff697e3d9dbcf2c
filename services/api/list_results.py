"""What became of a list: who entered and left it since, and what it brought."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from infra.target_list import pull as list_pull
from infra.target_list.changes import Change, changes
from infra.target_list.drawing import measured
from infra.target_list.wording import in_words
from infra.workspace import Workspace
from models.errors import Refused
from services.api.list_questions import MOST, ListId
from services.api.problems import described


class ChangeAnswer(BaseModel):
    """One member's step onto the list, off it, or back."""

    position: int = Field(description="In the journal; what `since` is compared with.")
    at: datetime
    customer: str
    change: Literal["entered", "left", "returned"]
    rule: str = Field(description="By which they left, else empty.")
    told: str = Field(description="The rule in words.")
    rank: int | None


class ChangesAnswer(BaseModel):
    """Steps after a position, in order. `until` is what to ask with as `since` next time."""

    list_id: str
    series: str
    replaced_by: str | None = Field(description="The newer list of the series, if there is one by now.")
    items: list[ChangeAnswer]
    until: int


class IntervalAnswer(BaseModel):
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float


class MeasuredAnswer(BaseModel):
    """What a list brought: everybody drawn against everybody held out, contacted or not."""

    list_id: str
    series: str
    purpose: str
    until: datetime
    drawn: int
    held_out: int
    contacted: int
    reached: int
    accepted: int
    refused: int
    kept_drawn: float = Field(description="Share of the drawn who stayed, or came back.")
    kept_held_out: float
    effect: IntervalAnswer = Field(description="Difference of the two shares.")
    smallest: float = Field(
        description="The least true effect that so many would have shown, in 80 of 100 draws."
    )
    earned: IntervalAnswer = Field(description="Money after all costs, against contacting nobody.")
    spent: Decimal
    currency: str


def router(workspace: Workspace) -> APIRouter:
    """The routes of this subject."""
    routes = APIRouter(tags=["lists"])

    @routes.get("/v1/lists/{list_id}/changes", responses=described(404))
    def read_changes(
        list_id: ListId,
        since: Annotated[
            int, Query(ge=0, le=2**53, description="`until` of the answer before; 0 for all.")
        ] = 0,
        limit: Annotated[int, Query(ge=1, le=MOST)] = 500,
    ) -> ChangesAnswer:
        """Who entered and left a list since a position in the journal, in order."""
        listed = list_pull.find(workspace, list_id)
        found = changes(workspace, listed.published, since, limit)
        return ChangesAnswer(
            list_id=list_id, series=listed.published.series, replaced_by=found.replaced_by,
            items=[_change(one) for one in found.items], until=found.until,
        )  # fmt: skip

    @routes.get("/v1/lists/{list_id}/report", responses=described(404))
    def read_report(list_id: ListId) -> MeasuredAnswer:
        """What a list brought, once `touchstone list report` has measured it after its time was over."""
        event = measured(workspace, list_pull.find(workspace, list_id).list_id)
        if event is None:
            raise Refused(
                "list.not_measured",
                f"it has not been measured yet: `touchstone list report {list_id}` does, once its time is over",
            )
        effect = IntervalAnswer(value=event.effect, low=event.effect_low, high=event.effect_high)
        earned = IntervalAnswer(
            value=float(event.earned), low=float(event.earned_low), high=float(event.earned_high)
        )
        same = ("list_id", "series", "purpose", "until", "drawn", "held_out", "contacted", "reached", "accepted",
                "refused", "kept_drawn", "kept_held_out", "smallest", "spent", "currency")  # fmt: skip
        return MeasuredAnswer(**{name: getattr(event, name) for name in same}, effect=effect, earned=earned)

    return routes


def _change(one: Change) -> ChangeAnswer:
    return ChangeAnswer(
        position=one.position, at=one.at, customer=one.customer, change=one.change, rule=one.rule,
        told=in_words(one.rule) if one.rule else "", rank=one.rank,
    )  # fmt: skip

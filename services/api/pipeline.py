"""The opportunity pipeline as a board, now or as of any moment."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from infra.views import Views
from infra.workspace import Workspace
from models.domain.board import Board, StageLine, board
from services.api.parameters import NO_NUL, AsOf, KnownAt
from services.api.problems import described

SHOWN = 100
"""Overdue follow-ups that are named; all of them are counted."""

Values = Annotated[
    list["Amount"] | None, Field(description="By currency (null: not stated); null where none has a value.")
]


class Amount(BaseModel):
    """Money in one currency."""

    currency: str | None
    amount: Decimal


class StageAnswer(BaseModel):
    """A stage: what is in it, for how long, and the share of those once in it that were won.

    `average_days` is the time in the stage so far; for won and lost, from the first stage to the last.
    `conversion` is won ÷ `measured` closed ones that ever were in the stage; null where there is none.
    """

    stage: str
    count: int
    value: Values
    unvalued: int
    average_days: float | None
    conversion: float | None
    measured: int


class ForecastAnswer(BaseModel):
    """Σ value × probability over what is open; null is "no data".

    The probability is the owner's own where they gave one (`own_probability` counts those), else the
    stage's conversion. `left_out` have no value, or stand in a stage from which nothing was ever closed.
    """

    value: Values
    counted: int
    own_probability: int
    left_out: int


class Totals(BaseModel):
    """Everything in the pipeline; `conversion` is won ÷ (won + lost)."""

    open: int
    won: int
    lost: int
    conversion: float | None


class OverdueAnswer(BaseModel):
    """An open opportunity whose follow-up is overdue; `due_at` is null once the miss is recorded."""

    model_config = ConfigDict(from_attributes=True)

    opportunity_id: str
    department: str
    owner: str
    due_at: datetime | None
    missed: int


class OverdueFollowUps(BaseModel):
    """How many follow-ups are overdue, and the first of them."""

    count: int
    first: list[OverdueAnswer]


class PipelineAnswer(BaseModel):
    """The board at a moment."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"at": "2026-03-02T09:00:00Z", "as_of": None, "known_at": None,
                 "stages": [{"stage": "captured", "count": 3, "unvalued": 1, "average_days": 2.5,
                             "value": [{"currency": "EUR", "amount": "900.00"}],
                             "conversion": 0.25, "measured": 40}],
                 "totals": {"open": 3, "won": 10, "lost": 30, "conversion": 0.25},
                 "forecast": {"value": [{"currency": "EUR", "amount": "225.00"}], "counted": 2,
                              "own_probability": 0, "left_out": 1},
                 "overdue": {"count": 1, "first": [{"opportunity_id": "desk-7", "department": "corporate",
                             "owner": "a-17", "due_at": "2026-03-02T08:00:00Z", "missed": 0}]}}
            ]
        }
    )  # fmt: skip

    at: datetime
    as_of: datetime | None
    known_at: datetime | None
    stages: list[StageAnswer]
    totals: Totals
    forecast: ForecastAnswer
    overdue: OverdueFollowUps


def router(workspace: Workspace, views: Views) -> APIRouter:
    """The routes of this subject."""
    routes = APIRouter(tags=["opportunities"])

    @routes.get("/v1/pipeline", responses=described())
    def read_pipeline(
        as_of: AsOf = None,
        known_at: KnownAt = None,
        source: Annotated[str | None, Query(description="Only from this source.", pattern=NO_NUL)] = None,
        department: Annotated[str | None, Query(description="Only this department's.")] = None,
    ) -> PipelineAnswer:
        """By stage: how many, worth what, for how long, won how often; and what that lets us expect."""
        at = as_of or known_at or workspace.clock.now()
        rows = views.opportunities(source=source, as_of=as_of, known_at=known_at)
        if department is not None:
            rows = [row for row in rows if row.department == department]
        return _answer(board(rows, at, workspace.rules.opportunity.stages), as_of, known_at)

    return routes


def _answer(found: Board, as_of: datetime | None, known_at: datetime | None) -> PipelineAnswer:
    forecast = found.forecast
    return PipelineAnswer(
        at=found.at, as_of=as_of, known_at=known_at, stages=[_stage(line) for line in found.stages],
        totals=Totals(open=found.open, won=found.won, lost=found.lost, conversion=found.conversion),
        forecast=ForecastAnswer(
            value=_values(forecast.values), counted=forecast.counted,
            own_probability=forecast.own_probability, left_out=forecast.left_out,
        ),
        overdue=OverdueFollowUps(
            count=len(found.overdue),
            first=[OverdueAnswer.model_validate(one) for one in found.overdue[:SHOWN]],
        ),
    )  # fmt: skip


def _stage(line: StageLine) -> StageAnswer:
    return StageAnswer(
        stage=line.stage, count=line.count, value=_values(line.values), unvalued=line.unvalued,
        average_days=line.average_days, conversion=line.conversion, measured=line.measured,
    )  # fmt: skip


def _values(values: Mapping[str, Decimal] | None) -> list[Amount] | None:
    return [Amount(currency=one or None, amount=values[one]) for one in sorted(values)] if values else None

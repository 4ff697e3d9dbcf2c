"""The pipeline's board: opportunities as they stand at a moment → counts, values, conversion, forecast."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from msgspec import Struct

from models.domain.opportunity import CLOSED, Opportunity

CENT = Decimal("0.01")
DAY = timedelta(days=1)
Amounts = dict[str, Decimal]
"""By currency; the empty one where it was not stated."""


class StageLine(Struct, frozen=True, kw_only=True):
    """One stage: what is in it now, and how often it led to a sale.

    `values` is empty where no opportunity has a value, `unvalued` how many have none. `average_days` is
    how long those in an open stage have been in it; for won and lost, how long they took from their
    first stage on (None where that isn't known). `conversion` is won ÷ `measured`, over the closed
    opportunities that ever were in the stage; None where there is none.
    """

    stage: str
    count: int
    values: Amounts
    unvalued: int
    average_days: float | None
    measured: int
    conversion: float | None


class Forecast(Struct, frozen=True, kw_only=True):
    """Σ value × probability of the open ones. None as `values`: not one of them could be counted.

    `counted` is how many are in it, `own_probability` how many of those with a probability that their
    owner gave instead of history's; `left_out` how many have no value, or a stage that nothing measured.
    """

    values: Amounts | None
    counted: int
    own_probability: int
    left_out: int


class Overdue(Struct, frozen=True, kw_only=True):
    """An open opportunity whose customer should have heard from us by now."""

    opportunity_id: str
    department: str
    owner: str
    due_at: datetime | None
    missed: int


class Board(Struct, frozen=True, kw_only=True):
    """The whole pipeline at a moment. `conversion` is won ÷ (won + lost) over everything closed."""

    at: datetime
    stages: tuple[StageLine, ...]
    open: int
    won: int
    lost: int
    conversion: float | None
    forecast: Forecast
    overdue: tuple[Overdue, ...]


class _Tally:
    """What is added up for one stage while the rows go by."""

    __slots__ = ("count", "lasted", "measured", "timed", "unvalued", "values", "won")

    def __init__(self) -> None:
        self.count = self.unvalued = self.timed = self.measured = self.won = 0
        self.lasted, self.values = timedelta(), Amounts()


def board(rows: Iterable[Opportunity], at: datetime, stages: Sequence[str]) -> Board:
    """The board of these opportunities, each in its state as of `at`; what began later is left out.

    `stages` are the company's, in order; any other stage that is met comes after them.
    """
    tallies = {stage: _Tally() for stage in stages}
    closed = {stage: _Tally() for stage in CLOSED}
    still: list[Opportunity] = []
    for row in rows:
        if not row.intervals or row.intervals[0].since > at:
            continue
        tally = closed.get(row.stage)
        if tally is None:
            still.append(row)
            tally = tallies.setdefault(row.stage, _Tally())
            _add(tally, row, at - row.intervals[-1].since)
        else:
            took = row.intervals[-1].since - row.intervals[0].since if len(row.intervals) > 1 else None
            _add(tally, row, took)
            if len(row.intervals) > 1:
                for stage in {interval.stage for interval in row.intervals}.difference(CLOSED):
                    passed = tallies.setdefault(stage, _Tally())
                    passed.measured += 1
                    passed.won += row.stage == "won"
    lines = tuple(_line(stage, tally) for stage, tally in (tallies | closed).items())
    won, lost = closed["won"].count, closed["lost"].count
    return Board(
        at=at, stages=lines, open=len(still), won=won, lost=lost, conversion=_share(won, won + lost),
        forecast=_forecast(still, tallies), overdue=_overdue(still, at),
    )  # fmt: skip


def overdue(state: Opportunity, at: datetime) -> bool:
    """Did the follow-up clock run out, and has nobody followed up since?"""
    if not state.is_open:
        return False
    return bool(state.clock) if state.due_at is None else state.due_at <= at


def _add(tally: _Tally, row: Opportunity, lasted: timedelta | None) -> None:
    tally.count += 1
    if row.value is None:
        tally.unvalued += 1
    else:
        tally.values[row.currency] = tally.values.get(row.currency, Decimal(0)) + row.value
    if lasted is not None:
        tally.timed += 1
        tally.lasted += lasted


def _line(stage: str, tally: _Tally) -> StageLine:
    return StageLine(
        stage=stage, count=tally.count, values=tally.values, unvalued=tally.unvalued,
        average_days=tally.lasted / tally.timed / DAY if tally.timed else None,
        measured=tally.measured, conversion=_share(tally.won, tally.measured),
    )  # fmt: skip


def _forecast(still: Sequence[Opportunity], tallies: dict[str, _Tally]) -> Forecast:
    values = Amounts()
    counted = own = 0
    for row in still:
        tally = tallies[row.stage]
        if row.value is None or (row.probability is None and not tally.measured):
            continue
        if row.probability is None:
            expected = row.value * tally.won / tally.measured
        else:
            expected = row.value * Decimal(str(row.probability))
            own += 1
        counted += 1
        values[row.currency] = values.get(row.currency, Decimal(0)) + expected
    rounded = {currency: amount.quantize(CENT) for currency, amount in values.items()}
    return Forecast(
        values=rounded if counted else None, counted=counted, own_probability=own,
        left_out=len(still) - counted,
    )  # fmt: skip


def _overdue(still: Iterable[Opportunity], at: datetime) -> tuple[Overdue, ...]:
    """Those whose clock still stands first, by when it ran out; then those whose miss is recorded."""
    late = [row for row in still if overdue(row, at)]
    late.sort(key=lambda row: (row.due_at is None, row.due_at or at, row.opportunity_id))
    return tuple(
        Overdue(
            opportunity_id=row.opportunity_id, department=row.department, owner=row.owner, due_at=row.due_at,
            missed=row.missed,
        )
        for row in late
    )  # fmt: skip


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None

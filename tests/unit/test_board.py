"""The pipeline's board: what is counted, what is measured, and what is no data."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from models.domain.board import Forecast, Overdue, StageLine, board, overdue
from models.domain.opportunity import Interval, Opportunity

STAGES = ("captured", "proposal")
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


def days_ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def opportunity(
    *path: tuple[str, float], value: str | None = None, currency: str = "", **more
) -> Opportunity:
    """One that entered these stages so many days ago."""
    ends = [*(days_ago(days) for _, days in path[1:]), None]
    intervals = tuple(
        Interval(stage, days_ago(days), end) for (stage, days), end in zip(path, ends, strict=True)
    )
    return Opportunity(
        opportunity_id=more.pop("id", "o1"),
        stage=path[-1][0],
        intervals=intervals,
        value=None if value is None else Decimal(value),
        currency=currency,
        **more,
    )


def line(found, stage: str) -> StageLine:
    return next(one for one in found.stages if one.stage == stage)


def test_the_stages_stand_in_the_companys_order_then_any_other_then_won_and_lost():
    found = board([opportunity(("demo", 1))], NOW, STAGES)
    assert [one.stage for one in found.stages] == ["captured", "proposal", "demo", "won", "lost"]


def test_an_empty_pipeline_knows_nothing_rather_than_nought():
    found = board([], NOW, STAGES)
    assert line(found, "captured") == StageLine(
        stage="captured", count=0, values={}, unvalued=0, average_days=None, measured=0, conversion=None
    )
    assert (found.open, found.won, found.lost, found.conversion) == (0, 0, 0, None)
    assert found.forecast == Forecast(values=None, counted=0, own_probability=0, left_out=0)


def test_values_are_added_up_by_currency_and_those_without_one_are_counted():
    rows = [
        opportunity(("captured", 1), value="10", currency="EUR"),
        opportunity(("captured", 3), value="5.50", currency="EUR"),
        opportunity(("captured", 2), value="7", currency="USD"),
        opportunity(("captured", 2)),
    ]
    captured = line(board(rows, NOW, STAGES), "captured")
    assert captured.values == {"EUR": Decimal("15.50"), "USD": Decimal(7)}
    assert (captured.count, captured.unvalued, captured.average_days) == (4, 1, 2.0)


def test_an_open_ones_time_is_that_in_its_stage_a_closed_ones_from_first_to_last():
    found = board(
        [opportunity(("captured", 30), ("proposal", 4)), opportunity(("captured", 30), ("won", 9))],
        NOW,
        STAGES,
    )
    assert line(found, "proposal").average_days == 4
    assert line(found, "won").average_days == 21


def test_a_closed_one_out_of_history_has_no_known_duration_and_measures_no_stage():
    found = board([opportunity(("won", 400)), opportunity(("lost", 400))], NOW, STAGES)
    assert line(found, "won").average_days is None
    assert [one.measured for one in found.stages] == [0, 0, 0, 0]
    assert found.conversion == 0.5


def test_conversion_counts_those_that_ever_were_in_the_stage_and_are_closed():
    rows = [
        opportunity(("captured", 9), ("proposal", 8), ("won", 7)),
        opportunity(("captured", 9), ("lost", 7)),
        opportunity(("captured", 9), ("proposal", 8), ("captured", 7), ("lost", 6)),
        opportunity(("captured", 9), ("won", 8), ("proposal", 7)),
    ]
    found = board(rows, NOW, STAGES)
    assert (line(found, "captured").measured, line(found, "captured").conversion) == (3, 1 / 3)
    assert (line(found, "proposal").measured, line(found, "proposal").conversion) == (2, 0.5)


def test_the_forecast_takes_the_stages_probability_unless_the_owner_knows_better():
    closed = [opportunity(("captured", 9), ("won", 7)), opportunity(("captured", 9), ("lost", 7))]
    rows = [
        *closed,
        opportunity(("captured", 1), value="100", currency="EUR"),
        opportunity(("captured", 1), value="100", currency="EUR", probability=0.9),
        opportunity(("captured", 1)),
        opportunity(("proposal", 1), value="1000", currency="EUR"),
    ]
    assert board(rows, NOW, STAGES).forecast == Forecast(
        values={"EUR": Decimal("140.00")}, counted=2, own_probability=1, left_out=2
    )


def test_a_forecast_of_nothing_measured_is_no_data():
    found = board([opportunity(("captured", 1), value="100")], NOW, STAGES)
    assert found.forecast == Forecast(values=None, counted=0, own_probability=0, left_out=1)


def test_what_began_later_is_not_on_the_board():
    assert board([opportunity(("captured", 1))], days_ago(2), STAGES).open == 0


def test_a_follow_up_is_overdue_from_its_moment_until_somebody_follows_up():
    due = opportunity(("captured", 1), id="due", due_at=NOW, clock="e1")
    ahead = opportunity(("captured", 1), id="ahead", due_at=NOW + timedelta(seconds=1), clock="e1")
    missed = opportunity(("captured", 1), id="missed", missed=1, clock="e1")
    followed_up = opportunity(("captured", 1), id="followed_up", missed=1)
    won = opportunity(("captured", 2), ("won", 1), id="won", missed=1)
    rows = [missed, due, ahead, followed_up, won]
    assert [overdue(one, NOW) for one in rows] == [True, True, False, False, False]
    assert board(rows, NOW, STAGES).overdue == (
        Overdue(opportunity_id="due", department="", owner="", due_at=NOW, missed=0),
        Overdue(opportunity_id="missed", department="", owner="", due_at=None, missed=1),
    )

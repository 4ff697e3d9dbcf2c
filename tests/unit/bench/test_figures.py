"""The arithmetic of the report: what a figure, a ratio and an aim come to."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.figures import Aim, Figure, Line, keeps_up, latencies, percentile, ratio

RUNS = st.lists(st.floats(0.001, 1e6), min_size=1, max_size=30)


def figure(*values, unit="events/s"):
    return Figure("ours", unit, values)


def test_a_figure_is_its_middle_run():
    assert figure(5.0, 1.0, 100.0).median == 5.0
    assert figure(1.0, 2.0).median == 1.5


def test_a_percentile_is_a_value_that_was_measured():
    values = [float(n) for n in range(1, 101)]
    assert (percentile(values, 0.5), percentile(values, 0.95), percentile(values, 0.99)) == (50, 95, 99)
    assert percentile([7.0], 0.99) == 7.0
    assert percentile([3.0, 1.0, 2.0], 1.0) == 3.0
    with pytest.raises(ValueError):
        percentile([], 0.5)


@given(RUNS, st.floats(0.01, 1.0))
def test_at_least_the_share_is_not_above_the_percentile_and_less_than_it_is_below(values, share):
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-9
    assert sum(value < found for value in values) < share * len(values)


def test_latency_counts_from_the_moment_a_request_should_have_left():
    """The server stood still for a second: requests that could not leave meanwhile have waited too."""
    finished = [100.01, 101.0, 101.01, 101.02]
    assert latencies(10.0, 100.0, finished) == pytest.approx([0.01, 0.9, 0.81, 0.72])


def test_a_rate_is_kept_up_if_the_queue_is_short_in_the_end():
    steady = [0.002] * 100
    hiccup = [0.4] * 50 + [0.002] * 50
    growing = [n / 100 for n in range(100)]
    assert keeps_up(steady, 0.05)
    assert keeps_up(hiccup, 0.05)
    assert not keeps_up(growing, 0.05)
    assert keeps_up([0.001], 0.05)


def test_a_ratio_is_of_medians():
    assert ratio(figure(10.0, 20.0, 90.0), figure(40.0)) == 0.5
    assert math.isnan(ratio(figure(1.0), figure(0.0)))


@pytest.mark.parametrize(
    ("aim", "met"),
    [
        (Aim("ratio", "at least", 0.5), True),
        (Aim("ratio", "at least", 0.6), False),
        (Aim("ratio", "more than", 0.5), False),
        (Aim("figure", "at least", 100.0), True),
        (Aim("figure", "at most", 99.0), False),
        (None, None),
    ],
)
def test_an_aim_is_met_by_the_median_or_the_ratio(aim, met):
    assert Line(figure(90.0, 100.0, 300.0), figure(200.0), aim).met is met


def test_an_aim_for_a_ratio_is_not_met_where_nothing_stands_beside():
    assert Line(figure(1.0), None, Aim("ratio", "at least", 0.1)).met is False
    assert Line(figure(1.0)).ratio is None

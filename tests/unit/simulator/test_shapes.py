"""The shapes of a real call centre, within what chance allows."""

from collections import Counter, defaultdict
from statistics import fmean, median

import pytest
from msgspec import convert

from events.vocabulary import Moment

WEEK = 7 * 86_400


@pytest.fixture(scope="module")
def calls(lived):
    """Incoming calls."""
    touches = lived.of("touch.recorded")
    return [
        one for one in touches if one["data"]["channel"] == "voice" and one["data"]["direction"] == "inbound"
    ]


def test_queues_are_as_long_and_as_often_left(calls):
    queued = [one["data"] for one in calls if "queue" in one["data"]]
    assert len(queued) / len(calls) == pytest.approx(0.53, abs=0.03)
    assert fmean(one["wait_seconds"] for one in queued) == pytest.approx(68, abs=6)
    assert fmean(one["outcome"] == "abandoned" for one in queued) == pytest.approx(0.185, abs=0.025)
    assert all(one["data"]["wait_seconds"] == 0 for one in calls if "queue" not in one["data"])


def test_talk_takes_as_long(calls):
    talk = [one["data"]["talk_seconds"] for one in calls if one["data"]["outcome"] != "abandoned"]
    assert fmean(talk) == pytest.approx(184, abs=10)
    assert median(talk) == pytest.approx(113, abs=6)
    assert fmean(one < 10 for one in talk) == pytest.approx(0.056, abs=0.012)


def test_two_of_three_contacts_are_followed_by_another_within_a_week(lived):
    times = defaultdict(list)
    for told, item in zip(lived.told, lived.items, strict=True):
        if item["type"] == "touch.recorded" and item["data"]["direction"] == "inbound":
            times[told.customer].append(convert(item["occurred_at"], Moment).timestamp())
    gaps = [
        later - earlier
        for one in times.values()
        for earlier, later in zip(sorted(one), [*sorted(one)[1:], float("inf")], strict=True)
    ]
    assert fmean(gap < WEEK for gap in gaps) == pytest.approx(0.65, abs=0.04)


def test_the_day_and_the_week_have_their_curves(calls):
    moments = [convert(one["occurred_at"], Moment) for one in calls]
    hours, days = Counter(one.hour for one in moments), Counter(one.weekday() for one in moments)
    assert hours[10] > 5 * hours[6]
    assert hours[16] > 1.5 * hours[20]
    assert sum(hours[one] for one in range(6)) / len(moments) < 0.03
    assert max(days, key=days.__getitem__) in range(5)
    assert days[6] < 0.6 * days[0]
    assert days[6] < days[5] < days[0]

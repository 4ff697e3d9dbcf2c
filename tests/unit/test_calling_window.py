"""When a customer may be contacted, on their own clock and calendar."""

import tomllib
from datetime import UTC, datetime, time, timedelta
from typing import get_args
from zoneinfo import ZoneInfo

import holidays
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.vocabulary import Channel
from models.domain.calling_window import (
    TIMES,
    Hours,
    Place,
    Times,
    Window,
    has_calendar,
    next_window,
    place_of,
    times_for,
)
from models.errors import Refused

BERLIN = Place(("Europe/Berlin",), "DE")
NEW_YORK = Place(("America/New_York",), "US")
VOICE = times_for("voice", "retention")
MONTH = timedelta(days=28)


def utc(*parts):
    return datetime(*parts, tzinfo=UTC)


def local(place, *parts):
    return datetime(*parts, tzinfo=ZoneInfo(place.zones[0]))


def called(place, *parts, times=VOICE, within=MONTH):
    """The next window on the customer's clock, as month-day and times."""
    at = local(place, *parts)
    found = next_window(place, times, at, at + within)
    if found is None:
        return None
    clock = ZoneInfo(place.zones[0])
    begin, end = found.begin.astimezone(clock), found.end.astimezone(clock)
    return f"{begin:%m-%d %H:%M}", f"{end:%m-%d %H:%M}"


# A day


@pytest.mark.parametrize(
    "hour, window",
    [
        ((0, 0), ("11-24 09:00", "11-24 12:00")),
        ((8, 59), ("11-24 09:00", "11-24 12:00")),
        ((9, 0), ("11-24 09:00", "11-24 12:00")),
        ((11, 59), ("11-24 11:59", "11-24 12:00")),
        ((12, 0), ("11-24 14:00", "11-24 22:00")),
        ((13, 30), ("11-24 14:00", "11-24 22:00")),
        ((21, 30), ("11-24 21:30", "11-24 22:00")),
        ((22, 0), ("11-25 09:00", "11-25 12:00")),
    ],
)
def test_nobody_is_called_before_nine_at_midday_or_after_ten_at_night(hour, window):
    assert called(BERLIN, 2026, 11, 24, *hour) == window


def test_a_window_is_told_in_utc():
    found = next_window(NEW_YORK, VOICE, utc(2026, 11, 24, 6), utc(2026, 12, 1))
    assert found == Window(utc(2026, 11, 24, 14), utc(2026, 11, 24, 17))


def test_the_same_moment_is_morning_for_one_and_night_for_another():
    at = utc(2026, 11, 18, 13)
    begins = {
        place.zones[0]: next_window(place, VOICE, at, at + MONTH).begin
        for place in (BERLIN, NEW_YORK, Place(("Asia/Kolkata",), "IN"), Place(("Pacific/Auckland",), "NZ"))
    }
    assert begins == {
        "Europe/Berlin": at,
        "America/New_York": utc(2026, 11, 18, 14),
        "Asia/Kolkata": at,
        "Pacific/Auckland": utc(2026, 11, 18, 20),
    }


def test_a_message_may_come_at_midday_and_a_letter_at_any_time():
    sms, letter = times_for("sms", "retention"), times_for("post", "retention")
    assert called(BERLIN, 2026, 11, 24, 12, times=sms) == ("11-24 12:00", "11-24 22:00")
    assert called(BERLIN, 2026, 12, 25, 3, times=letter) == ("12-25 03:00", "01-22 03:00")


# Holidays


def test_nobody_is_called_on_a_holiday():
    assert called(NEW_YORK, 2026, 11, 26, 10) == ("11-27 09:00", "11-27 12:00")


def test_holidays_in_a_row_and_over_the_new_year_are_waited_out():
    assert called(BERLIN, 2026, 12, 24, 22) == ("12-27 09:00", "12-27 12:00")
    assert called(BERLIN, 2026, 12, 31, 22) == ("01-02 09:00", "01-02 12:00")
    spring_festival = called(Place(("Asia/Shanghai",), "CN"), 2026, 2, 15, 22)
    assert spring_festival == ("02-21 09:00", "02-21 12:00")


def test_the_day_is_the_customers_own():
    """In Auckland it is the 25th already, while in London it is Christmas Eve still."""
    at = utc(2026, 12, 24, 20)
    assert next_window(Place(("Europe/London",), "GB"), VOICE, at, at + MONTH).begin == at
    theirs = next_window(Place(("Pacific/Auckland",), "NZ"), VOICE, at, at + MONTH)
    assert theirs.begin == local(Place(("Pacific/Auckland",), "NZ"), 2026, 12, 27, 9)


def test_a_part_of_a_country_has_holidays_of_its_own():
    at = (2026, 1, 6, 10)
    assert called(BERLIN, *at) == ("01-06 10:00", "01-06 12:00")
    assert called(Place(("Europe/Berlin",), "DE-BY"), *at) == ("01-07 09:00", "01-07 12:00")


def test_a_company_may_allow_holidays_for_a_purpose():
    care = Times(channel="voice", purpose="care", hours=VOICE.hours, holidays=True)
    assert called(BERLIN, 2026, 12, 25, 8, times=care) == ("12-25 09:00", "12-25 12:00")


def test_a_company_may_leave_out_days_of_the_week():
    working = Times(channel="voice", hours=VOICE.hours, days=("mon", "tue", "wed", "thu", "fri"))
    assert called(BERLIN, 2026, 11, 27, 22, times=working) == ("11-30 09:00", "11-30 12:00")


# The row's end


def test_a_row_that_expires_before_the_next_window_has_none():
    assert called(BERLIN, 2026, 11, 24, 22, within=timedelta(hours=11)) is None
    assert called(BERLIN, 2026, 12, 24, 22, within=timedelta(days=2)) is None


def test_a_window_ends_when_the_row_expires():
    assert called(BERLIN, 2026, 11, 24, 9, within=timedelta(hours=1)) == ("11-24 09:00", "11-24 10:00")


def test_whoever_expired_already_has_none():
    assert next_window(BERLIN, VOICE, utc(2026, 11, 24, 10), utc(2026, 11, 24, 10)) is None
    assert next_window(BERLIN, VOICE, utc(2026, 11, 24, 10), utc(2026, 11, 23, 10)) is None


def test_without_hours_a_channel_is_closed():
    assert called(BERLIN, 2026, 11, 24, 9, times=Times(channel="voice", hours=())) is None


def test_hours_that_overlap_in_any_order_are_one_window():
    parts = [Hours(time(opens), time(closes)) for opens, closes in ((14, 16), (10, 11), (9, 15))]
    times = Times(channel="voice", hours=tuple(parts))
    assert called(BERLIN, 2026, 11, 24, times=times) == ("11-24 09:00", "11-24 16:00")


# When the clocks change


def test_nine_stays_nine_when_the_clocks_change():
    """Germany: forward on 29 March, back on 25 October 2026."""
    for day_before, opens in (
        ((2026, 3, 28, 22), utc(2026, 3, 29, 7)),
        ((2026, 10, 24, 22), utc(2026, 10, 25, 8)),
    ):
        at = local(BERLIN, *day_before)
        found = next_window(BERLIN, VOICE, at, at + MONTH)
        assert found == Window(opens, opens + timedelta(hours=3))


def test_a_night_that_is_an_hour_longer_or_shorter_is_told_as_it_is():
    night = Times(channel="voice", hours=(Hours(time(0), time(6)),), holidays=True)
    lengths = []
    for day in ((2026, 3, 29), (2026, 3, 30), (2026, 10, 25)):
        at = local(BERLIN, *day)
        found = next_window(BERLIN, night, at, at + MONTH)
        lengths.append((found.end - found.begin) / timedelta(hours=1))
    assert lengths == [5, 6, 7]


def test_an_hour_that_comes_twice_is_left_out_where_one_of_the_two_is_closed():
    """After the first 2:30 it is 2:00 once more, and 2:30 once more after that."""
    day = (local(BERLIN, 2026, 10, 25), local(BERLIN, 2026, 10, 26))
    late, early = (
        Times(channel="voice", hours=(hours,))
        for hours in (Hours(time(2, 30), time(6)), Hours(time(1), time(2, 30)))
    )
    assert next_window(BERLIN, late, *day) == Window(utc(2026, 10, 25, 1, 30), utc(2026, 10, 25, 5))
    assert next_window(BERLIN, early, *day) == Window(utc(2026, 10, 24, 23), utc(2026, 10, 25, 0, 30))


def test_a_midnight_that_comes_twice_ends_the_day_the_first_time():
    """Cuba put its clocks back from 1:00 to 0:00 on Sunday, 1 November 2026."""
    place = Place(("America/Havana",), "CU")
    saturday = Times(channel="voice", hours=(Hours(time(0), time(0)),), days=("sat",))
    found = next_window(place, saturday, utc(2026, 10, 31, 12), utc(2026, 11, 5))
    assert found.end == utc(2026, 11, 1, 4)


@pytest.mark.parametrize("zone", ["America/Havana", "Asia/Beirut", "Pacific/Apia", "Australia/Lord_Howe"])
def test_what_may_be_done_at_any_time_has_no_gap_where_midnight_is_skipped_or_comes_twice(zone):
    begin, end = utc(2011, 1, 1), utc(2012, 6, 1)
    letter = times_for("post", "")
    assert next_window(Place((zone,), "DE"), letter, begin, end) == Window(begin, end)


def test_a_day_that_a_country_left_out_has_no_hours():
    """Samoa went from 29 to 31 December 2011."""
    assert called(Place(("Pacific/Apia",), "WS"), 2011, 12, 29, 22) == ("12-31 09:00", "12-31 12:00")


# Where they are is not quite known


def test_of_several_zones_only_what_is_allowed_in_all_of_them_is():
    """9 in Los Angeles is midday in New York: both may be called from 11 in the west, and again from 17 in the east."""
    both = Place(("America/New_York", "America/Los_Angeles"), "US")
    at = local(both, 2026, 11, 24, 0)
    first = next_window(both, VOICE, at, at + MONTH)
    assert first == Window(utc(2026, 11, 24, 19), utc(2026, 11, 24, 20))
    second = next_window(both, VOICE, first.end, at + MONTH)
    assert second == Window(utc(2026, 11, 24, 22), utc(2026, 11, 25, 3))


@pytest.mark.parametrize(
    "country, zone, where",
    [
        ("US", "America/Denver", Place(("America/Denver",), "US")),
        ("JP", "", Place(("Asia/Tokyo",), "JP")),
        ("NZ", "", Place(("Pacific/Auckland", "Pacific/Chatham"), "NZ")),
        ("", "Asia/Tokyo", Place(("Asia/Tokyo",), "DE")),
        ("", "", BERLIN),
        ("001", "", BERLIN),
        ("AC", "", BERLIN),
    ],
)
def test_where_somebody_is_follows_from_what_their_phone_shows_else_they_are_at_home(country, zone, where):
    assert place_of(country, zone, BERLIN) == where


def test_a_phone_of_a_country_with_many_zones_rings_at_a_good_hour_in_all_of_them():
    """9 to 22 on the American mainland and beyond: 9 in Honolulu is 14 in New York."""
    anywhere = place_of("US", "", BERLIN)
    at = utc(2026, 11, 23)
    found = next_window(anywhere, VOICE, at, at + MONTH)
    begins = sorted(found.begin.astimezone(ZoneInfo(zone)).hour for zone in anywhere.zones)
    assert begins[0] >= 9
    assert begins[-1] < 22
    assert found.end > found.begin


@pytest.mark.parametrize("zones", [(), ("Europe/Atlantis",), ("../etc/passwd",), ("",)])
def test_without_a_zone_that_is_known_there_is_a_clear_no(zones):
    with pytest.raises(Refused) as refused:
        next_window(Place(zones, "DE"), VOICE, utc(2026, 11, 24), utc(2026, 11, 25))
    assert refused.value.code == "calling.zone_unknown"


@pytest.mark.parametrize("country", ["", "001", "ZZ", "DE-XX"])
def test_without_a_calendar_only_what_may_be_done_on_holidays_may(country):
    assert not has_calendar(country)
    somewhere, at = Place(("Europe/Berlin",), country), utc(2026, 11, 24)
    with pytest.raises(Refused) as refused:
        next_window(somewhere, VOICE, at, at + MONTH)
    assert refused.value.code == "calling.country_unknown"
    assert next_window(somewhere, times_for("post", ""), at, at + MONTH) == Window(at, at + MONTH)


def test_a_moment_without_an_offset_is_no_moment():
    with pytest.raises(ValueError, match="offset"):
        next_window(BERLIN, VOICE, datetime(2026, 11, 24), utc(2026, 11, 25))  # noqa: DTZ001  # without an offset on purpose


# Settings


def test_every_channel_has_times():
    assert sorted(times.channel for times in TIMES) == sorted(get_args(Channel))


def test_the_companys_own_times_for_the_purpose_come_first_then_those_for_the_channel():
    care = Times(channel="voice", purpose="care", hours=(Hours(time(10), time(11)),))
    voice = Times(channel="voice", hours=(Hours(time(15), time(16)),))
    assert times_for("voice", "care", (voice, care)) == care
    assert times_for("voice", "retention", (voice, care)) == voice
    assert times_for("sms", "care", (voice, care)) == times_for("sms", "")


def read(text):
    return msgspec.convert(tomllib.loads(text), Times)


def test_times_are_read_from_toml():
    said = 'channel = "voice"\npurpose = "care"\nhours = [{opens = 09:30:00, closes = 12:00:00}]'
    assert read(said) == Times(channel="voice", purpose="care", hours=(Hours(time(9, 30), time(12)),))


@pytest.mark.parametrize(
    "wrong",
    [
        'channel = "pigeon"\nhours = []',
        'channel = "voice"\nhours = [{opens = 14:00:00, closes = 12:00:00}]',
        'channel = "voice"\nhours = [{opens = 09:00:00, closes = 09:00:00}]',
        'channel = "voice"\nhours = [{opens = "09:00:00Z", closes = "10:00:00Z"}]',
        'channel = "voice"\nhours = []\nholiday = true',
        'channel = "voice"\npurpose = "spam"\nhours = []',
        'channel = "voice"\ndays = ["someday"]\nhours = []',
    ],
)
def test_times_that_make_no_sense_are_refused(wrong):
    with pytest.raises(msgspec.ValidationError):
        read(wrong)


# Whatever the zone, the moment and the day

PLACES = [
    Place((zone,), country)
    for zone, country in [
        ("Europe/Berlin", "DE"), ("America/New_York", "US"), ("America/Santiago", "CL"),
        ("Australia/Lord_Howe", "AU"), ("Asia/Kathmandu", "NP"), ("Pacific/Kiritimati", "KI"),
        ("America/Havana", "CU"), ("Africa/Casablanca", "MA"),
    ]
]  # fmt: skip
moments = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  # without an offset on purpose


def allowed(place, moment):
    theirs = moment.astimezone(ZoneInfo(place.zones[0]))
    hour = theirs.hour
    off = theirs.date() in holidays.country_holidays(place.country, years=theirs.year)
    return (9 <= hour < 12 or 14 <= hour < 22) and not off


@given(st.sampled_from(PLACES), moments, st.timedeltas(timedelta(), timedelta(days=12)))
def test_a_window_holds_only_moments_that_are_allowed_and_none_before_it_was(place, at, until):
    found = next_window(place, VOICE, at, at + until)
    quarter, moment = timedelta(minutes=15), at
    while moment < (found.begin if found else at + until):
        assert not allowed(place, moment)
        moment += quarter
    if found:
        assert at <= found.begin < found.end <= at + until
        assert allowed(place, found.begin)
        assert allowed(place, found.end - timedelta(microseconds=1))
        assert found.end == at + until or not allowed(place, found.end)

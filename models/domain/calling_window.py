"""When a customer may be contacted: the hours of a channel and a purpose, on the clock and calendar where they are.

Whether they may be contacted at all is `permission`'s business.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from importlib.resources import files
from typing import Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import holidays
from msgspec import Struct

from events.vocabulary import Channel, Purpose
from models.errors import Refused

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]

DAY = timedelta(days=1)
WEEK: tuple[Weekday, ...] = get_args(Weekday)
MIDNIGHT = time(0)


class Hours(Struct, frozen=True):
    """A part of the day on the customer's clock: from `opens`, until just before `closes`; 00:00 closes at its end.

    Hours over midnight are two of these.
    """

    opens: time
    closes: time

    def __post_init__(self) -> None:
        if self.opens.tzinfo or self.closes.tzinfo:
            raise ValueError("hours are told on the customer's own clock, without a zone")
        if self.closes != MIDNIGHT and self.opens >= self.closes:
            raise ValueError("hours must close after they open; over midnight they are two")


class Times(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When customers may be contacted on a channel for a purpose (empty: any). Without hours, never."""

    channel: Channel
    purpose: Purpose | Literal[""] = ""
    hours: tuple[Hours, ...]
    days: tuple[Weekday, ...] = WEEK
    holidays: bool = False
    """May they be contacted on a public holiday?"""


class Place(Struct, frozen=True):
    """Where a customer is: the zones it may be, and the country or its part (ISO 3166: `DE`, `DE-BY`).

    Of a phone it is often known only that it is in one of several zones: then what is allowed in all of them is.
    """

    zones: tuple[str, ...]
    country: str


class Window(Struct, frozen=True):
    """A time in which a customer may be contacted: from `begin` until just before `end`, both in UTC."""

    begin: datetime
    end: datetime


_FORENOON, _AFTERNOON = Hours(time(9), time(12)), Hours(time(14), time(22))
RINGS: tuple[Channel, ...] = ("voice", "ivr", "video", "unknown")
"""Somebody must answer at once; so we think of a channel of which nothing is known."""
SHOWS: tuple[Channel, ...] = ("sms", "im", "app", "chat", "fax")
"""It shows, or prints, where the customer is."""
WAITS: tuple[Channel, ...] = ("email", "social", "web", "store", "post")
"""It lies there until the customer looks."""

TIMES: tuple[Times, ...] = (
    *(Times(channel=channel, hours=(_FORENOON, _AFTERNOON)) for channel in RINGS),
    *(Times(channel=channel, hours=(Hours(time(9), time(22)),)) for channel in SHOWS),
    *(Times(channel=channel, hours=(Hours(MIDNIGHT, MIDNIGHT),), holidays=True) for channel in WAITS),
)
"""What holds where a company has set nothing else: no call before 9, at midday, after 22 or on a holiday."""


def times_for(channel: Channel, purpose: str, own: Sequence[Times] = ()) -> Times:
    """The company's own times for the channel and the purpose, else its own for the channel, else `TIMES`."""
    for wanted, among in ((purpose, own), ("", own), ("", TIMES)):
        for times in among:
            if times.channel == channel and times.purpose == wanted:
                return times
    raise AssertionError(f"TIMES says nothing of {channel}")


def place_of(country: str, zone: str, home: Place) -> Place:
    """Where somebody is of whose phone these two are known, or not (empty); `home` is where customers usually are.

    Of a country alone, all its zones are meant; in one as wide as Russia no hour of a call suits them all. A country
    without a calendar keeps the holidays at home.
    """
    zones = (zone,) if zone else _zones().get(country, home.zones)
    return Place(zones, country if has_calendar(country) else home.country)


def next_window(place: Place, times: Times, at: datetime, expires: datetime) -> Window | None:
    """The next time from `at` on; what is open at `at` begins there, and none goes on after `expires`.

    None where there is none before `expires`. Raises `Refused` (`calling.zone_unknown`,
    `calling.country_unknown`): what is not known to be allowed is not. ValueError for a moment without an offset.
    """
    if at.tzinfo is None or expires.tzinfo is None:
        raise ValueError("a moment needs its offset")
    return _next_window(place, times, at.astimezone(UTC), expires.astimezone(UTC))


def has_calendar(country: str) -> bool:
    """Are the public holidays of this country, or part of one, known?"""
    code, _, part = country.partition("-")
    known = _countries()
    return code in known and (not part or part in known[code])


@lru_cache(maxsize=65_536)  # one list asks for a few places at one moment, a hundred thousand times
def _next_window(place: Place, times: Times, at: datetime, expires: datetime) -> Window | None:
    if not place.zones:
        raise Refused("calling.zone_unknown", "it is not known in which time zone the customer is")
    if not times.holidays and not has_calendar(place.country):
        raise Refused("calling.country_unknown", "the public holidays where the customer is are not known")
    found = [Window(at, expires)]
    for zone in place.zones:
        found = list(_common(found, list(_open(zone, place.country, times, at, expires))))
    return found[0] if found else None


def _open(zone: str, country: str, times: Times, at: datetime, expires: datetime) -> Iterator[Window]:
    """The open times in one zone on the days from `at` to `expires`, in order; those that touch are one."""
    clock = _clock(zone)
    day, last = at.astimezone(clock).date(), expires.astimezone(clock).date()
    begin = end = None
    while day <= last:
        for part in _hours(times, country, day):
            opens, closes = _begin(day, part.opens, clock), _end(day, part.closes, clock)
            if opens >= closes:
                continue  # the clocks skip it
            if begin and end and opens <= end:
                end = max(end, closes)
                continue
            if begin and end:
                yield Window(begin, end)
            begin, end = opens, closes
        day += DAY
    if begin and end:
        yield Window(begin, end)


def _common(some: Sequence[Window], others: Sequence[Window]) -> Iterator[Window]:
    """What lies in both, in order."""
    left, right = 0, 0
    while left < len(some) and right < len(others):
        begin = max(some[left].begin, others[right].begin)
        end = min(some[left].end, others[right].end)
        if begin < end:
            yield Window(begin, end)
        if some[left].end < others[right].end:
            left += 1
        else:
            right += 1


def _begin(day: date, opens: time, clock: ZoneInfo) -> datetime:
    """When a clock first shows `opens` for good: put forward or back, it is never earlier on it until it closes."""
    first = _instant(day, opens, clock, fold=0)
    return first if opens == MIDNIGHT else max(first, _instant(day, opens, clock, fold=1))


def _end(day: date, closes: time, clock: ZoneInfo) -> datetime:
    if closes == MIDNIGHT:
        return _begin(day + DAY, MIDNIGHT, clock)
    return min(_instant(day, closes, clock, fold=0), _instant(day, closes, clock, fold=1))


def _instant(day: date, at: time, clock: ZoneInfo, *, fold: int) -> datetime:
    return datetime.combine(day, at, tzinfo=clock).replace(fold=fold).astimezone(UTC)


def _clock(zone: str) -> ZoneInfo:
    try:
        return ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Refused("calling.zone_unknown", "the customer's time zone is none that is known") from None


def _hours(times: Times, country: str, day: date) -> list[Hours]:
    if WEEK[day.weekday()] not in times.days or (not times.holidays and day in _holidays(country, day.year)):
        return []
    return sorted(times.hours, key=lambda one: one.opens)


@lru_cache(maxsize=4_096)
def _holidays(country: str, year: int) -> frozenset[date]:
    code, _, part = country.partition("-")
    return frozenset(holidays.country_holidays(code, subdiv=part or None, years=year))


@lru_cache(maxsize=1)
def _zones() -> dict[str, tuple[str, ...]]:
    """The zones of each country, as the time zone database has them."""
    found: dict[str, tuple[str, ...]] = {}
    for line in files("tzdata").joinpath("zoneinfo", "zone.tab").read_text().splitlines():
        if not line.startswith("#"):
            country, _, zone, *_ = line.split("\t")
            found[country] = (*found.get(country, ()), zone)
    return found


@lru_cache(maxsize=1)
def _countries() -> dict[str, list[str]]:
    return holidays.list_supported_countries(include_aliases=False)

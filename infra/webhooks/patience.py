"""How long to wait before a receiver is tried again, and when to give up. Pure."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from msgspec import Struct

FIRST_SECONDS = 5.0
LONGEST_SECONDS = 3_600.0
GIVES_UP = timedelta(days=1)
"""Since the first failure: then a person has to look."""
DIGITS = 9


class Trouble(Struct, frozen=True, kw_only=True):
    """A receiver that does not take an event: how often in a row, since when, and when it is tried again."""

    attempts: int
    since: datetime
    next_at: datetime


def back_off(attempts: int, chance: float) -> timedelta:
    """The pause after so many failures in a row: twice as long each time, up to an hour.

    `chance`, from 0 to below 1, takes up to half of it away, so that those who failed together come back apart.
    """
    longest = min(LONGEST_SECONDS, FIRST_SECONDS * 2.0 ** min(attempts - 1, 20))
    return timedelta(seconds=longest * (1 - chance / 2))


def after_failure(
    before: Trouble | None, now: datetime, chance: float, asked: timedelta | None = None
) -> Trouble | None:
    """What follows from one more failure; None: it has gone on for a day.

    `asked` is how long the receiver wants to be left alone. The last attempt is made when the day is over.
    """
    since = before.since if before else now
    end = since + GIVES_UP
    if now >= end:
        return None
    attempts = (before.attempts if before else 0) + 1
    pause = max(back_off(attempts, chance), asked or timedelta())
    return Trouble(attempts=attempts, since=since, next_at=min(now + pause, end))


def asked_to_wait(header: str, now: datetime) -> timedelta | None:
    """What a Retry-After says, seconds or a date; None where it says nothing that can be understood."""
    text = header.strip()
    if text.isascii() and text.isdigit():
        return timedelta(seconds=int(text)) if len(text) <= DIGITS else None
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(moment - now, timedelta())

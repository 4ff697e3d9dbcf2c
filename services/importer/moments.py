"""A mapping's time rules, compiled once; the one place that remembers something from row to row."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from services.importer.mapping import (
    AnyMoment,
    DateRule,
    FixedRule,
    MappingProblem,
    MonthsBeforeRule,
    YearByOrderRule,
)
from services.importer.values import BadValue, Cells, Columns, Read, compile_clock

AMBIGUOUS = "ambiguous_hour"
"""Warning: the clocks were changed then: the local time names two moments, or none; the first is taken."""
_CACHED = 200_000
_MONTHS = {
    "jan": 1, "feb": 2, "mar": 3, "apr": 4, "may": 5, "jun": 6,
    "jul": 7, "aug": 8, "sep": 9, "oct": 10, "nov": 11, "dec": 12,
}  # fmt: skip


def compile_moment(rule: AnyMoment, zone: str, columns: Columns, key: str) -> Read:
    """The reader of one moment: RFC 3339 text with the offset of its zone."""
    local = ZoneInfo(zone)
    match rule:
        case DateRule():
            return _date(rule, local, columns, key)
        case YearByOrderRule():
            return _year_by_order(rule, local, columns, key)
        case MonthsBeforeRule(months=months, before=before):
            day, read = _stated(before, f"{key}.before"), columns.number(months, f"{key}.months")
            return lambda cells, number, warnings: _write(_months_before(day, read(cells), months), local)[0]
        case FixedRule(at=at):
            fixed = _write(_stated(at, f"{key}.at"), local)[0]
            return lambda cells, number, warnings: fixed
    raise MappingProblem(key, "unknown rule")


def _write(moment: datetime, zone: ZoneInfo) -> tuple[str, bool]:
    """The text, and whether a change of the clocks made the local time ambiguous."""
    if moment.tzinfo is not None:
        return moment.isoformat(), False
    aware = moment.replace(tzinfo=zone)
    return aware.isoformat(), aware.utcoffset() != aware.replace(fold=1).utcoffset()


def _date(rule: DateRule, zone: ZoneInfo, columns: Columns, key: str) -> Read:
    at, form, column = columns.at(rule.column, f"{key}.column"), rule.format, rule.column
    parse: Callable[[str], datetime] = (
        datetime.fromisoformat if form == "iso" else lambda text: datetime.strptime(text, form)  # noqa: DTZ007
    )
    clock = columns.at(rule.clock, f"{key}.clock") if rule.clock else None
    seconds = _clock(rule, columns, key)
    known: dict[tuple[str, str], tuple[str, bool]] = {}

    def read(cells: Cells, number: int, warnings: list[str]) -> str:
        cell = (cells[at].strip(), cells[clock] if clock is not None else "")
        found = known.get(cell)
        if found is None:
            try:
                moment = parse(cell[0])
                found = _write(moment + timedelta(seconds=seconds(cells)) if seconds else moment, zone)
            except (ValueError, OverflowError) as error:
                if isinstance(error, BadValue):
                    raise
                raise BadValue("bad_date", column, f"is no date of the form {form}") from None
            if len(known) < _CACHED:
                known[cell] = found
        if found[1]:
            warnings.append(AMBIGUOUS)
        return found[0]

    return read


def _clock(rule: DateRule, columns: Columns, key: str) -> Callable[[Cells], int] | None:
    if rule.clock is None:
        return None
    if rule.clock_format == "%H:%M:%S":
        return compile_clock(rule.clock, columns, f"{key}.clock")
    column, form, at = rule.clock, rule.clock_format, columns.at(rule.clock, f"{key}.clock")

    def read(cells: Cells) -> int:
        try:
            time = datetime.strptime(cells[at].strip(), form)  # noqa: DTZ007
        except ValueError:
            raise BadValue("bad_time", column, f"is no time of the form {form}") from None
        return time.hour * 3600 + time.minute * 60 + time.second

    return read


def _year_by_order(rule: YearByOrderRule, zone: ZoneInfo, columns: Columns, key: str) -> Read:
    month_at, day_at = columns.at(rule.month, f"{key}.month"), columns.at(rule.day, f"{key}.day")
    year, last_month = rule.first_year, 0

    def read(cells: Cells, number: int, warnings: list[str]) -> str:
        nonlocal year, last_month
        word = cells[month_at].strip().casefold()
        month = _MONTHS.get(word[:3]) or (int(word) if word.isdecimal() else 0)
        if not 1 <= month <= 12:
            raise BadValue("bad_date", rule.month, "is no month")
        this = year + (month < last_month)
        if this > rule.last_year:
            raise BadValue(
                "year_after_last", rule.month, f"the order of the rows leads past {rule.last_year}"
            )
        try:
            moment = datetime(this, month, int(cells[day_at]), tzinfo=zone)
        except ValueError:
            raise BadValue("bad_date", rule.day, f"is no day of month {month} in {this}") from None
        year, last_month = this, month
        return moment.isoformat()

    return read


def _stated(text: str, key: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise MappingProblem(key, 'is a date like "2018-01-31"') from None


def _months_before(day: datetime, text: str, column: str) -> datetime:
    """The same day of an earlier month, or that month's last."""
    if not text.isdigit() or int(text) > 12 * (day.year - 1):
        raise BadValue("bad_number", column, "is no count of months")
    months = day.year * 12 + day.month - 1 - int(text)
    year, month = months // 12, months % 12 + 1
    after = date(year + month // 12, month % 12 + 1, 1)
    return day.replace(year=year, month=month, day=min(day.day, (after - timedelta(days=1)).day))

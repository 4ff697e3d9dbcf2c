"""Figures, moments and codes as a reader wants them. What nobody said is "no data", never 0."""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime

NO_DATA = "no data"

WORDS = {"win_back": "win-back"}
"""Codes that read better in other words than their own."""


def plain(text: str) -> str:
    """One line that no terminal takes for a command: what does not print becomes a space."""
    return "".join(sign if sign.isprintable() else " " for sign in text).strip()


def label(code: str) -> str:
    """A code in words: `at_risk` is "at risk"."""
    return WORDS.get(code, plain(code.replace("_", " ")))


def count(number: int | None) -> str:
    """A whole number, in groups of three digits."""
    return NO_DATA if number is None else f"{number:,}"


def figure(number: float | None, digits: int) -> str:
    """A number with this many decimals."""
    return NO_DATA if number is None or not math.isfinite(number) else f"{number:,.{digits}f}"


def share(part: float | None, digits: int = 1) -> str:
    """A share of one as per cent."""
    return NO_DATA if part is None or not math.isfinite(part) else f"{100 * part:.{digits}f} %"


def ratio(part: int, whole: int) -> float | None:
    """part ÷ whole; None where the whole is 0."""
    return part / whole if whole else None


def moment(at: datetime | str | None) -> str:
    """A day, with the minute where it is not midnight; moments are written in their own zone."""
    if not at:
        return NO_DATA
    when = datetime.fromisoformat(at) if isinstance(at, str) else at
    return f"{when:%Y-%m-%d}" if (when.hour, when.minute) == (0, 0) else f"{when:%Y-%m-%d %H:%M}"


def listed(items: Sequence[str]) -> str:
    """Items one after another."""
    return "; ".join(plain(item) for item in items) if items else NO_DATA


def pairs(data: Mapping[str, object], without: frozenset[str] = frozenset()) -> str:
    """What a mapping says, in one line: "amount 29.33, currency USD". Nested ones are told by their parts."""
    said = [
        f"{label(key)} {_value(value)}"
        for key, value in data.items()
        if key not in without and value not in (None, "", [], {})
    ]
    return ", ".join(said) or NO_DATA


def _value(value: object) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.3g}"
        case {"sealed": _}:
            return "(sealed)"
        case dict():
            return f"({pairs(value)})"
        case list() | tuple():
            return " / ".join(_value(one) for one in value)
    return plain(str(value))

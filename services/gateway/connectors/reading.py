"""Reading what vendors send: forms, JSON, XML, times and numbers, each with a sentence where it is none."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from services.gateway.connectors.connector import Unmapped

LONGEST_SECONDS = 7 * 86_400
LARGEST = 2**63
FIELDS = 500
"""Of a form; the vendors' have some thirty."""

FIRST_YEAR, LAST_YEAR = 1900, 2200

Row = Mapping[str, Any]

_array = msgspec.json.Decoder(list[msgspec.Raw])


def fields_of(raw: bytes) -> list[tuple[str, str]]:
    """A form's fields as they come. Raises `Unmapped`."""
    try:
        return parse_qsl(
            raw.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=FIELDS,
        )
    except UnicodeDecodeError:
        raise Unmapped("not_utf8", "$", "The text is not UTF-8") from None
    except ValueError:
        raise Unmapped("invalid", "$", "Expected a form, URL-encoded") from None


def form(raw: bytes) -> dict[str, str]:
    """A form's fields, each once. Raises `Unmapped`."""
    pairs = fields_of(raw)
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise Unmapped("invalid", "$", "Expected each field of the form once")
    return fields


def json(raw: bytes) -> Any:
    """Any JSON. Raises `Unmapped`, and RecursionError for what is too deep."""
    try:
        return msgspec.json.decode(raw)
    except UnicodeDecodeError:
        raise Unmapped("not_utf8", "$", "The text is not UTF-8") from None
    except (msgspec.DecodeError, ValueError):  # the latter for a number of thousands of digits
        raise Unmapped("not_json", "$", "Expected JSON") from None


def pieces(raw: bytes) -> list[bytes]:
    """The items of a JSON array, each as its own bytes; anything else is one item. Raises `Unmapped`."""
    try:
        return [bytes(one) for one in _array.decode(raw)] if raw.lstrip()[:1] == b"[" else [raw.strip()]
    except UnicodeDecodeError:
        raise Unmapped("not_utf8", "$", "The text is not UTF-8") from None
    except msgspec.DecodeError:
        raise Unmapped("not_json", "$", "Expected JSON") from None
    except RecursionError:
        raise Unmapped("too_deep", "$", "The nesting is too deep") from None


def row(value: Any, path: str = "$") -> Row:
    """A JSON object. Raises `Unmapped`."""
    if not isinstance(value, dict):
        raise Unmapped("invalid", path, "Expected an object")
    return value


def inner(one: Row, name: str) -> Row:
    """The object under a name; empty where there is none."""
    found = one.get(name)
    return found if isinstance(found, dict) else {}


def text(one: Row, name: str) -> str:
    """A field as text; empty where there is none."""
    found = one.get(name)
    if isinstance(found, bool) or not isinstance(found, (str, int)):
        return ""
    if isinstance(found, int) and abs(found) > LARGEST:
        return ""
    return str(found).strip()


def needed(one: Row, name: str) -> str:
    """A field that must be there. Raises `Unmapped`."""
    found = text(one, name)
    if not found:
        raise Unmapped("invalid", _at(name), "Expected a text")
    return found


def label(value: str) -> str | None:
    """A name that goes into an event, or None where it is empty or no plain line."""
    value = value.strip()
    return value[:200] if value and value.isprintable() else None


def seconds(one: Row, name: str) -> float | None:
    """A duration in seconds, None where it is not said. Raises `Unmapped`."""
    found = one.get(name)
    if found is None or found == "":
        return None
    try:
        told = float(found)
    except (TypeError, ValueError, OverflowError):
        told = -1.0
    if isinstance(found, bool) or not 0 <= told <= LONGEST_SECONDS:
        raise Unmapped("invalid", _at(name), "Expected seconds, at most a week")
    return told


def epoch(value: Any, name: str) -> datetime:
    """An instant from seconds since 1970. Raises `Unmapped`."""
    return _moment(name, lambda: datetime.fromtimestamp(float(value), UTC), value)


def epoch_millis(value: Any, name: str) -> datetime:
    """An instant from milliseconds since 1970. Raises `Unmapped`."""
    return _moment(name, lambda: datetime.fromtimestamp(int(value) / 1000, UTC), value)


def iso(value: Any, name: str) -> datetime:
    """An instant in ISO 8601 with its offset; the form `… UTC` is read too. Raises `Unmapped`."""
    return _moment(name, lambda: datetime.fromisoformat(str(value).replace(" UTC", "+00:00")), value)


def mail_date(value: Any, name: str) -> datetime:
    """An instant as mails write it (RFC 2822). Raises `Unmapped`."""
    return _moment(name, lambda: parsedate_to_datetime(str(value)), value)


def within_reach(moment: datetime) -> datetime:
    """The moment, which can be moved from zone to zone. Raises ValueError for one far from any call."""
    if not FIRST_YEAR <= moment.year < LAST_YEAR:
        raise ValueError("a year that is none")
    return moment


def _moment(name: str, read: Callable[[], datetime], value: Any) -> datetime:
    try:
        if isinstance(value, bool):
            raise ValueError
        moment = read()
        if moment.tzinfo is None:
            raise ValueError
        return within_reach(moment.astimezone(UTC))
    except (TypeError, ValueError, OverflowError, OSError):
        raise Unmapped("invalid", _at(name), "Expected an instant") from None


def _at(name: str) -> str:
    return f"${name}" if name.startswith("[") else f"$.{name}"

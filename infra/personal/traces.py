"""Personal values as they may lie about elsewhere, and looking for them in bytes."""

import re
from collections.abc import Collection, Iterator, Mapping
from json import dumps
from typing import Any
from urllib.parse import quote, quote_plus

from events import registry
from infra.intake import personal_fields
from infra.personal.opening import ERASED, UNREADABLE

SHORTEST = 6
"""Characters: a shorter value, say a first name, is found in too much that is another's."""
DIGITS = 8
"""Of a phone number, from its end: how it is written before them differs."""

_NO_DIGIT = re.compile(rb"\D+")


def traces_of(wire: str, data: Mapping[str, Any]) -> Iterator[str]:
    """The personal values of an opened event that are long enough to be told from others'."""
    entry = registry.find(wire)
    for name in personal_fields(entry.cls) if entry else ():
        value = data.get(name)
        if isinstance(value, str) and value not in (ERASED, UNREADABLE) and len(value) >= SHORTEST:
            yield value


class Traces:
    """Looks for any of these values in bytes; a phone number in whatever way it is written."""

    def __init__(self, values: Collection[str]) -> None:
        usable = {value for value in values if len(value) >= SHORTEST and value not in (ERASED, UNREADABLE)}
        self._texts = [form for value in sorted(usable) for form in _forms(value)]
        self._numbers = [
            digits[-DIGITS:].encode()
            for value in usable
            if value.startswith("+") and len(digits := re.sub(r"\D", "", value)) >= DIGITS
        ]

    def within(self, raw: bytes) -> bool:
        """Is one of them in here?"""
        folded = raw.lower()
        if any(text in folded for text in self._texts):
            return True
        digits = _NO_DIGIT.sub(b"", raw) if self._numbers else b""
        return any(number in digits for number in self._numbers)


def _forms(value: str) -> set[bytes]:
    """As plain UTF-8, as JSON escapes it, and as a form or an address does."""
    forms = (value, dumps(value)[1:-1], quote(value, safe=""), quote_plus(value))
    return {form.lower().encode() for form in forms}

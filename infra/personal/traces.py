"""Personal values of somebody who is forgotten, as they may lie about elsewhere; looking for them in bytes.

What is found is deleted, so a value must tell its person from others: a short word that they said, or a birthday, is
in too much that is another's.
"""

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from unicodedata import normalize
from urllib.parse import unquote_plus

from msgspec import Struct

from events import registry
from events.customer import CustomerDescribed
from infra.intake import personal_fields
from infra.personal.opening import ERASED, UNREADABLE

WITHIN = 6
"""Characters of a name, an address or an identifier that is looked for inside other text; fewer must be all of it."""
WITHIN_WIDE = 3
"""As many of a script that writes a word with a character or two, as Chinese does."""
SAID = 20
"""Characters of what somebody said: a shorter one others say too."""
DIGITS = 8
"""Of a phone number, from its end: how it is written before them differs."""

_DAY = re.compile(r"\d{4}-?\d{2}-?\d{2}")
_NO_DIGIT = re.compile(r"[^\d\n]+")
_WIDE = re.compile(r"[\u0e00-\u0eff\u1100-\u11ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


class Known(Struct, frozen=True):
    """What is known of a person, in the clear: identifiers, what describes them, and what they said."""

    identifiers: set[str]
    described: set[str]
    said: set[str]

    def take(self, wire: str, data: Mapping[str, Any]) -> None:
        """Take in the personal values of an opened event."""
        entry = registry.find(wire)
        values = self.described if wire == CustomerDescribed.WIRE else self.said
        for name in personal_fields(entry.cls) if entry else ():
            value = data.get(name)
            if isinstance(value, str) and value not in (ERASED, UNREADABLE):
                values.add(value)


class Traces:
    """Looks for somebody's values in bytes; a phone number in whatever way it is written."""

    def __init__(self, known: Known) -> None:
        telling = {_folded(one) for one in known.identifiers | known.described if not _DAY.fullmatch(one)}
        self._whole = {one for one in telling if len(one) > 1}
        self._within = [one for one in sorted(telling) if _tells(one)]
        self._within += [one for one in sorted(map(_folded, known.said)) if len(one) >= SAID]
        numbers = (re.sub(r"\D", "", one) for one in known.identifiers if one.startswith("+"))
        self._numbers = [number[-DIGITS:] for number in numbers if len(number) >= DIGITS]

    def within(self, raw: bytes) -> bool:
        """Is one of them in here?"""
        values = list(_values(raw))
        if not self._whole.isdisjoint(values):
            return True
        text = "\n".join(values)
        if any(one in text for one in self._within):
            return True
        digits = _NO_DIGIT.sub("", text) if self._numbers else ""
        return any(number in digits for number in self._numbers)


def _tells(value: str) -> bool:
    """Is it long enough to be looked for inside other text?"""
    return len(value) >= WITHIN or len(_WIDE.findall(value)) >= WITHIN_WIDE


def _folded(value: str) -> str:
    return normalize("NFKC", value).casefold()


def _values(raw: bytes) -> Iterator[str]:
    """What is told in bytes, folded: each value of a JSON text, else the whole text as it is and as a form has it."""
    text = raw.decode("utf-8", "replace")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        yield from map(_folded, (text, unquote_plus(text), _unescaped(text)))
        return
    waiting = [found]
    while waiting:
        match waiting.pop():
            case dict() as fields:
                waiting += fields.values()
            case list() as some:
                waiting += some
            case bool() | None:
                pass
            case one:
                yield _folded(str(one))
                yield from _packed(str(one))


def _packed(value: str) -> Iterator[str]:
    """What a value holds in base64, where it does."""
    if len(value) >= WITHIN and len(value) % 4 == 0:
        try:
            yield _folded(base64.b64decode(value, validate=True).decode())
        except (binascii.Error, ValueError):
            return


def _unescaped(text: str) -> str:
    r"""Broken JSON may still say \u6b27."""
    return re.sub(r"\\u([0-9a-fA-F]{4})", lambda found: chr(int(found[1], 16)), text)

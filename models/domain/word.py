"""The words by which a text is found: Western ones folded, Chinese, Japanese and Korean ones as pairs of characters."""

import re
import unicodedata
from collections.abc import Iterator
from itertools import pairwise

LONGEST = 64
"""Characters of one word that count; what is longer is no word."""

BEFORE, AFTER = 60, 120
"""Characters that a snippet shows before and from its word on."""

_EAST = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\U00020000-\U0003ffff"
_RUNS = re.compile(rf"[{_EAST}]+|[^\W_{_EAST}]+")
_IS_EAST = re.compile(rf"[{_EAST}]")
_ALONE = str.maketrans(
    {"ø": "o", "đ": "d", "ð": "d", "ł": "l", "ħ": "h", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th"}
)
"""Letters that Unicode takes for no other letter with a mark."""


def folded(text: str) -> str:
    """The text without case, accents and width: how people type it, not how it was printed."""
    apart = unicodedata.normalize("NFKD", text).casefold()
    bare = "".join(one for one in apart if unicodedata.category(one) != "Mn")
    return unicodedata.normalize("NFC", bare).translate(_ALONE)


def runs(text: str) -> Iterator[str]:
    """A folded text's runs of letters and digits, Eastern and Western ones apart, in order."""
    return (found.group() for found in _RUNS.finditer(text))


def is_east(run: str) -> bool:
    """Is it written without spaces between words?"""
    return _IS_EAST.match(run) is not None


def words(text: str) -> set[str]:
    """Every word of a text, each once.

    An Eastern run is known by each two neighbours, and by its one character where it has but one. So two
    characters or more are found wherever they stand; one alone is found only where it stands alone.
    """
    found: set[str] = set()
    for run in runs(folded(text)):
        if len(run) > 1 and is_east(run):
            found.update(map("".join, pairwise(run)))
        else:
            found.add(run[:LONGEST])
    return found


def snippet(text: str, wanted: set[str]) -> str:
    """The text around the first of the wanted words, on one line; empty where it has none of them."""
    for found in _RUNS.finditer(text):
        here = words(found.group())
        if not wanted.isdisjoint(here):
            inside = folded(found.group())
            place = found.start() + min(inside.find(word) for word in wanted & here)
            start, end = max(0, place - BEFORE), place + AFTER
            shown = " ".join(text[start:end].split())
            return f"{'…' if start else ''}{shown}{'…' if end < len(text) else ''}"
    return ""

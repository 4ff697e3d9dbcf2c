"""Does a text hold what a person can be reached by: a mail address, or an international phone number? Pure.

Numbers without a country code (`4155552671`) are no phones here: an extension, an agent's number and an order's
look the same.
"""

import re
import unicodedata

from phonenumbers import Leniency, PhoneNumberMatcher

_MAIL = re.compile(r"[^\s@]@[\w-]+(?:\.[\w-]+)*\.[^\W\d_]{2,}")
_GAP = r"[\s()./\-\u2010-\u2015]"
_INTERNATIONAL = re.compile(rf"(?:\+|(?<![\w.])00(?=[1-9])){_GAP}{{0,3}}\d(?:{_GAP}{{0,3}}\d){{7,14}}")
_DIALLED = re.compile(r"(?<![\w.])00(?=[1-9])")
"""How an international number begins where no + can be dialled."""
_WHOLE = re.compile(rf"\s*(?:\+|00){_GAP}*\d(?:{_GAP}*\d)*\s*")
_DRAWN = re.compile(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b", re.IGNORECASE)
"""A UUID: one in some ten thousand reads like a phone number."""


def may_reach(text: str) -> bool:
    """A look that costs next to nothing: False where `reachable` finds nothing, in any part of the text."""
    return "@" in text or "+" in text or "00" in text or not text.isascii()


def reachable(text: str) -> str:
    """`email` or `phone` where the text holds one; else empty."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    if "@" in text and _MAIL.search(text):
        return "email"
    return "phone" if _holds_phone(text) else ""


def is_phone(text: str) -> bool:
    """Is the text a phone number and nothing else?"""
    plain = unicodedata.normalize("NFKC", text)
    return _WHOLE.fullmatch(plain) is not None and _holds_phone(plain)


def _holds_phone(text: str) -> bool:
    """Only what looks like one is looked up in the library's table of the world's numbers: that takes a while."""
    if not _INTERNATIONAL.search(text):
        return False
    dialled = _DIALLED.sub("+", _DRAWN.sub(" ", text))
    return any(
        PhoneNumberMatcher(found[0], None, leniency=Leniency.VALID).has_next()
        for found in _INTERNATIONAL.finditer(dialled)
    )

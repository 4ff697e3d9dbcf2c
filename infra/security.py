"""Who may call: the key a request carries, against the keys of the workspace."""

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from typing import NamedTuple


class Caller(NamedTuple):
    """Who calls: the fingerprint of the key, which tells nobody the key, and what it may see."""

    fingerprint: str
    personal: bool


def key_of(headers: Mapping[str, str]) -> str:
    """The key in `Authorization: Bearer KEY` or `X-API-Key: KEY` (names in lower case); empty without one."""
    scheme, _, key = headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "")


def may_call(given: str, keys: Iterable[str]) -> bool:
    """Is this one of the keys? Takes as long for a wrong key as for a nearly right one."""
    return given != "" and any(hmac.compare_digest(given.encode(), key.encode()) for key in keys)


def fingerprint(key: str) -> str:
    """A short name for a key, the same each time."""
    return hashlib.sha256(key.encode()).hexdigest()[:12]

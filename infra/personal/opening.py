"""Opening what is sealed, for those who may read it: a page at a time, one question to the vault a page."""

import base64
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import msgspec
from cryptography.exceptions import InvalidTag
from sqlalchemy import Connection, text

from events import registry
from infra.intake import personal_fields
from infra.vault import DataKey, Vault
from models.domain.identity import Key

ERASED = "[erased]"
"""Stands for a value whose key is gone: nobody can read it any more."""

UNREADABLE = "[unreadable]"
"""Stands for a value that is not what its key sealed: it was changed, or moved from elsewhere."""

MASKED = "***"
"""Stands for a value that whoever asks may not see."""

_sees_personal = ContextVar("sees_personal", default=True)

_json = msgspec.json.Decoder(dict[str, Any])


class Published(msgspec.Struct, frozen=True):
    """An event as it is stored: its id, wire name and published form."""

    event_id: str
    type: str
    data: bytes | msgspec.Raw


@contextmanager
def seeing(*, personal: bool) -> Iterator[None]:
    """What is opened in here, is opened for somebody who may, or may not, see personal values."""
    token = _sees_personal.set(personal)
    try:
        yield
    finally:
        _sees_personal.reset(token)


def sees_personal() -> bool:
    """May whoever this is done for see personal values? Where nobody said otherwise, yes."""
    return _sees_personal.get()


def open_events(vault: Vault, page: Sequence[Published]) -> list[dict[str, Any]]:
    """Each event's data with its personal fields in the clear, or masked."""
    opened = [_json.decode(one.data) for one in page]
    sealed = {
        one.event_id: names
        for one, data in zip(page, opened, strict=True)
        if (names := [name for name in personal_of(one.type) if name in data])
    }
    sees = sees_personal()
    keys = vault.fetch(sealed) if sealed and sees else {}
    for one, data in zip(page, opened, strict=True):
        for name in sealed.get(one.event_id, ()):
            if data[name] is not None:
                token = base64.b64decode(data[name]["sealed"])
                data[name] = _open(keys.get(one.event_id), name, token) if sees else MASKED
    return opened


def open_identifiers(connection: Connection, vault: Vault, keys: Sequence[Key]) -> Mapping[Key, str]:
    """The values of identifiers, or masks; one that was never kept is missing."""
    if not keys:
        return {}
    if not sees_personal():
        return dict.fromkeys(keys, MASKED)
    rows = connection.execute(
        text(
            "SELECT i.kind, i.issuer, i.hash, i.key_id, i.sealed FROM identifier i "
            "JOIN unnest(CAST(:kinds AS text[]), CAST(:issuers AS text[]), CAST(:hashes AS text[])) "
            "AS k(kind, issuer, hash) ON i.kind = k.kind AND i.issuer = k.issuer AND i.hash = k.hash "
            "WHERE i.key_id IS NOT NULL"
        ),
        {"kinds": [k[0] for k in keys], "issuers": [k[1] for k in keys], "hashes": [k[2] for k in keys]},
    ).all()
    fetched = vault.fetch([row.key_id for row in rows])
    return {
        (row.kind, row.issuer, row.hash): _open(fetched.get(row.key_id), "value", bytes(row.sealed or b""))
        for row in rows
    }


def _open(key: DataKey | None, field: str, sealed: bytes) -> str:
    if key is None or not sealed:
        return ERASED
    try:
        return key.open(field, sealed).decode()
    except InvalidTag:
        return UNREADABLE


def personal_of(wire: str) -> tuple[str, ...]:
    """The personal fields of a type."""
    entry = registry.find(wire)
    return personal_fields(entry.cls) if entry else ()

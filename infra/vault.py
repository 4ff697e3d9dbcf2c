"""Sealing personal values, one data key an event, kept in a database of its own."""

import base64
import os
from collections.abc import Iterable, Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Engine, delete, text

from events.personal import Clear, Sealed
from infra.database import among, copy_rows, driver, unavailable
from models.tables.base import data_key

KEY, NONCE = 32, 12
FEW = 50
"""So many keys are written by a statement, more by COPY."""

_KEEP = "INSERT INTO data_key (key_id, wrapped) SELECT * FROM unnest(%(ids)s::text[], %(wrapped)s::bytea[])"

_FETCH = text("SELECT key_id, wrapped FROM data_key WHERE key_id = ANY(CAST(:ids AS text[]))")


class DataKey:
    """One event's key: seals its fields, and comes wrapped by the master key for keeping."""

    __slots__ = ("_cipher", "key_id", "wrapped")

    def __init__(self, key_id: str, cipher: AESGCM, wrapped: bytes) -> None:
        self.key_id, self._cipher, self.wrapped = key_id, cipher, wrapped

    def seal(self, field: str, value: bytes) -> bytes:
        """Nonce and ciphertext; key id and field are bound to it, so that it can't be moved elsewhere."""
        nonce = os.urandom(NONCE)
        return nonce + self._cipher.encrypt(nonce, value, f"{self.key_id}\x1f{field}".encode())

    def seal_text(self, field: str, value: Clear) -> Sealed:
        """The sealed form of a personal field."""
        return Sealed(base64.b64encode(self.seal(field, value.value.encode())).decode())

    def open(self, field: str, sealed: bytes) -> bytes:
        """The value again. Raises `cryptography.exceptions.InvalidTag` if it was tampered with."""
        return self._cipher.decrypt(sealed[:NONCE], sealed[NONCE:], f"{self.key_id}\x1f{field}".encode())


class Vault:
    """Keeps the wrapped data keys; without a key, what it sealed is gone for ever."""

    def __init__(self, engine: Engine, master: bytes) -> None:
        self._engine, self._master = engine, AESGCM(master)
        self._committing = engine.execution_options(isolation_level="AUTOCOMMIT")

    def make(self, key_id: str) -> DataKey:
        """A fresh data key, not kept yet."""
        chance = os.urandom(KEY + NONCE)
        raw, nonce = chance[:KEY], chance[KEY:]
        wrapped = nonce + self._master.encrypt(nonce, raw, key_id.encode())
        return DataKey(key_id, AESGCM(raw), wrapped)

    def keep(self, keys: Iterable[DataKey]) -> None:
        """Commit the keys; done before the events that need them are appended."""
        rows = [(key.key_id, key.wrapped) for key in keys]
        if len(rows) > FEW:
            with unavailable(), self._engine.begin() as connection:
                copy_rows(connection, data_key, ["key_id", "wrapped"], rows)
        elif rows:  # in one round trip, which commits by itself
            ids, wrapped = zip(*rows, strict=True)
            with unavailable(), self._committing.connect() as connection:
                driver(connection).execute(_KEEP, {"ids": list(ids), "wrapped": list(wrapped)})

    def fetch(self, key_ids: Iterable[str]) -> Mapping[str, DataKey]:
        """The keys that still exist; an erased one is simply not there."""
        with unavailable(), self._committing.connect() as connection:
            rows = connection.execute(_FETCH, {"ids": list(key_ids)}).all()
        found = {}
        for key_id, wrapped in rows:
            try:
                raw = self._master.decrypt(wrapped[:NONCE], wrapped[NONCE:], key_id.encode())
            except InvalidTag:
                raise ValueError("the vault's keys were wrapped by another master key") from None
            found[key_id] = DataKey(key_id, AESGCM(raw), wrapped)
        return found

    def forget(self, key_ids: Iterable[str]) -> int:
        """Delete keys, and with them every value they sealed; how many there were."""
        with unavailable(), self._engine.begin() as connection:
            return connection.execute(delete(data_key).where(among(data_key.c.key_id, key_ids))).rowcount

"""The keyed hash by which identifiers are matched without being readable."""

import base64
import hashlib
import hmac

HASH_BYTES = 18
WORD_BYTES = 8


class Matcher:
    """Hashes identifiers and contents under the workspace's matching key.

    A bare hash of a phone number can be reversed by trying all numbers; a keyed one can't without the key.
    """

    def __init__(self, key: bytes) -> None:
        self._identifiers = hmac.new(key, b"identifier", hashlib.sha256).digest()
        self._words = hmac.new(key, b"word", hashlib.sha256).digest()
        self._contents = hmac.new(key, b"content", hashlib.sha256).digest()

    def identifier(self, kind: str, issuer: str, value: str) -> str:
        """The hash of a normalised identifier; 24 characters that are safe in URLs."""
        message = f"{kind}\x1f{issuer}\x1f{value}".encode()
        digest = hashlib.blake2b(message, key=self._identifiers, digest_size=HASH_BYTES).digest()
        return base64.urlsafe_b64encode(digest).decode()

    def word(self, about: str, text: str) -> int:
        """The hash of a word that a text (`about` says which sort) is found by: 64 bits, signed.

        Few enough that a million words hardly meet, and no more than an index needs.
        """
        digest = hashlib.blake2b(f"{about}\x1f{text}".encode(), key=self._words, digest_size=WORD_BYTES)
        return int.from_bytes(digest.digest(), signed=True)

    def content(self, *parts: bytes) -> bytes:
        """The hash of an event's content as it came, to tell a repeat from another event of the same id."""
        message = b"".join([piece for part in parts for piece in (len(part).to_bytes(4), part)])
        return hashlib.blake2b(message, key=self._contents, digest_size=16).digest()

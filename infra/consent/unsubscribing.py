"""One-click unsubscribe: a token in every message that says no for its reader, without a login.

A token names the identifier that the message went to, by its keyed hash, with channel and purpose. It is sealed,
so that nobody can make one or read one; it says no, and can say nothing else.
"""

import base64
import hashlib

import msgspec
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from msgspec import Struct
from sqlalchemy import select

from events.consent import ConsentWithdrawn
from events.envelope import IdentifierRef
from events.vocabulary import Channel, IdentifierKind, Purpose
from infra.database import unavailable
from infra.item import IdentifierValues
from infra.workspace import Workspace
from models.errors import Refused
from models.ports import By, Write
from models.tables.identity import identifier

SOURCE = "unsubscribe"
UNKNOWN = Refused("token.unknown", "this is no token of ours, or not all of it")


class _Said(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a token stands for."""

    kind: IdentifierKind
    hash: str
    channel: Channel
    issuer: str = ""
    purpose: Purpose | None = None
    campaign: str = ""


class Unsubscribing:
    """Makes tokens and takes them."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        key = HKDF(SHA256(), 32, None, b"unsubscribe").derive(workspace.settings.matching)
        self._seal = Fernet(base64.urlsafe_b64encode(key))

    def token(
        self, ref: IdentifierRef, channel: Channel, purpose: Purpose | None = None, campaign: str = ""
    ) -> str:
        """What goes into a message to this identifier; without a purpose it says no to all of them."""
        said = _Said(
            kind=ref.kind,
            issuer=ref.issuer,
            hash=ref.hash,
            channel=channel,
            purpose=purpose,
            campaign=campaign,
        )
        return self._seal.encrypt(msgspec.json.encode(said)).decode()

    def read(self, token: str) -> tuple[Channel, Purpose | None]:
        """What a token says no to. Raises `Refused` (`token.unknown`)."""
        said = self._open(token)
        return said.channel, said.purpose

    def take(self, token: str) -> bool:
        """Record the no of whoever the message went to; False where it was recorded before, or they are forgotten.

        Raises `Refused` (`token.unknown`), `Unavailable`.
        """
        said = self._open(token)
        if not self._leads_to_somebody(said):
            return False
        ref = IdentifierRef(kind=said.kind, issuer=said.issuer, hash=said.hash)
        source_id = hashlib.sha256(token.encode()).hexdigest()
        event = ConsentWithdrawn(
            channel=said.channel, purpose=said.purpose, basis="one_click", proof=f"token {source_id[:16]}"
        )
        by = By(source=SOURCE, source_id=source_id, actor="customer", cause=said.campaign)
        told = Write(stream="", expected=0, events=[(event, self._workspace.clock.now())])
        return self._workspace.log.about((IdentifierValues(ref, ""),)).record(by, [told])

    def _open(self, token: str) -> _Said:
        try:
            if base64.urlsafe_b64encode(base64.urlsafe_b64decode(token)).decode() != token:
                raise UNKNOWN  # base64 has more than one way to write the same
            return msgspec.json.decode(self._seal.decrypt(token.encode()), type=_Said)
        except (InvalidToken, msgspec.MsgspecError, ValueError):
            raise UNKNOWN from None

    def _leads_to_somebody(self, said: _Said) -> bool:
        where = (
            identifier.c.kind == said.kind, identifier.c.issuer == said.issuer, identifier.c.hash == said.hash
        )  # fmt: skip
        with unavailable(), self._workspace.engine.connect() as connection:
            return connection.execute(select(identifier.c.hash).where(*where)).first() is not None

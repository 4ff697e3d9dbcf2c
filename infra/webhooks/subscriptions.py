"""Webhooks as their owners see them: asked for, listed, given another secret, enabled again, deleted."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeVar

from msgspec import Struct
from sqlalchemy import Connection, Engine, Row, delete, func, insert, select, update

from infra.database import unavailable
from infra.ids import new_id
from infra.journal import page as journal_page
from infra.vault import Vault
from infra.webhooks import signing
from infra.webhooks.signing import Secret
from models.errors import Refused
from models.tables.webhook import webhook

MOST = 500
"""Webhooks of a workspace."""
ENABLED, DISABLED = "enabled", "disabled"
FIELD = "secrets"
T = TypeVar("T")
_TOLD = tuple(one for one in webhook.c if one.name not in ("secrets", "holder", "held_until"))


class Subscription(Struct, frozen=True, kw_only=True):
    """One webhook and how it stands. `head` is the journal's last position at the same moment."""

    id: str
    url: str
    topics: tuple[str, ...]
    types: tuple[str, ...]
    description: str
    since: datetime
    position: int
    head: int
    state: str
    why: str
    attempts: int
    failing_since: datetime | None
    next_at: datetime | None
    last_at: datetime | None
    last_answer: str


class Subscriptions:
    """All webhooks of a workspace. Everything raises `Unavailable`; an unknown id `Refused`."""

    def __init__(self, engine: Engine, vault: Vault) -> None:
        self._engine, self._vault = engine, vault

    def add(
        self, url: str, topics: Sequence[str], types: Sequence[str], description: str, after: int | None, now: datetime
    ) -> tuple[Subscription, str]:  # fmt: skip
        """A new one and its secret, which is told this once. It begins after a position, or with what comes next."""
        one, secret = new_id(), signing.new_secret()
        key = self._vault.make(key_id(one))
        self._vault.keep([key])
        with unavailable(), self._engine.begin() as connection:
            if connection.execute(select(func.count()).select_from(webhook)).scalar_one() >= MOST:
                raise Refused("webhook.too_many", f"there are {MOST} already: delete one that is not used")
            last = journal_page.head(connection)
            journal_page.expect(after or 0, last)
            connection.execute(
                insert(webhook).values(
                    id=one, url=url, topics=list(topics), types=list(types), description=description,
                    secrets=key.seal(FIELD, signing.encode([secret])), since=now,
                    position=last if after is None else after, state=ENABLED, why="", attempts=0,
                    last_answer="", holder="",
                )
            )  # fmt: skip
        return self.one(one), secret.value

    def all(self) -> list[Subscription]:
        """In the order in which they were asked for."""
        with unavailable(), self._engine.connect() as connection:
            last = journal_page.head(connection)
            return [_told(row, last) for row in connection.execute(select(*_TOLD).order_by(webhook.c.id))]

    def one(self, id: str) -> Subscription:
        """One of them."""
        with unavailable(), self._engine.connect() as connection:
            row = connection.execute(select(*_TOLD).where(webhook.c.id == id)).first()
            return _told(_expect(row), journal_page.head(connection))

    def remove(self, id: str) -> Subscription:
        """Take it away, its secrets too; how it stood. A request under way may still arrive."""
        with unavailable(), self._engine.begin() as connection:
            row = connection.execute(delete(webhook).where(webhook.c.id == id).returning(*_TOLD)).first()
            stood = _told(_expect(row), journal_page.head(connection))
        self._vault.forget([key_id(id)])
        return stood

    def rotate(self, id: str, now: datetime) -> str:
        """A new secret, told this once; those before it sign beside it for a day."""
        fresh = signing.new_secret()
        with unavailable(), self._engine.begin() as connection:
            where = webhook.c.id == id
            row = _expect(
                connection.execute(select(webhook.c.secrets).where(where).with_for_update()).first()
            )
            key = _expect(self._vault.fetch([key_id(id)]).get(key_id(id)))
            held = signing.decode(key.open(FIELD, bytes(row.secrets)))
            if len(signing.current(held, now)) >= signing.MOST:
                raise Refused(
                    "webhook.secrets", f"{signing.MOST} secrets sign already: the oldest end in a day"
                )
            sealed = key.seal(FIELD, signing.encode(signing.rotated(held, fresh, now)))
            connection.execute(update(webhook).where(where).values(secrets=sealed))
        return fresh.value

    def enable(self, id: str) -> Subscription:
        """Go on where it stopped, at once; what failed before counts no more."""
        with unavailable(), self._engine.begin() as connection:
            _expect(enabled(connection, id))
        return self.one(id)


def enabled(connection: Connection, id: str) -> Row[Any] | None:
    """Enable a webhook; None where there is none."""
    return connection.execute(
        update(webhook)
        .where(webhook.c.id == id)
        .values(state=ENABLED, why="", attempts=0, failing_since=None, next_at=None)
        .returning(webhook.c.id)
    ).first()


def key_id(id: str) -> str:
    """Under which the vault keeps the key of a webhook's secrets."""
    return f"webhook:{id}"


def opened(vault: Vault, sealed: Sequence[tuple[str, bytes]]) -> dict[str, list[Secret]]:
    """The secrets of some webhooks, by id; one whose key is gone was deleted. Raises `Unavailable`."""
    keys = vault.fetch([key_id(id) for id, _ in sealed])
    return {
        id: signing.decode(keys[key_id(id)].open(FIELD, found)) for id, found in sealed if key_id(id) in keys
    }


def _expect(found: T | None) -> T:
    if found is None:
        raise Refused("webhook.unknown", "no webhook has this id")
    return found


def _told(row: Row[Any], head: int) -> Subscription:
    told = {**row._mapping, "topics": tuple(row.topics), "types": tuple(row.types), "head": head}
    return Subscription(**told)

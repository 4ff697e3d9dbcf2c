"""Who sends for which webhook: a turn is held for a while, renewed while its sender lives, and nobody else's then."""

import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct
from sqlalchemy import Engine, Row, select, text, update

from infra.database import unavailable
from infra.vault import Vault
from infra.webhooks.patience import Trouble
from infra.webhooks.signing import Secret
from infra.webhooks.subscriptions import DISABLED, opened
from models.tables.webhook import webhook

HELD_SECONDS = 30.0
"""Long enough for a request to end before somebody else begins."""
MOST = 500
"""Webhooks that one process sends for."""

# By the database's clock: those of two machines may differ.
_HOLD = text(
    "UPDATE webhook SET holder = :holder, held_until = clock_timestamp() + make_interval(secs => :seconds) "
    "WHERE id IN (SELECT id FROM webhook WHERE state = 'enabled' "
    "AND (holder = :holder OR held_until IS NULL OR held_until < clock_timestamp()) "
    "ORDER BY holder = :holder DESC, id LIMIT :most FOR UPDATE SKIP LOCKED) "
    "RETURNING id, url, topics, types, secrets, position, attempts, failing_since, next_at"
)


class Turn(Struct, frozen=True, kw_only=True):
    """A webhook that this process sends for, as it stands."""

    id: str
    url: str
    topics: tuple[str, ...]
    types: tuple[str, ...]
    position: int
    trouble: Trouble | None


class Turns:
    """The turns of one sender, which is `holder`. Everything raises `Unavailable`.

    What a sender says of a webhook that it no longer holds changes nothing, and is answered with False.
    """

    def __init__(self, engine: Engine, vault: Vault, holder: str) -> None:
        self._engine, self._vault, self._holder = engine, vault, holder
        self._asking = engine.execution_options(isolation_level="AUTOCOMMIT")  # one question, one round trip
        self._opened: dict[str, tuple[bytes, tuple[Secret, ...]]] = {}

    def hold(self) -> tuple[list[Turn], float]:
        """Renew the turns, take those that are nobody's, and until when (monotonic clock) they are ours."""
        until = time.monotonic() + HELD_SECONDS
        with unavailable(), self._engine.begin() as connection:
            rows = connection.execute(
                _HOLD, {"holder": self._holder, "seconds": HELD_SECONDS, "most": MOST}
            ).all()
        self._open(rows)
        return [_turn(row) for row in rows if row.id in self._opened], until

    def secrets(self, id: str) -> tuple[Secret, ...]:
        """All that may sign for a webhook at this moment; none where it is not ours any more.

        Asked before each request: what is sent after a rotation was answered is signed by the new secret too.
        """
        query = select(webhook.c.secrets).where(webhook.c.id == id, webhook.c.holder == self._holder)
        with unavailable(), self._asking.connect() as connection:
            sealed = connection.execute(query).scalar_one_or_none()
        if sealed is None:
            return ()
        known = self._opened.get(id)
        if known is None or known[0] != bytes(sealed):
            found = opened(self._vault, [(id, bytes(sealed))])
            known = self._opened[id] = (bytes(sealed), tuple(found.get(id, ())))
        return known[1]

    def _open(self, rows: Sequence[Row[Any]]) -> None:
        """The vault is asked only for secrets that changed."""
        known = {id: found for id, found in self._opened.items() if id in {row.id for row in rows}}
        sealed = [(row.id, bytes(row.secrets)) for row in rows]
        fresh = [(id, found) for id, found in sealed if id not in known or known[id][0] != found]
        if fresh:
            secrets = opened(self._vault, fresh)
            known |= {id: (found, tuple(secrets[id])) for id, found in fresh if id in secrets}
        self._opened = known

    def taken(self, id: str, position: int, now: datetime, answer: str) -> bool:
        """The receiver has the event at this position, and all before it that it asked for."""
        return self._note(
            id,
            position=position,
            attempts=0,
            failing_since=None,
            next_at=None,
            last_at=now,
            last_answer=answer,
        )

    def passed(self, id: str, position: int) -> bool:
        """Up to here there is nothing that it asked for."""
        return self._note(id, position=position)

    def failed(self, id: str, trouble: Trouble, now: datetime, answer: str) -> bool:
        """It did not take an event, and is to be tried again."""
        return self._note(
            id, attempts=trouble.attempts, failing_since=trouble.since, next_at=trouble.next_at,
            last_at=now, last_answer=answer,
        )  # fmt: skip

    def disable(self, id: str, why: str, now: datetime, answer: str) -> bool:
        """Nothing is sent any more until somebody enables it."""
        return self._note(id, state=DISABLED, why=why, next_at=None, last_at=now, last_answer=answer)

    def release(self) -> None:
        """Give all turns back, so that another sender need not wait."""
        with unavailable(), self._engine.begin() as connection:
            connection.execute(
                update(webhook).where(webhook.c.holder == self._holder).values(holder="", held_until=None)
            )

    def _note(self, id: str, **values: Any) -> bool:
        with unavailable(), self._engine.begin() as connection:
            ours = (webhook.c.id == id, webhook.c.holder == self._holder)
            return connection.execute(update(webhook).where(*ours).values(**values)).rowcount > 0


def _turn(row: Row[Any]) -> Turn:
    trouble = None
    if row.failing_since is not None:
        trouble = Trouble(attempts=row.attempts, since=row.failing_since, next_at=row.next_at)
    return Turn(
        id=row.id, url=row.url, topics=tuple(row.topics), types=tuple(row.types),
        position=row.position, trouble=trouble,
    )  # fmt: skip

"""From answers by key to events of customers, each recorded once; and what was foretold of them before."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import collate, select

from events.envelope import Envelope, Event
from infra.database import unavailable
from infra.journal.stored import envelope
from infra.workspace import Workspace
from models.errors import Refused
from models.ports import By, Write
from models.tables.identity import customer
from models.tables.journal import COLUMNS, journal
from services.export.writing import key_of

CHUNK = 2_000
SEED = 0
"""Of everything that is drawn: the same question says the same."""


@dataclass(frozen=True)
class Asking:
    """Who asks, as of when. `live`: as of now, and not of a moment in the past."""

    workspace: Workspace
    moment: datetime
    live: bool
    actor: str

    def record(self, source: str, told: Iterable[tuple[str, Event]]) -> int:
        """One event a customer, under this source; how many were not there yet."""
        answers, new = list(told), 0
        for start in range(0, len(answers), CHUNK):
            new += self.workspace.log.record_batch([
                (self._by(source, one, one), [Write(stream="", expected=0, events=[(event, self.moment)])])
                for one, event in answers[start : start + CHUNK]
            ])  # fmt: skip
        return new

    def record_stream(self, source: str, source_id: str, stream: str, event: Event, expected: int) -> bool:
        """One event about no customer, in a stream of its own; False where it is there already."""
        write = Write(stream=stream, expected=expected, events=[(event, self.moment)])
        return self.workspace.log.record_batch([(self._by(source, source_id, ""), [write])]) > 0

    def _by(self, source: str, source_id: str, one: str) -> By:
        return By(
            source=source, source_id=source_id, actor=self.actor, origin="live" if self.live else "replay",
            customer=one,
        )  # fmt: skip


def asking(workspace: Workspace, as_of: datetime | None, actor: str) -> Asking:
    """As of a moment, or of now. Raises `Refused` for one that has not come: it would stand before all to come."""
    now = workspace.clock.now()
    if as_of is not None and as_of > now:
        raise Refused("as_of_ahead", "this moment has not come yet: give one of the past, or none for now")
    return Asking(workspace, as_of or now, as_of is None, actor)


@dataclass(frozen=True)
class People:
    """Who is who: key in an export → customer, customer → whom they mean now, and who was ever parted from another."""

    ids: Mapping[str, str]
    means: Mapping[str, str]
    parted: frozenset[str]

    def recorded(self, key: str) -> str | None:
        """The customer of a key; None for one who has turned out to be another since: theirs is the history."""
        one = self.ids[key]
        return one if self.means[one] == one else None


def people(workspace: Workspace) -> People:
    """Everybody in the workspace."""
    with unavailable(), workspace.engine.connect() as connection:
        rows = connection.execute(
            select(customer.c.id, customer.c.survivor, customer.c.tangled).order_by(customer.c.since)
        ).all()
    return People(
        ids={key_of(workspace.matcher, str(one)): str(one) for one, _, _ in rows},
        means={str(one): str(survivor) for one, survivor, _ in rows},
        parted=frozenset(str(one) for one, _, tangled in rows if tangled),
    )


def latest(workspace: Workspace, wire: str, moment: datetime, known: People) -> dict[str, Envelope]:
    """The last event of a type about each customer, as known at a moment; the last of all whom they absorbed counts.

    Nothing is told of those who were ever parted: what was foretold while two were wrongly one is about neither.
    """
    query = (
        select(*(journal.c[name] for name in COLUMNS))
        .where(journal.c.type == wire, journal.c.occurred_at <= moment, journal.c.known_at <= moment)
        .distinct(journal.c.customer)
        .order_by(
            journal.c.customer, journal.c.occurred_at.desc(), collate(journal.c.source, "C").desc(),
            collate(journal.c.source_id, "C").desc(),
        )
    )  # fmt: skip
    found: dict[str, Envelope] = {}
    with unavailable(), workspace.engine.connect() as connection:
        for row in connection.execute(query):
            told = envelope(row)
            one = known.means.get(told.customer)
            if one is None or one in known.parted:
                continue
            if one not in found or found[one].order < told.order:
                found[one] = told
    return found

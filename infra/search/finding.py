"""Finding what was said, and who goes by a name: the index says where to look, the views whose it is."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, Engine, text

from events import codec
from events.customer import CustomerDescribed
from infra.database import among, unavailable
from infra.journal.histories import families, is_stream
from infra.journal.stored import read
from infra.journal.whose import owners
from infra.personal.opening import Published, open_events, seeing
from infra.search.index import SearchIndex, readable
from infra.vault import Vault
from infra.view_store import ViewStore
from models.domain.name import groups, likeness, near
from models.domain.word import words
from models.errors import Refused
from models.projections.timeline import Timeline
from models.tables.journal import journal

CHUNK = 200
"""Rows of the index that are looked at at once."""

NAMES = 200
"""Names that are opened and compared with the one typed; those spelled alike come first."""

ALIKE = 0.6
"""Names less alike than this are not told."""

Place = tuple[datetime, str]
"""Where a hit stands: when it occurred, its event id."""


class Hit(Struct, frozen=True, kw_only=True):
    """An event in whose texts every word was found. `data` is its published form, texts sealed."""

    customer: str
    event_id: str
    type: str
    occurred_at: datetime
    data: msgspec.Raw

    @property
    def place(self) -> Place:
        """For the page after."""
        return self.occurred_at, self.event_id


class Namesake(Struct, frozen=True, kw_only=True):
    """A customer who goes, or went, by a name like the one typed; `likeness` is from 0 to 1."""

    customer: str
    name: str
    likeness: float

    def __repr__(self) -> str:
        return f"Namesake({self.customer!r}, ***)"


class Within(Struct, frozen=True, kw_only=True):
    """Where to look: from `since` on, before `until`, on a channel, behind a place, at some customers only."""

    since: datetime | None = None
    until: datetime | None = None
    channel: str | None = None
    after: Place | None = None
    customers: frozenset[str] | None = None


class Search:
    """Reads the index. Every method may raise `Unavailable`."""

    def __init__(self, engine: Engine, vault: Vault, index: SearchIndex) -> None:
        self._engine, self._vault, self._index = engine, vault, index
        self._timeline = ViewStore(Timeline())

    def texts(self, asked: str, limit: int, within: Within) -> list[Hit]:
        """At most `limit` events whose texts have all of these words, newest first.

        Raises `Refused` where there is no word in what was asked.
        """
        wanted = words(asked)
        if not wanted:
            raise Refused("search.empty", "there is no word in what is to be found")
        with self._reading() as connection:
            looked = dict(_where(connection, within), tokens=self._index.tokens("text", wanted))
            found: list[Hit] = []
            for hit in self._found(connection, looked):
                if within.customers is None or hit.customer in within.customers:
                    found.append(hit)
                if len(found) == limit:
                    break
            return found

    def _found(self, connection: Connection, looked: dict[str, Any]) -> Iterator[Hit]:
        while True:
            where = " AND ".join(condition for name, condition in _CONDITIONS if name in looked)
            rows = connection.execute(text(_TEXTS.format(where=where)), {**looked, "chunk": CHUNK}).all()
            described = self._descriptions(connection, [row.event_id for row in rows if row.owner is None])
            for row in rows:
                if row.owner is not None and not is_stream(row.owner):
                    entry = self._timeline.decode(row.state)
                    yield Hit(
                        customer=row.owner, event_id=row.event_id, type=entry.type,
                        occurred_at=row.occurred_at, data=entry.data,
                    )  # fmt: skip
                elif row.event_id in described:
                    yield described[row.event_id]
            if len(rows) < CHUNK:
                return
            looked["at"], looked["last"] = rows[-1].occurred_at, rows[-1].event_id

    def _descriptions(self, connection: Connection, event_ids: Sequence[str]) -> dict[str, Hit]:
        """What is said of a customer stands in no timeline: asked of the journal."""
        if not event_ids:
            return {}
        found = read(
            connection, among(journal.c.event_id, event_ids), journal.c.type == CustomerDescribed.WIRE
        )
        whose = owners(connection, {one.event_id: one.customer for one in found})
        return {
            one.event_id: Hit(
                customer=whose[one.event_id], event_id=one.event_id, type=one.type,
                occurred_at=one.occurred_at, data=msgspec.Raw(codec.encode(one.event)),
            )
            for one in found if one.event_id in whose
        }  # fmt: skip

    def names(self, asked: str, limit: int) -> list[Namesake]:
        """At most `limit` customers by a name like this one, the likest first.

        Raises `Refused` where there is no letter in what was asked.
        """
        wanted = groups(asked)
        if not wanted:
            raise Refused("search.empty", "there is no letter in the name")
        with self._reading() as connection:
            exactly = [[{word} for word in group] for group in wanted]
            ids = self._named(connection, exactly)
            if len(ids) < NAMES:
                nearly = [[near(word) for word in group] for group in wanted]
                ids = list(dict.fromkeys([*ids, *self._named(connection, nearly)]))
            found = read(connection, among(journal.c.event_id, ids))
            whose = owners(connection, {one.event_id: one.customer for one in found})
        mine = [one for one in found if one.event_id in whose]
        with seeing(personal=True):  # to compare them; whether a name is shown, whoever shows it decides
            opened = open_events(
                self._vault, [Published(one.event_id, one.type, codec.encode(one.event)) for one in mine]
            )
        best: dict[str, Namesake] = {}
        for one, data in zip(mine, opened, strict=True):
            customer, name = whose[one.event_id], readable(data.get("name"))
            alike = round(likeness(asked, name), 3)
            if alike >= ALIKE and (customer not in best or alike > best[customer].likeness):
                best[customer] = Namesake(customer=customer, name=name, likeness=alike)
        return sorted(best.values(), key=lambda one: (-one.likeness, one.customer))[:limit]

    def _named(self, connection: Connection, wanted: Sequence[Sequence[set[str]]]) -> list[str]:
        """The descriptions that fit one of these groups: of each of its sets they have a word."""
        values: dict[str, Any] = {"most": NAMES}
        fitting = []
        for group in wanted:
            names = [f"t{len(values) + number}" for number in range(len(group))]
            values |= {
                name: self._index.tokens("name", some) for name, some in zip(names, group, strict=True)
            }
            fitting.append(" AND ".join(f"tokens && CAST(:{name} AS bigint[])" for name in names))
        either = " OR ".join(f"({one})" for one in fitting)
        query = f"SELECT event_id::text FROM search_name WHERE {either} ORDER BY event_id DESC LIMIT :most"
        return list(connection.execute(text(query), values).scalars())

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        """One transaction in which the index, the views and identity are of the same moment."""
        with unavailable(), self._engine.connect() as connection:
            yield connection.execution_options(isolation_level="REPEATABLE READ")


_CONDITIONS = (
    ("tokens", "s.tokens @> CAST(:tokens AS bigint[])"),
    ("since", "s.occurred_at >= :since"),
    ("until", "s.occurred_at < :until"),
    ("channel", "s.channel = :channel"),
    ("at", "(s.occurred_at, s.event_id) < (:at, CAST(:last AS uuid))"),
    ("ids", "(s.customer = ANY(CAST(:ids AS uuid[])) OR s.event_id = ANY(ARRAY("
            "SELECT g.event_id FROM given g WHERE g.customer = ANY(CAST(:ids AS uuid[])))))"),
)  # fmt: skip
_TEXTS = (
    "SELECT f.event_id::text AS event_id, f.occurred_at, t.owner, t.state FROM ("
    "SELECT s.event_id, s.occurred_at FROM search_text s WHERE {where} "
    "ORDER BY s.occurred_at DESC, s.event_id DESC LIMIT :chunk) f "
    "LEFT JOIN timeline t ON t.key = f.event_id::text ORDER BY f.occurred_at DESC, f.event_id DESC"
)


def _where(connection: Connection, within: Within) -> dict[str, Any]:
    """The values of the conditions that are asked for."""
    found: dict[str, Any] = {"since": within.since, "until": within.until, "channel": within.channel}
    if within.after is not None:
        found["at"], found["last"] = within.after
    if within.customers is not None:
        found["ids"] = _everybody(connection, within.customers)
    return {name: value for name, value in found.items() if value is not None}


def _everybody(connection: Connection, customers: Collection[str]) -> list[str]:
    """Every id of their families: an event of theirs may have been recorded under any."""
    return [one for family in families(connection, customers) for one in family.ids]

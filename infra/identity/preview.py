"""What a decision about identities would change: the same folds, before it and after it, and the difference."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, select

from events import registry
from events.customer import CustomerDescribed
from events.envelope import Envelope, Event
from events.identity import IdentifierUnreachable, PersonVerified
from infra.database import among
from infra.journal.histories import Family
from models.domain.history import effective
from models.domain.ownership import Owned, owned
from models.projections.projection import Projection, play
from models.tables.lists import target_list_row

TELLING_WHO: tuple[type[Event], ...] = (CustomerDescribed, PersonVerified, IdentifierUnreachable)
"""What tells of a person rather than of what they did: no timeline holds it, and yet it is somebody's."""


class Moving(Struct, frozen=True, kw_only=True):
    """Something that would be another customer's. Empty: nobody's, or waiting for a person to say."""

    what: str
    id: str
    owner: str
    becomes: str


class Word(Struct, frozen=True, kw_only=True):
    """What a customer's consents would say on one channel for one purpose; none: nothing is on record."""

    customer: str
    channel: str
    purpose: str
    scope: str
    said: tuple[bool, ...]
    would_say: tuple[bool, ...]


class Counted(Struct, frozen=True, kw_only=True):
    """How many contacts count for a customer, ever and today: what frequency caps and prompts go by."""

    customer: str
    ever: int
    today: int
    would_be_ever: int
    would_be_today: int


class Listed(Struct, frozen=True, kw_only=True):
    """A target list on which somebody concerned is a member."""

    list_id: str
    customer: str
    becomes: str


class Consequences(Struct, frozen=True, kw_only=True):
    """Everything that would change. `events` are the types of what would be recorded, in order."""

    events: tuple[str, ...]
    customers: tuple[str, ...]
    would_be: tuple[str, ...]
    touches: tuple[Moving, ...] = ()
    about: tuple[Moving, ...] = ()
    cases: tuple[Moving, ...] = ()
    opportunities: tuple[Moving, ...] = ()
    consents: tuple[Word, ...] = ()
    contacts: tuple[Counted, ...] = ()
    lists: tuple[Listed, ...] = ()
    open: tuple[str, ...] = ()


def consequences(
    connection: Connection, views: Sequence[Projection[Any]], groups: Sequence[Family],
    events: Sequence[Envelope], decided: Sequence[Event], now: datetime,
) -> Consequences:  # fmt: skip
    """The difference between the families' views as they are and as they would be after these decisions."""
    before = [owned([e for e in events if e.customer in family.ids]) for family in groups]
    if not decided:
        return Consequences(events=(), customers=_who(before), would_be=_who(before))
    head = max(e.position for e in events)
    would = [_as_if(event, head + number, now) for number, event in enumerate(decided, start=1)]
    after = [owned([*events, *would])]
    was, will = _rows(views, before, now), _rows(views, after, now)
    return Consequences(
        events=tuple(e.type for e in would), customers=_who(before), would_be=_who(after),
        touches=_moved("timeline", was, will, {e.event_id: e.type for e in events}),
        about=_moved_facts(before, after, TELLING_WHO),
        cases=_moved_streams(before, after, "case"),
        opportunities=_moved_streams(before, after, "opportunity"),
        consents=_words(was, will), contacts=_counts(was, will),
        lists=_lists(connection, groups, after[0]),
        open=tuple(sorted({e.stream or e.event_id for e in after[0].open})),
    )  # fmt: skip


Rows = dict[str, dict[str, dict[str, Any]]]
"""View → owner → rows by key."""


def _as_if(event: Event, position: int, now: datetime) -> Envelope:
    entry = registry.of(event)
    return Envelope(
        event=event, event_id=f"would-be-{position}", position=position, occurred_at=now, known_at=now,
        recorded_at=now, source="preview", source_id=str(position), stream=entry.stream(event),
        revision=position, customer=str(getattr(event, entry.key)) if entry.category == "identity" else "",
    )  # fmt: skip


def _who(found: Sequence[Owned]) -> tuple[str, ...]:
    return tuple(sorted({owner for one in found for owner in one.histories}))


def _rows(views: Sequence[Projection[Any]], found: Sequence[Owned], now: datetime) -> Rows:
    rows: Rows = defaultdict(dict)
    for one in found:
        for owner, events in one.histories.items():
            history = effective(events)
            for view in views:
                played = play(view, history, owner)
                rows[view.name][owner] = {key: view.present(row, now) for key, row in played.items()}
    return rows


def _moved(view: str, was: Rows, will: Rows, types: Mapping[str, str]) -> tuple[Moving, ...]:
    old, new = (_owner_of(rows[view]) for rows in (was, will))
    return tuple(
        Moving(what=types.get(key, view), id=key, owner=old.get(key, ""), becomes=new.get(key, ""))
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key)
    )


def _owner_of(rows: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    return {key: owner for owner, theirs in rows.items() for key in theirs}


def _moved_facts(
    before: Sequence[Owned], after: Sequence[Owned], types: tuple[type[Event], ...]
) -> tuple[Moving, ...]:
    old, new = (_fact_owners(found, types) for found in (before, after))
    return tuple(
        Moving(what=kind, id=name, owner=old.get((name, kind), ""), becomes=new.get((name, kind), ""))
        for name, kind in sorted(old.keys() | new.keys())
        if old.get((name, kind)) != new.get((name, kind))
    )


def _fact_owners(found: Sequence[Owned], types: tuple[type[Event], ...]) -> dict[tuple[str, str], str]:
    return {
        (e.event_id, e.type): owner
        for one in found
        for owner, events in one.histories.items()
        for e in events
        if isinstance(e.event, types)
    }


def _moved_streams(before: Sequence[Owned], after: Sequence[Owned], category: str) -> tuple[Moving, ...]:
    old, new = (_stream_owners(found, category) for found in (before, after))
    return tuple(
        Moving(what=category, id=name, owner=old.get(name, ""), becomes=new.get(name, ""))
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    )


def _stream_owners(found: Sequence[Owned], category: str) -> dict[str, str]:
    return {
        e.stream.removeprefix(f"{category}-"): owner
        for one in found
        for owner, events in one.histories.items()
        for e in events
        if e.stream.startswith(f"{category}-")
    }


def _words(was: Rows, will: Rows) -> tuple[Word, ...]:
    old, new = (_said(rows) for rows in (was, will))
    return tuple(
        Word(customer=key[0], channel=key[1], purpose=key[2], scope=key[3], said=old.get(key, ()),
             would_say=new.get(key, ()))
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key)
    )  # fmt: skip


def _said(rows: Rows) -> dict[tuple[str, str, str, str], tuple[bool, ...]]:
    found: dict[tuple[str, str, str, str], list[bool]] = defaultdict(list)
    for owner, theirs in rows["customer_360"].items():
        for row in theirs.values():
            for word in row.consents.values():
                found[owner, word.channel, word.purpose, word.scope].append(word.granted)
    return {key: tuple(sorted(said)) for key, said in found.items()}


def _counts(was: Rows, will: Rows) -> tuple[Counted, ...]:
    old, new = (_contacts(rows) for rows in (was, will))
    return tuple(
        Counted(customer=one, ever=old.get(one, (0, 0))[0], today=old.get(one, (0, 0))[1],
                would_be_ever=new.get(one, (0, 0))[0], would_be_today=new.get(one, (0, 0))[1])
        for one in sorted(old.keys() | new.keys())
        if old.get(one) != new.get(one)
    )  # fmt: skip


def _contacts(rows: Rows) -> dict[str, tuple[int, int]]:
    return {
        owner: (row.contacts_ever, row.contacts_today)
        for owner, theirs in rows["customer_360"].items()
        for row in theirs.values()
    }


def _lists(connection: Connection, groups: Sequence[Family], after: Owned) -> tuple[Listed, ...]:
    ids = [one for family in groups for one in family.ids]
    now = {one: survivor for family in groups for one, survivor in family.survivors.items()}
    rows = connection.execute(
        select(target_list_row.c.list_id, target_list_row.c.customer)
        .where(among(target_list_row.c.customer, ids), target_list_row.c.part == "member")
        .order_by(target_list_row.c.list_id, target_list_row.c.customer)
    )
    return tuple(
        Listed(list_id=str(name), customer=str(one), becomes=becomes)
        for name, one in rows
        if (becomes := after.edges.root(str(one))) != now[str(one)]
    )
